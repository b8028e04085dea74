"""In-place forms: the result is written to the first operand's memory, for all its views to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot import indexing
from ingot.core import TensorBase
from ingot.functional import arithmetic, bits, gathering, joining, measures, reductions, special, unary
from ingot.mutation import assign, check_writable, fitted, in_place
from ingot.promote import cast_to, expand_to, is_number, splat
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

add_ = in_place(arithmetic.add)
sub_ = in_place(arithmetic.sub)
mul_ = in_place(arithmetic.mul)
div_ = in_place(arithmetic.div)
floor_divide_ = in_place(arithmetic.floor_divide)
remainder_ = in_place(arithmetic.remainder)
fmod_ = in_place(arithmetic.fmod)
pow_ = in_place(arithmetic.pow)
addcmul_ = in_place(arithmetic.addcmul)
addcdiv_ = in_place(arithmetic.addcdiv)
lerp_ = in_place(arithmetic.lerp)
masked_fill_ = in_place(arithmetic.masked_fill)
eq_ = in_place(arithmetic.eq)
ne_ = in_place(arithmetic.ne)
lt_ = in_place(arithmetic.lt)
le_ = in_place(arithmetic.le)
gt_ = in_place(arithmetic.gt)
ge_ = in_place(arithmetic.ge)
bitwise_and_ = in_place(arithmetic.bitwise_and)
bitwise_or_ = in_place(arithmetic.bitwise_or)
bitwise_xor_ = in_place(arithmetic.bitwise_xor)
bitwise_left_shift_ = in_place(arithmetic.bitwise_left_shift)
bitwise_right_shift_ = in_place(arithmetic.bitwise_right_shift)
logical_and_ = in_place(arithmetic.logical_and)
logical_or_ = in_place(arithmetic.logical_or)
logical_xor_ = in_place(arithmetic.logical_xor)
abs_ = in_place(unary.abs)
neg_ = in_place(unary.neg)
sign_ = in_place(unary.sign)
exp_ = in_place(unary.exp)
expm1_ = in_place(unary.expm1)
log_ = in_place(unary.log)
log1p_ = in_place(unary.log1p)
log2_ = in_place(unary.log2)
sqrt_ = in_place(unary.sqrt)
rsqrt_ = in_place(unary.rsqrt)
square_ = in_place(unary.square)
sin_ = in_place(unary.sin)
cos_ = in_place(unary.cos)
tan_ = in_place(unary.tan)
tanh_ = in_place(unary.tanh)
erf_ = in_place(unary.erf)
erfinv_ = in_place(unary.erfinv)
sigmoid_ = in_place(unary.sigmoid)
floor_ = in_place(unary.floor)
ceil_ = in_place(unary.ceil)
trunc_ = in_place(unary.trunc)
round_ = in_place(unary.round)
reciprocal_ = in_place(unary.reciprocal)
clamp_ = in_place(unary.clamp)
clamp_min_ = in_place(unary.clamp_min)
clamp_max_ = in_place(unary.clamp_max)
nan_to_num_ = in_place(unary.nan_to_num)
logical_not_ = in_place(unary.logical_not)
bitwise_not_ = in_place(unary.bitwise_not)
cumsum_ = in_place(reductions.cumsum)
cumprod_ = in_place(reductions.cumprod)
tril_ = in_place(joining.tril)
triu_ = in_place(joining.triu)
scatter_ = in_place(gathering.scatter)
scatter_add_ = in_place(gathering.scatter_add)
scatter_reduce_ = in_place(gathering.scatter_reduce)
index_add_ = in_place(gathering.index_add)
index_copy_ = in_place(gathering.index_copy)
index_fill_ = in_place(gathering.index_fill)
masked_scatter_ = in_place(gathering.masked_scatter)
index_put_ = in_place(indexing.index_put)
index_reduce_ = in_place(gathering.index_reduce)
put_ = in_place(gathering.put)

atan2_ = in_place(arithmetic.atan2)
hypot_ = in_place(arithmetic.hypot)
xlogy_ = in_place(arithmetic.xlogy)
absolute_ = abs_
negative_ = neg_
fix_ = trunc_
arctan2_ = atan2_
subtract_, multiply_, divide_, true_divide_ = sub_, mul_, div_, div_
greater_, greater_equal_, less_, less_equal_, not_equal_ = gt_, ge_, lt_, le_, ne_
frac_ = in_place(unary.frac)
atan_ = in_place(unary.atan)
sinh_ = in_place(unary.sinh)
cosh_ = in_place(unary.cosh)
asinh_ = in_place(unary.asinh)
acosh_ = in_place(unary.acosh)
atanh_ = in_place(unary.atanh)
asin_ = in_place(unary.asin)
acos_ = in_place(unary.acos)
exp2_ = in_place(unary.exp2)
log10_ = in_place(unary.log10)
lgamma_ = in_place(unary.lgamma)
digamma_ = in_place(unary.digamma)
logit_ = in_place(unary.logit)
clip_ = clamp_
sgn_ = sign_
arctan_, arcsin_, arccos_, arcsinh_, arccosh_, arctanh_ = atan_, asin_, acos_, asinh_, acosh_, atanh_
deg2rad_ = in_place(arithmetic.deg2rad)
rad2deg_ = in_place(arithmetic.rad2deg)
erfc_ = in_place(special.erfc)
sinc_ = in_place(special.sinc)
i0_ = in_place(special.i0)
igamma_ = in_place(special.igamma)
igammac_ = in_place(special.igammac)
mvlgamma_ = in_place(special.mvlgamma)
copysign_ = in_place(bits.copysign)
float_power_ = in_place(bits.float_power)
gcd_ = in_place(bits.gcd)
lcm_ = in_place(bits.lcm)
heaviside_ = in_place(bits.heaviside)
ldexp_ = in_place(bits.ldexp)
nextafter_ = in_place(bits.nextafter)
renorm_ = in_place(measures.renorm)


def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place form of `polygamma`."""
    check_writable(self)
    return assign(self, fitted(self, special.polygamma(n, self)))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element becomes the number (or 0-d tensor)."""
    check_writable(self)
    layout = self._layout
    if is_number(value):
        return assign(self, splat(value, layout.dtype, layout.shape), replaces=True)
    return assign(self, expand_to(cast_to(value, layout.dtype), layout.shape), replaces=True)


def zero_(self: Tensor) -> Tensor:
    """Every element becomes 0."""
    return fill_(self, 0)


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """The elements of `src`, broadcast and converted. Raises ShapeError (IG201) when they do not fit."""
    check_writable(self)
    layout = self._layout
    source = src if isinstance(src, TensorBase) else splat(src, layout.dtype, layout.shape)
    shape = source._layout.shape
    fits = len(shape) <= len(layout.shape) and all(
        m == 1 or m == n for m, n in zip(reversed(shape), reversed(layout.shape), strict=False)
    )
    if not fits:
        raise ShapeError(
            "IG201",
            f"copy_: shape {list(shape)} cannot be broadcast to shape {list(layout.shape)}",
            where=user_line(),
        )
    return assign(self, expand_to(cast_to(source, layout.dtype), layout.shape), replaces=True)
