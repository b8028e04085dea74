"""The methods of Tensor that are functions of `ingot` under the same name, listed by family."""

from __future__ import annotations

from ingot import indexing
from ingot.calls import make_public
from ingot.functional import (
    activations,
    arithmetic,
    bits,
    conversion,
    diagonals,
    factorisations,
    gathering,
    joining,
    linalg,
    matrix_norms,
    measures,
    memory,
    patches,
    reductions,
    sampling,
    searching,
    shaping,
    special,
    statistics,
    strides,
    systems,
    unary,
)
from ingot.inplace_methods import InPlaceMethods


class TensorMethods(InPlaceMethods):
    """Methods by assignment; a function's first parameter is the tensor."""

    __slots__ = ()

    # ---- operators

    __add__ = __radd__ = arithmetic.add
    __sub__ = arithmetic.sub
    __rsub__ = arithmetic.rsub
    __mul__ = __rmul__ = arithmetic.mul
    __truediv__ = arithmetic.div
    __rtruediv__ = arithmetic.rdiv
    __floordiv__ = arithmetic.floor_divide
    __rfloordiv__ = arithmetic.rfloor_divide
    __mod__ = arithmetic.remainder
    __rmod__ = arithmetic.rremainder
    __pow__ = arithmetic.pow
    __rpow__ = arithmetic.rpow
    __matmul__ = linalg.matmul
    __rmatmul__ = linalg.rmatmul
    __neg__ = unary.neg
    __pos__ = unary.positive
    __abs__ = unary.abs
    __invert__ = unary.bitwise_not
    __and__ = __rand__ = arithmetic.bitwise_and
    __or__ = __ror__ = arithmetic.bitwise_or
    __xor__ = __rxor__ = arithmetic.bitwise_xor
    __lshift__ = arithmetic.bitwise_left_shift
    __rshift__ = arithmetic.bitwise_right_shift
    __rlshift__ = arithmetic.rlshift
    __rrshift__ = arithmetic.rrshift
    __eq__ = arithmetic.equals  # type: ignore[assignment]
    __ne__ = arithmetic.differs  # type: ignore[assignment]
    __lt__ = arithmetic.lt
    __le__ = arithmetic.le
    __gt__ = arithmetic.gt
    __ge__ = arithmetic.ge
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    index_put = indexing.index_put

    # ---- arithmetic, comparison, logic

    add = arithmetic.add
    sub = arithmetic.sub
    subtract = arithmetic.subtract
    mul = arithmetic.mul
    multiply = arithmetic.multiply
    div = arithmetic.div
    divide = arithmetic.divide
    true_divide = arithmetic.true_divide
    floor_divide = arithmetic.floor_divide
    remainder = arithmetic.remainder
    fmod = arithmetic.fmod
    pow = arithmetic.pow
    atan2 = arithmetic.atan2
    arctan2 = arithmetic.arctan2
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    fmax = arithmetic.fmax
    fmin = arithmetic.fmin
    eq = arithmetic.eq
    ne = arithmetic.ne
    lt = arithmetic.lt
    le = arithmetic.le
    gt = arithmetic.gt
    ge = arithmetic.ge
    greater = arithmetic.greater
    greater_equal = arithmetic.greater_equal
    less = arithmetic.less
    less_equal = arithmetic.less_equal
    not_equal = arithmetic.not_equal
    bitwise_and = arithmetic.bitwise_and
    bitwise_or = arithmetic.bitwise_or
    bitwise_xor = arithmetic.bitwise_xor
    bitwise_left_shift = arithmetic.bitwise_left_shift
    bitwise_right_shift = arithmetic.bitwise_right_shift
    logical_and = arithmetic.logical_and
    logical_or = arithmetic.logical_or
    logical_xor = arithmetic.logical_xor
    masked_fill = arithmetic.masked_fill
    addcmul = arithmetic.addcmul
    addcdiv = arithmetic.addcdiv
    lerp = arithmetic.lerp
    isclose = arithmetic.isclose
    allclose = arithmetic.allclose
    equal = arithmetic.equal
    logaddexp = arithmetic.logaddexp
    hypot = arithmetic.hypot
    xlogy = arithmetic.xlogy
    rad2deg = arithmetic.rad2deg
    deg2rad = arithmetic.deg2rad

    # ---- functions of one tensor

    abs = unary.abs
    absolute = unary.absolute
    neg = unary.neg
    negative = unary.negative
    positive = unary.positive
    sign = unary.sign
    sgn = unary.sgn
    exp = unary.exp
    exp2 = unary.exp2
    expm1 = unary.expm1
    log = unary.log
    log1p = unary.log1p
    log2 = unary.log2
    log10 = unary.log10
    sqrt = unary.sqrt
    rsqrt = unary.rsqrt
    square = unary.square
    sin = unary.sin
    cos = unary.cos
    tan = unary.tan
    asin = unary.asin
    acos = unary.acos
    atan = unary.atan
    sinh = unary.sinh
    cosh = unary.cosh
    tanh = unary.tanh
    asinh = unary.asinh
    acosh = unary.acosh
    atanh = unary.atanh
    arcsin = unary.arcsin
    arccos = unary.arccos
    arctan = unary.arctan
    arcsinh = unary.arcsinh
    arccosh = unary.arccosh
    arctanh = unary.arctanh
    erf = unary.erf
    erfc = special.erfc
    sinc = special.sinc
    i0 = special.i0
    igamma = special.igamma
    igammac = special.igammac
    mvlgamma = special.mvlgamma
    renorm = measures.renorm
    logcumsumexp = measures.logcumsumexp
    sum_to_size = measures.sum_to_size
    erfinv = unary.erfinv
    sigmoid = unary.sigmoid
    floor = unary.floor
    ceil = unary.ceil
    round = unary.round
    trunc = unary.trunc
    fix = unary.fix
    frac = unary.frac
    logit = unary.logit
    isnan = unary.isnan
    isinf = unary.isinf
    isfinite = unary.isfinite
    lgamma = unary.lgamma
    digamma = unary.digamma
    reciprocal = unary.reciprocal
    logical_not = unary.logical_not
    bitwise_not = unary.bitwise_not
    nan_to_num = unary.nan_to_num
    clamp = unary.clamp
    clip = unary.clip
    clamp_min = unary.clamp_min
    clamp_max = unary.clamp_max

    softmax = activations.softmax
    log_softmax = activations.log_softmax
    relu = activations.relu
    relu_ = activations.relu_
    prelu = activations.prelu

    # ---- reductions

    sum = reductions.sum
    nansum = reductions.nansum
    prod = reductions.prod
    mean = reductions.mean
    amax = reductions.amax
    amin = reductions.amin
    aminmax = reductions.aminmax
    max = reductions.max
    min = reductions.min
    argmax = reductions.argmax
    argmin = reductions.argmin
    any = reductions.any
    all = reductions.all
    count_nonzero = reductions.count_nonzero
    var = reductions.var
    std = reductions.std
    norm = matrix_norms.norm
    dist = matrix_norms.dist
    logsumexp = reductions.logsumexp
    cumsum = reductions.cumsum
    cumprod = reductions.cumprod
    cummax = reductions.cummax
    cummin = reductions.cummin

    # ---- views

    view = shaping.view
    view_as = shaping.view_as
    reshape = shaping.reshape
    reshape_as = shaping.reshape_as
    contiguous = shaping.contiguous
    permute = shaping.permute
    transpose = shaping.transpose
    swapaxes = shaping.swapaxes
    swapdims = shaping.swapdims
    t = shaping.t
    movedim = shaping.movedim
    moveaxis = shaping.moveaxis
    expand = shaping.expand
    expand_as = shaping.expand_as
    broadcast_to = shaping.broadcast_to
    unsqueeze = shaping.unsqueeze
    squeeze = shaping.squeeze
    flatten = shaping.flatten
    ravel = shaping.ravel
    unflatten = shaping.unflatten
    narrow = shaping.narrow
    select = shaping.select
    unbind = shaping.unbind
    diagonal = shaping.diagonal

    # ---- joining and splitting

    split = joining.split
    split_with_sizes = joining.split_with_sizes
    unsafe_split = joining.unsafe_split
    unsafe_split_with_sizes = joining.unsafe_split_with_sizes
    unsafe_chunk = joining.unsafe_chunk
    argwhere = searching.argwhere
    nonzero_static = searching.nonzero_static
    chunk = joining.chunk
    tensor_split = joining.tensor_split
    repeat = joining.repeat
    tile = joining.tile
    repeat_interleave = joining.repeat_interleave
    flip = joining.flip
    fliplr = joining.fliplr
    flipud = joining.flipud
    roll = joining.roll
    rot90 = joining.rot90
    tril = joining.tril
    triu = joining.triu

    # ---- products

    matmul = linalg.matmul
    mm = linalg.mm
    bmm = linalg.bmm
    mv = linalg.mv
    dot = linalg.dot
    outer = linalg.outer
    ger = linalg.ger
    addmm = linalg.addmm
    addmv = linalg.addmv
    baddbmm = linalg.baddbmm
    trace = linalg.trace
    addr = linalg.addr
    addbmm = linalg.addbmm
    vdot = linalg.vdot
    inner = linalg.inner
    kron = linalg.kron
    cross = linalg.cross

    # ---- systems and factorisations

    inverse = systems.inverse
    det = systems.det
    logdet = systems.logdet
    slogdet = systems.slogdet
    lu = systems.factored
    lu_solve = systems.lu_solve_of
    matrix_exp = systems.matrix_exp
    matrix_power = systems.matrix_power
    triangular_solve = systems.triangular_solve
    cholesky = factorisations.cholesky_of
    cholesky_inverse = factorisations.cholesky_inverse
    cholesky_solve = factorisations.cholesky_solve
    orgqr = factorisations.householder_product
    pinverse = factorisations.pinverse
    qr = factorisations.qr_of
    svd = factorisations.svd_of

    # ---- gathering, scattering, sorting

    gather = gathering.gather
    take_along_dim = gathering.take_along_dim
    scatter = gathering.scatter
    scatter_add = gathering.scatter_add
    scatter_reduce = gathering.scatter_reduce
    index_select = gathering.index_select
    index_add = gathering.index_add
    index_copy = gathering.index_copy
    index_fill = gathering.index_fill
    take = gathering.take
    nonzero = gathering.nonzero
    masked_select = gathering.masked_select
    masked_scatter = gathering.masked_scatter
    sort = gathering.sort
    argsort = gathering.argsort
    msort = gathering.msort
    topk = gathering.topk
    kthvalue = gathering.kthvalue

    # ---- statistics

    nanmean = statistics.nanmean
    median = statistics.median
    nanmedian = statistics.nanmedian
    mode = statistics.mode
    quantile = statistics.quantile
    nanquantile = statistics.nanquantile
    cov = statistics.cov
    corrcoef = statistics.corrcoef
    bincount = statistics.bincount
    histc = statistics.histc
    histogram = statistics.histogram
    diff = statistics.diff

    # ---- searching

    unique = searching.unique
    unique_consecutive = searching.unique_consecutive
    argwhere = searching.argwhere

    # ---- signs, exponents, number theory

    signbit = bits.signbit
    copysign = bits.copysign
    nextafter = bits.nextafter
    frexp = bits.frexp
    ldexp = bits.ldexp
    float_power = bits.float_power
    heaviside = bits.heaviside
    isposinf = bits.isposinf
    isneginf = bits.isneginf
    isreal = bits.isreal
    angle = bits.angle
    polygamma = special.polygamma_of
    gcd = bits.gcd
    lcm = bits.lcm
    logaddexp2 = arithmetic.logaddexp2

    # ---- diagonals and parts

    select_scatter = patches.select_scatter
    slice_scatter = patches.slice_scatter
    diagonal_scatter = patches.diagonal_scatter
    as_strided_scatter = patches.as_strided_scatter
    narrow_copy = patches.narrow_copy
    fill_diagonal_ = patches.fill_diagonal_
    unfold = strides.unfold
    as_strided = strides.as_strided
    put = gathering.put
    index_reduce = gathering.index_reduce

    diag = diagonals.diag
    diag_embed = diagonals.diag_embed
    diagflat = diagonals.diagflat
    hsplit = diagonals.hsplit
    vsplit = diagonals.vsplit
    dsplit = diagonals.dsplit

    # ---- conversions

    item = conversion.item
    tolist = conversion.tolist
    numpy = conversion.numpy
    clone = conversion.clone
    to = conversion.to
    type_as = conversion.type_as
    cpu = conversion.cpu
    new = conversion.new
    new_tensor = conversion.new_tensor
    new_zeros = conversion.new_zeros
    new_ones = conversion.new_ones
    new_empty = conversion.new_empty
    new_empty_strided = conversion.new_empty_strided
    new_full = conversion.new_full
    type = conversion.type
    float = conversion.to_float
    double = conversion.to_double
    half = conversion.to_half
    bfloat16 = conversion.to_bfloat16
    long = conversion.to_long
    int = conversion.to_int
    short = conversion.to_short
    char = conversion.to_char
    byte = conversion.to_byte
    bool = conversion.to_bool

    # ---- memory

    storage = memory.storage
    untyped_storage = memory.untyped_storage
    transpose_ = memory.transpose_
    swapaxes_ = memory.swapaxes_
    swapdims_ = memory.swapdims_
    t_ = memory.t_
    squeeze_ = memory.squeeze_
    unsqueeze_ = memory.unsqueeze_
    as_strided_ = memory.as_strided_
    resize_ = memory.resize_
    resize_as_ = memory.resize_as_
    set_ = memory.set_
    apply_ = memory.apply_
    map_ = memory.map_
    cuda = memory.cuda
    pin_memory = memory.pin_memory
    is_pinned = memory.is_pinned
    share_memory_ = memory.share_memory_
    is_shared = memory.is_shared
    get_device = memory.get_device
    record_stream = memory.record_stream
    is_signed = memory.is_signed
    is_same_size = memory.is_same_size
    is_set_to = memory.is_set_to
    is_nonzero = memory.is_nonzero
    dim_order = memory.dim_order
    is_conj = memory.always_false
    is_neg = memory.always_false
    is_inference = memory.always_false
    is_distributed = memory.always_false
    is_coalesced = memory.always_false
    conj = memory.itself
    conj_physical = memory.itself
    resolve_conj = memory.itself
    resolve_neg = memory.itself
    to_dense = memory.itself
    __dlpack__ = memory.to_dlpack
    __dlpack_device__ = memory.dlpack_device
    __array_wrap__ = memory.wrapped_array

    # ---- random numbers

    bernoulli = sampling.bernoulli
    multinomial = sampling.multinomial


make_public(TensorMethods)
