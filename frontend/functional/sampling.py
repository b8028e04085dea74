"""Random numbers in the distributions, the values and the order of drawing of PyTorch's CPU generator.

Sources: aten/src/ATen/core/{DistributionsHelper,TransformationHelper}.h and
aten/src/ATen/native/cpu/DistributionTemplates.h. Compiled functions draw the same numbers: the generator's state is
made of tensors, which they capture and advance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.dims import product
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import elementwise, transcendental
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.index import put, take
from ingot.compiler.ops.random import mt19937
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.source import iota
from ingot.compiler.ops.view import flip
from ingot.core import array_of, is_tensor, tensor_from_array
from ingot.creation import check_device, empty_like, in_order_of, marked, shape_from
from ingot.functional.arithmetic import where
from ingot.functional.joining import cat, stack
from ingot.gate import apply, apply_several
from ingot.modes import Defaults, modes
from ingot.mutation import assign, check_writable
from ingot.promote import cast_to, expand_to, splat
from ingot.rng import Generator, default_generator, no_recording
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, ShapeError, SpecError, TraceError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _uniform32(generator: Generator, count: Any) -> Tensor:
    """float32 in [0, 1): the low 24 bits of each word."""
    words = generator.words(count)
    low = apply(elementwise.and_, words, splat(0xFFFFFF, dtypes.uint32, (count,)))
    return cast_to(low, dtypes.float32) * 2.0**-24


def _uniform64(words: Tensor, count: Any) -> Tensor:
    """float64 in [0, 1) from pairs of words: the low 53 bits of first * 2^32 + second."""
    pairs = words.view(count, 2)
    high = apply(elementwise.and_, pairs.select(1, 0), splat(0x1FFFFF, dtypes.uint32, (count,)))
    return (cast_to(high, dtypes.float64) * 2.0**32 + cast_to(pairs.select(1, 1), dtypes.float64)) * 2.0**-53


def _unit(generator: Generator, count: Any, dtype: DType) -> Tensor:
    """Numbers in [0, 1): float64 from two words each, other types as float32."""
    if dtype is dtypes.float64:
        return _uniform64(generator.words(2 * count), count)
    return _uniform32(generator, count)


def _uniform(generator: Generator, shape: Any, dtype: DType, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Numbers in [low, high): x * (high - low) + low with one rounding; what is rounded to `high` becomes `low`."""
    drawn = _unit(generator, product(shape), dtype).view(shape)
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
    uniform = _unit(generator, count if dtype.itemsize >= 4 else whole, wide)
    made = _box_muller(uniform.narrow(0, 0, whole).view(whole // 16, 2, 8))
    if whole == count:
        return made
    last = _box_muller(_unit(generator, 16, wide).view(1, 2, 8))
    return cat([made.narrow(0, 0, count - 16), last])


def _box_muller(uniform: Tensor) -> Tensor:
    radius = (-2.0 * (1.0 - uniform.select(1, 0)).log()).sqrt()
    angle = uniform.select(1, 1) * (2.0 * math.pi)
    return stack([radius * angle.cos(), radius * angle.sin()], 1).view(-1)


def _normal_serial(generator: Generator, count: int) -> Tensor:
    """Fewer than 16 numbers, float64: pairs one after another, the second of a pair kept for the next call."""
    pairs = (count + 1) // 2
    state, spare = generator.state, generator.spare
    with no_recording():
        words, after = apply_several(mt19937, state, n=4 * pairs)
        kept = spare.select(0, 0) != 0
        uniform = _uniform64(words, 2 * pairs).view(pairs, 2)
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


def _normal(generator: Generator, shape: Any, dtype: DType, mean: float, std: float, contiguous: bool = True) -> Tensor:
    """Normal numbers. PyTorch draws few of them, and those for memory that is not in row-major order, one by one."""
    if std < 0:
        raise SpecError("IG242", f"normal expects std >= 0.0, but found std {std}", where=user_line())
    count = _known_count(shape)
    if count == 0:
        return splat(0.0, dtype, shape)
    numbers = _normal_fill(generator, count, dtype) if count >= 16 and contiguous else _normal_serial(generator, count)
    return cast_to(_affine(numbers, std, mean), dtype).view(shape)


def _known_count(shape: Any) -> int:
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


def _affine(x: Tensor, scale: Any, shift: Any) -> Tensor:
    """x * scale + shift, leaving out what changes nothing."""
    x = x if scale == 1 else x * scale
    return x if shift == 0 else x + shift


def _floating(dtype: DType | None) -> DType:
    kind = dtype or Defaults.dtype
    if kind.is_floating_point:
        return kind
    raise DTypeError("IG242", f"random numbers of this kind need a floating dtype, not {kind}", where=user_line())


# ---- public functions


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [0, 1)."""
    check_device(device)
    shape, kind = shape_from(size), _floating(dtype)
    return marked(_uniform(generator or default_generator, shape, kind), requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal with mean 0 and standard deviation 1."""
    check_device(device)
    shape, kind = shape_from(size), _floating(dtype)
    return marked(_normal(generator or default_generator, shape, kind, 0.0, 1.0), requires_grad)


def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from low (0) to high - 1; int64 unless a dtype is given. Raises SpecError (IG243) when there are none.

    Called as randint(high, size), randint(low, high, size), or with names.
    """
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    low, high = 0 if low is None else int(low), int(high)
    if high <= low:
        raise _no_integers(low, high)
    shape = shape_from((size,) if isinstance(size, int) else tuple(size))
    drawn = _integers(generator or default_generator, shape, low, high - low)
    return marked(cast_to(drawn, dtype or dtypes.int64), requires_grad)


def _integers(generator: Generator, shape: Any, low: int, span: int, wide: bool | None = None) -> Tensor:
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


def randperm(n: int, *, generator: Generator | None = None, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A random order of 0 .. n - 1."""
    check_device(device)
    if n < 0:
        raise ShapeError("IG202", f"randperm: n must be non-negative, not {n}", where=user_line())
    words = (generator or default_generator).words(max(n - 1, 0))
    if modes.trace is not None:
        return cast_to(_exchanged(words, n), dtype or dtypes.int64)
    steps = (array_of(words).astype(np.int64) % np.arange(n, 1, -1)).tolist()
    order = list(range(n))
    for i, step in enumerate(steps):
        order[i], order[i + step] = order[i + step], order[i]
    return tensor_from_array(np.array(order, (dtype or dtypes.int64).numpy))


def _exchanged(words: Tensor, n: int) -> Tensor:
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


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers; mean and std are numbers (with `size`) or tensors, element by element."""
    check_device(device)
    chosen = generator or default_generator
    if size is not None:
        shape = shape_from((size,) if isinstance(size, int) else tuple(size))
        return marked(_normal(chosen, shape, _floating(dtype), mean, std), requires_grad)
    like = mean if hasattr(mean, "_layout") else std
    shape = (mean + std)._layout.shape
    drawn: Tensor = _normal(chosen, shape, like._layout.dtype, 0.0, 1.0) * std + mean
    return drawn


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that the element (or p) is, else 0. Raises SpecError (IG242) for others than of [0, 1]."""
    if p is not None:
        return bernoulli_(empty_like(input), p, generator=generator)
    kind = _floating(input._layout.dtype)
    _check_probabilities("bernoulli", input, 1.0)
    return cast_to(_below(generator or default_generator, input), kind)


def _check_probabilities(name: str, input: Tensor, high: float | None) -> None:
    """Raises SpecError (IG242) for elements outside [0, high] or, without a bound, of the finite, where known."""
    if modes.trace is not None or input._layout.numel == 0:
        return
    array = array_of(input)
    good = (array >= 0) & (np.isfinite(array) if high is None else array <= high)
    if not bool(good.all()):
        bad = array[~good].flat[0]
        most = "finite" if high is None else f"at most {high}"
        raise SpecError("IG242", f"{name} expects probabilities of at least 0 and {most}, not {bad}", where=user_line())


def _below(generator: Generator, probability: Tensor) -> Tensor:
    """True with the probability that the element is. PyTorch draws in the type of the probabilities."""
    kind = probability._layout.dtype
    drawn = _unit(generator, probability._layout.numel, kind)
    return drawn.view(probability._layout.shape) < probability.detach()


def rand_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform in [0, 1), in the shape and dtype of another tensor."""
    kind = dtype or input._layout.dtype
    return in_order_of(input, lambda shape: rand(shape, dtype=kind, device=device, requires_grad=requires_grad))


def randn_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal, in the shape and dtype of another tensor."""
    kind = dtype or input._layout.dtype
    if not input._layout.contiguous:
        check_device(device)
        return marked(normal_(empty_like(input, dtype=_floating(kind))), requires_grad)
    return in_order_of(input, lambda shape: randn(shape, dtype=kind, device=device, requires_grad=requires_grad))


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from low to high - 1, in the shape and dtype of another tensor."""
    first, last = (0, low) if high is None else (low, high)
    kind = dtype or input._layout.dtype
    return in_order_of(
        input,
        lambda shape: randint(first, last, tuple(shape), dtype=kind, device=device, requires_grad=requires_grad),
    )


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with probabilities proportional to the elements of each row."""
    chosen = generator or default_generator
    _check_probabilities("multinomial", input, None)
    rows = input if input._layout.ndim == 2 else input.view(1, -1)
    shape = rows._layout.shape
    if replacement and num_samples > 1:
        sums = rows.detach().double().cumsum(1)
        bounds = sums / sums.narrow(1, shape[1] - 1, 1)
        count = shape[0] * num_samples
        drawn = _uniform64(chosen.words(2 * count), count).view(shape[0], num_samples)
        found = (bounds.unsqueeze(1) <= drawn.unsqueeze(2)).sum(2)
    else:
        # One exponential number per element; the largest ratios win (Efraimidis & Spirakis 2006).
        waits = cast_to(_exponential(chosen, shape), rows._layout.dtype)
        found = (rows.detach() / waits).topk(num_samples, 1).indices
    return found if input._layout.ndim == 2 else found.view(num_samples)


def _exponential(generator: Generator, shape: Any) -> Tensor:
    """-log(1 - u), float64."""
    count = product(shape)
    return (-apply(transcendental.log1p, -_uniform64(generator.words(2 * count), count))).view(shape)


# ---- in place


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element uniform in [a, b)."""
    check_writable(self)
    kind = _floating(self._layout.dtype)
    if a > b:
        raise SpecError(
            "IG242",
            f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}",
            where=user_line(),
        )
    chosen = generator or default_generator
    return _assign_drawn(self, lambda shape: _uniform(chosen, shape, kind, a, b))


def _assign_drawn(target: Tensor, draw: Callable[[Any], Tensor]) -> Tensor:
    """Give the tensor numbers drawn in the order in which its elements lie in memory."""
    layout = target._layout
    if layout.contiguous:
        return assign(target, draw(layout.shape), replaces=True)
    strides = layout.strides
    order = sorted(range(layout.ndim), key=lambda axis: -strides[axis])
    drawn = draw(tuple(layout.shape[axis] for axis in order))
    return assign(target, drawn.permute(tuple(order.index(axis) for axis in range(layout.ndim))), replaces=True)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element normal with this mean and standard deviation."""
    check_writable(self)
    kind = _floating(self._layout.dtype)
    chosen, contiguous = generator or default_generator, self._layout.contiguous
    return _assign_drawn(self, lambda shape: _normal(chosen, shape, kind, mean, std, contiguous))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Every element 1 with probability p (a number or a tensor), else 0."""
    check_writable(self)
    layout, chosen = self._layout, generator or default_generator
    if is_tensor(p):
        kept = _below(chosen, expand_to(p, layout.shape))
        return assign(self, cast_to(kept, layout.dtype))
    if not 0 <= p <= 1:
        raise SpecError("IG242", f"bernoulli_ expects p to be in [0, 1], but got p={p}", where=user_line())
    return _assign_drawn(self, lambda shape: cast_to(chance(chosen, shape, p), layout.dtype))


def chance(generator: Generator, shape: Any, p: float) -> Tensor:
    """True with probability p. PyTorch built with MKL draws these from other streams, which nobody can match."""
    count = product(shape)
    return (_uniform64(generator.words(2 * count), count) < p).view(shape)


def random_(self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """Every element an integer from low to high - 1 (by default what the dtype holds exactly)."""
    check_writable(self)
    layout = self._layout
    chosen, wide = generator or default_generator, None
    if high is None and low == 0:
        high, wide = _exact_limit(layout.dtype), layout.dtype in (dtypes.int64, dtypes.float64)
    elif high is None:
        low, high = 0, low
    if high <= low:
        raise _no_integers(low, high)
    span = high - low
    return _assign_drawn(self, lambda shape: cast_to(_integers(chosen, shape, low, span, wide), layout.dtype))


def _exact_limit(dtype: DType) -> int:
    """One more than the largest integer up to which the dtype holds all of them."""
    if dtype.is_floating_point:
        return {"f16": 1 << 11, "bf16": 1 << 8, "f32": 1 << 24, "f64": 1 << 53}[dtype.short] + 1
    return 2 if dtype.kind == "b" else 1 << (dtype.bits - (1 if dtype.is_signed else 0))


def _no_integers(low: int, high: int) -> SpecError:
    return SpecError(
        "IG243", f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}", where=user_line()
    )


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element exponential with rate `lambd`."""
    check_writable(self)
    kind, chosen = _floating(self._layout.dtype), generator or default_generator
    if lambd <= 0:
        raise SpecError("IG242", f"exponential_ expects lambda > 0.0, but found lambda={lambd}", where=user_line())
    return _assign_drawn(self, lambda shape: cast_to(_exponential(chosen, shape) / lambd, kind))


def _at_positive(name: str, what: str, value: float, good: bool) -> None:
    if not good:
        raise SpecError("IG242", f"{name} expects {what}, but got {value}", where=user_line())


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Every element the number of trials up to the first success, each of which has probability p."""
    check_writable(self)
    _at_positive("geometric_", "p to be in (0, 1)", p, 0 < p < 1)
    dtype, chosen = self._layout.dtype, generator or default_generator

    def draw(shape: Any) -> Tensor:
        trials = (_doubles(chosen, shape).log() / math.log1p(-p)).ceil()
        return cast_to(trials, dtype)

    return _assign_drawn(self, draw)


def _doubles(generator: Generator, shape: Any) -> Tensor:
    count = product(shape)
    return _uniform64(generator.words(2 * count), count).view(shape)


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Every element the exponential of a normal number with this mean and standard deviation."""
    check_writable(self)
    _at_positive("log_normal_", "std > 0.0", std, std > 0)
    kind, chosen = _floating(self._layout.dtype), generator or default_generator

    def draw(shape: Any) -> Tensor:
        numbers = _normal_serial(chosen, _known_count(shape))
        return cast_to(_affine(numbers, std, mean).exp(), kind).view(shape)

    return _assign_drawn(self, draw)


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element from the Cauchy distribution."""
    check_writable(self)
    _at_positive("cauchy_", "sigma > 0.0", sigma, sigma > 0)
    kind, chosen = _floating(self._layout.dtype), generator or default_generator

    def draw(shape: Any) -> Tensor:
        turned = ((_doubles(chosen, shape) - 0.5) * math.pi).tan()
        return cast_to(_affine(turned, sigma, median), kind)

    return _assign_drawn(self, draw)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of events, with the rates that the elements are. Raises TraceError (IG192) in compiled code."""
    kind = _floating(input._layout.dtype)
    if modes.trace is not None:
        raise TraceError(
            "IG192",
            "poisson numbers cannot be compiled: how many words one takes depends on the words",
            where=user_line(),
            fix="numbers drawn outside and passed as an argument",
        )
    rates = array_of(input).astype(np.float64)
    if rates.size and rates.min() < 0:
        raise SpecError("IG242", "invalid Poisson rate, expected rate to be non-negative", where=user_line())
    drawn = _Stream(generator or default_generator)
    counts = np.array([_poisson(rate, drawn) for rate in rates.ravel().tolist()]).reshape(rates.shape)
    drawn.close()
    return tensor_from_array(np.array(counts.astype(kind.numpy), order="C"))


class _Stream:
    """Uniform float64 numbers one by one. `close` puts the generator where the last one left it."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.start = generator.get_state()
        self.used = 0
        self.chunk: list[float] = []

    def __call__(self) -> float:
        if not self.chunk:
            words = self.generator.words(512)
            self.chunk = array_of(_uniform64(words, 256)).tolist()[::-1]
        self.used += 1
        return self.chunk.pop()

    def close(self) -> None:
        self.generator.set_state(self.start)
        self.generator.words(2 * self.used)


def _poisson(rate: float, uniform: Callable[[], float]) -> int:
    """By multiplication for small rates, else by transformed rejection (Hormann 1993)."""
    if rate == 0:
        return 0
    if rate < 10:
        limit, count, product_of = math.exp(-rate), 0, uniform()
        while product_of > limit:
            count += 1
            product_of *= uniform()
        return count
    root = math.sqrt(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    vr = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= vr:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        accepted = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if accepted <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return k
