"""Numbers made of the words of a generator, in the values and the order of drawing of PyTorch's CPU generator.

Sources: aten/src/ATen/core/{DistributionsHelper,TransformationHelper}.h and
aten/src/ATen/native/cpu/DistributionTemplates.h. Compiled functions draw the same numbers: the generator's state is
made of tensors, which they capture and advance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot.compiler.dims import product
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import elementwise, transcendental
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.index import put, take
from ingot.compiler.ops.random import mt19937
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.source import iota
from ingot.compiler.ops.view import flip
from ingot.functional.arithmetic import where
from ingot.functional.joining import cat, stack
from ingot.gate import apply, apply_several
from ingot.mutation import assign
from ingot.promote import cast_to, splat
from ingot.rng import Generator, no_recording
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError, TraceError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _uniform32(generator: Generator, count: Any) -> Tensor:
    """float32 in [0, 1): the low 24 bits of each word."""
    words = generator.words(count)
    low = apply(elementwise.and_, words, splat(0xFFFFFF, dtypes.uint32, (count,)))
    return cast_to(low, dtypes.float32) * 2.0**-24


def uniform64(words: Tensor, count: Any) -> Tensor:
    """float64 in [0, 1) from pairs of words: the low 53 bits of first * 2^32 + second."""
    pairs = words.view(count, 2)
    high = apply(elementwise.and_, pairs.select(1, 0), splat(0x1FFFFF, dtypes.uint32, (count,)))
    return (cast_to(high, dtypes.float64) * 2.0**32 + cast_to(pairs.select(1, 1), dtypes.float64)) * 2.0**-53


def unit_numbers(generator: Generator, count: Any, dtype: DType) -> Tensor:
    """Numbers in [0, 1): float64 from two words each, other types as float32."""
    if dtype is dtypes.float64:
        return uniform64(generator.words(2 * count), count)
    return _uniform32(generator, count)


def uniform_numbers(generator: Generator, shape: Any, dtype: DType, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Numbers in [low, high): x * (high - low) + low with one rounding; what is rounded to `high` becomes `low`."""
    drawn = unit_numbers(generator, product(shape), dtype).view(shape)
    if low == 0 and high == 1 and dtype.itemsize >= 4:
        return drawn
    bounds = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
    from_, to = (float(bounds.numpy.type(bound)) for bound in (low, high))
    span = float(bounds.numpy.type(to - from_))
    # In float64 the product of two float32 numbers is exact: what follows rounds as a fused multiply-add does.
    result = cast_to(cast_to(cast_to(drawn, dtypes.float64) * span + from_, bounds), dtype)
    return where(result == splat(high, dtype), splat(low, dtype, shape), result)


