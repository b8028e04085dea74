"""The methods of Tensor that write to it, listed by family. Their names end in "_", as those of the functions do."""

from __future__ import annotations

from ingot.calls import make_public
from ingot.core import TensorBase
from ingot.functional import inplace, sampling


class InPlaceMethods(TensorBase):
    """Methods by assignment; a function's first parameter is the tensor."""

    __slots__ = ()

    # ---- operators

    __ilshift__ = inplace.bitwise_left_shift_
    __irshift__ = inplace.bitwise_right_shift_
    __iadd__ = inplace.add_
    __isub__ = inplace.sub_
    __imul__ = inplace.mul_
    __itruediv__ = inplace.div_
    __ifloordiv__ = inplace.floor_divide_
    __imod__ = inplace.remainder_
    __ipow__ = inplace.pow_
    __iand__ = inplace.bitwise_and_
    __ior__ = inplace.bitwise_or_
    __ixor__ = inplace.bitwise_xor_

    # ---- random numbers

    uniform_ = sampling.uniform_
    normal_ = sampling.normal_
    bernoulli_ = sampling.bernoulli_
    random_ = sampling.random_
    exponential_ = sampling.exponential_
    geometric_ = sampling.geometric_
    log_normal_ = sampling.log_normal_
    cauchy_ = sampling.cauchy_

    # ---- functions

    add_ = inplace.add_
    sub_ = inplace.sub_
    mul_ = inplace.mul_
    div_ = inplace.div_
    floor_divide_ = inplace.floor_divide_
    remainder_ = inplace.remainder_
    fmod_ = inplace.fmod_
    pow_ = inplace.pow_
    addcmul_ = inplace.addcmul_
    addcdiv_ = inplace.addcdiv_
    lerp_ = inplace.lerp_
    masked_fill_ = inplace.masked_fill_
    eq_ = inplace.eq_
    ne_ = inplace.ne_
    lt_ = inplace.lt_
    le_ = inplace.le_
    gt_ = inplace.gt_
    ge_ = inplace.ge_
    bitwise_and_ = inplace.bitwise_and_
    bitwise_or_ = inplace.bitwise_or_
    bitwise_xor_ = inplace.bitwise_xor_
    bitwise_left_shift_ = inplace.bitwise_left_shift_
    bitwise_right_shift_ = inplace.bitwise_right_shift_
    logical_and_ = inplace.logical_and_
    logical_or_ = inplace.logical_or_
    logical_xor_ = inplace.logical_xor_
    abs_ = inplace.abs_
    neg_ = inplace.neg_
    sign_ = inplace.sign_
    exp_ = inplace.exp_
    expm1_ = inplace.expm1_
    log_ = inplace.log_
    log1p_ = inplace.log1p_
    log2_ = inplace.log2_
    sqrt_ = inplace.sqrt_
    rsqrt_ = inplace.rsqrt_
    square_ = inplace.square_
    sin_ = inplace.sin_
    cos_ = inplace.cos_
    tan_ = inplace.tan_
    tanh_ = inplace.tanh_
    erf_ = inplace.erf_
    erfinv_ = inplace.erfinv_
    sigmoid_ = inplace.sigmoid_
    floor_ = inplace.floor_
    ceil_ = inplace.ceil_
    trunc_ = inplace.trunc_
    round_ = inplace.round_
    reciprocal_ = inplace.reciprocal_
    clamp_ = inplace.clamp_
    clamp_min_ = inplace.clamp_min_
    clamp_max_ = inplace.clamp_max_
    nan_to_num_ = inplace.nan_to_num_
    logical_not_ = inplace.logical_not_
    bitwise_not_ = inplace.bitwise_not_
    cumsum_ = inplace.cumsum_
    cumprod_ = inplace.cumprod_
    tril_ = inplace.tril_
    triu_ = inplace.triu_
    scatter_ = inplace.scatter_
    scatter_add_ = inplace.scatter_add_
    scatter_reduce_ = inplace.scatter_reduce_
    index_add_ = inplace.index_add_
    index_copy_ = inplace.index_copy_
    index_fill_ = inplace.index_fill_
    masked_scatter_ = inplace.masked_scatter_
    index_put_ = inplace.index_put_
    atan2_ = inplace.atan2_
    hypot_ = inplace.hypot_
    xlogy_ = inplace.xlogy_
    absolute_ = inplace.absolute_
    negative_ = inplace.negative_
    fix_ = inplace.fix_
    arctan2_ = inplace.arctan2_
    subtract_ = inplace.subtract_
    multiply_ = inplace.multiply_
    divide_ = inplace.divide_
    true_divide_ = inplace.true_divide_
    greater_ = inplace.greater_
    greater_equal_ = inplace.greater_equal_
    less_ = inplace.less_
    less_equal_ = inplace.less_equal_
    not_equal_ = inplace.not_equal_
    frac_ = inplace.frac_
    atan_ = inplace.atan_
    sinh_ = inplace.sinh_
    cosh_ = inplace.cosh_
    asinh_ = inplace.asinh_
    acosh_ = inplace.acosh_
    atanh_ = inplace.atanh_
    asin_ = inplace.asin_
    acos_ = inplace.acos_
    exp2_ = inplace.exp2_
    log10_ = inplace.log10_
    lgamma_ = inplace.lgamma_
    digamma_ = inplace.digamma_
    logit_ = inplace.logit_
    clip_ = inplace.clip_
    sgn_ = inplace.sgn_
    arctan_ = inplace.arctan_
    arcsin_ = inplace.arcsin_
    arccos_ = inplace.arccos_
    arcsinh_ = inplace.arcsinh_
    arccosh_ = inplace.arccosh_
    arctanh_ = inplace.arctanh_
    deg2rad_ = inplace.deg2rad_
    rad2deg_ = inplace.rad2deg_
    erfc_ = inplace.erfc_
    sinc_ = inplace.sinc_
    i0_ = inplace.i0_
    igamma_ = inplace.igamma_
    igammac_ = inplace.igammac_
    mvlgamma_ = inplace.mvlgamma_
    copysign_ = inplace.copysign_
    float_power_ = inplace.float_power_
    gcd_ = inplace.gcd_
    lcm_ = inplace.lcm_
    heaviside_ = inplace.heaviside_
    ldexp_ = inplace.ldexp_
    nextafter_ = inplace.nextafter_
    renorm_ = inplace.renorm_
    polygamma_ = inplace.polygamma_
    fill_ = inplace.fill_
    zero_ = inplace.zero_
    copy_ = inplace.copy_
    put_ = inplace.put_
    index_reduce_ = inplace.index_reduce_


make_public(InPlaceMethods)