def _normal_fill(generator: Generator, count: int, dtype: DType) -> Tensor:
    """At least 16 numbers: Box-Muller on blocks of 16; a last part of a block is drawn again as a whole block.

    PyTorch draws the part that it will draw again too, unless the dtype is a half type.
    """
    whole = count - count % 16
    wide = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
    uniform = unit_numbers(generator, count if dtype.itemsize >= 4 else whole, wide)
    made = _box_muller(uniform.narrow(0, 0, whole).view(whole // 16, 2, 8))
    if whole == count:
        return made
    last = _box_muller(unit_numbers(generator, 16, wide).view(1, 2, 8))
    return cat([made.narrow(0, 0, count - 16), last])


def _box_muller(uniform: Tensor) -> Tensor:
    radius = (-2.0 * (1.0 - uniform.select(1, 0)).log()).sqrt()
    angle = uniform.select(1, 1) * (2.0 * math.pi)
    return stack([radius * angle.cos(), radius * angle.sin()], 1).view(-1)


def normal_serial(generator: Generator, count: int) -> Tensor:
    """Fewer than 16 numbers, float64: pairs one after another, the second of a pair kept for the next call."""
    pairs = (count + 1) // 2
    state, spare = generator.state, generator.spare
    with no_recording():
        words, after = apply_several(mt19937, state, n=4 * pairs)
        kept = spare.select(0, 0) != 0
        uniform = uniform64(words, 2 * pairs).view(pairs, 2)
        radius = (-2.0 * apply(transcendental.log1p, -uniform.select(1, 1))).sqrt()
        angle = uniform.select(1, 0) * (2.0 * math.pi)
        fresh = stack([radius * angle.cos(), radius * angle.sin()], 1).view(-1)
        shifted = cat([spare.narrow(0, 1, 1), fresh])
        numbers = where(kept, shifted.narrow(0, 0, count), fresh.narrow(0, 0, count))
        flag = spare.narrow(0, 0, 1)
        if count % 2 == 0:
            left = where(kept, fresh.narrow(0, count - 1, 1), spare.narrow(0, 1, 1))
        else:
            # With a spare at hand one pair fewer is drawn.
            shorter = apply_several(mt19937, state, n=4 * (pairs - 1))[1] if pairs > 1 else state.clone()
            after = where(kept, shorter, after)
            flag, left = 1.0 - flag, fresh.narrow(0, count, 1)
        assign(state, after)
        assign(spare, cat([flag, left]))
    return numbers


def normal_numbers(
    generator: Generator, shape: Any, dtype: DType, mean: float, std: float, contiguous: bool = True
) -> Tensor:
    """Normal numbers. PyTorch draws few of them, and those for memory that is not in row-major order, one by one."""
    if std < 0:
        raise SpecError("IG242", f"normal expects std >= 0.0, but found std {std}", where=user_line())
    count = known_count(shape)
    if count == 0:
        return splat(0.0, dtype, shape)
    numbers = _normal_fill(generator, count, dtype) if count >= 16 and contiguous else normal_serial(generator, count)
    return cast_to(affine(numbers, std, mean), dtype).view(shape)


def known_count(shape: Any) -> int:
    """The number of elements. Raises TraceError (IG192) for a shape with a named size."""
    count = product(shape)
    if isinstance(count, int):
        return count
    raise TraceError(
        "IG192",
        f"normal numbers of shape {list(shape)} cannot be compiled: how they are drawn depends on how many there are",
        where=user_line(),
        fix="a shape of plain sizes, or numbers drawn outside and passed as an argument",
    )


def affine(x: Tensor, scale: Any, shift: Any) -> Tensor:
    """x * scale + shift, leaving out what changes nothing."""
    x = x if scale == 1 else x * scale
    return x if shift == 0 else x + shift


def integers(generator: Generator, shape: Any, low: int, span: int, wide: bool | None = None) -> Tensor:
    """low + word % span. `wide`: two words per number; so it is for a span of 2^28 or more."""
    count = product(shape)
    if not (span >= 1 << 28 if wide is None else wide):
        number = cast_to(generator.words(count), dtypes.int64) % span
    else:
        pairs = cast_to(generator.words(2 * count), dtypes.uint64).view(count, 2)
        high_word = apply(elementwise.shl, pairs.select(1, 0), splat(32, dtypes.uint64, (count,)))
        joined = apply(elementwise.or_, high_word, pairs.select(1, 1))
        number = cast_to(apply(elementwise.remainder, joined, splat(span, dtypes.uint64, (count,))), dtypes.int64)
    return (number if low == 0 else number + low).view(shape)


def exchanged(words: Tensor, n: int) -> Tensor:
    """0 .. n - 1 after the exchange of i with i + words[i] % (n - i), for one i after the other, as a scan."""
    order = apply(iota, type=TensorType(dtypes.int64, (n,)), axis=0)
    if n < 2:
        return order
    place = order.narrow(0, 0, n - 1)
    other = place + cast_to(words, dtypes.int64) % (n - place)
    # Each step reads two elements and writes them back exchanged.
    carry = make_input(type=TensorType(dtypes.int64, (n,)), name="order")
    pair = make_input(type=TensorType(dtypes.int64, (2,)), name="pair")
    exchanged = put(carry, pair, flip(take(carry, pair, axis=0), axes=(0,)), axis=0)
    body = Graph((carry, pair), (exchanged,), (), "exchange")
    pairs = stack([place, other], 1)
    return apply_several(scan, order, pairs, body=body, carries=1, xs=1, length=n - 1)[0]


def exponential_numbers(generator: Generator, shape: Any) -> Tensor:
    """-log(1 - u), float64."""
    count = product(shape)
    return (-apply(transcendental.log1p, -uniform64(generator.words(2 * count), count))).view(shape)


def doubles(generator: Generator, shape: Any) -> Tensor:
    count = product(shape)
    return uniform64(generator.words(2 * count), count).view(shape)
