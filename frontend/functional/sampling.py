"""Tensors of random numbers, and tensors that are filled with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.dims import product
from ingot.core import array_of, is_tensor, tensor_from_array
from ingot.creation import check_device, empty_like, in_order_of, marked, shape_from
from ingot.functional.draws import (
    affine,
    doubles,
    exchanged,
    exponential_numbers,
    integers,
    known_count,
    normal_numbers,
    normal_serial,
    uniform64,
    uniform_numbers,
    unit_numbers,
)
from ingot.modes import Defaults, modes
from ingot.mutation import assign, check_writable
from ingot.promote import cast_to, expand_to
from ingot.rng import Generator, default_generator
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, ShapeError, SpecError, TraceError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


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
    return marked(uniform_numbers(generator or default_generator, shape, kind), requires_grad)


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
    return marked(normal_numbers(generator or default_generator, shape, kind, 0.0, 1.0), requires_grad)


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
    if high is None or size is None or isinstance(size, int):
        raise DTypeError(
            "IG345",
            f"randint(): high={high}, size={size}: the end of the range or the size, a tuple of ints, is missing",
            where=user_line(),
            fix="randint(high, size) or randint(low, high, size), with a tuple for the size",
        )
    low, high = 0 if low is None else int(low), int(high)
    if high <= low:
        raise _no_integers(low, high)
    shape = shape_from(tuple(size))
    drawn = integers(generator or default_generator, shape, low, high - low)
    return marked(cast_to(drawn, dtype or dtypes.int64), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A random order of 0 .. n - 1."""
    check_device(device)
    if n < 0:
        raise ShapeError("IG202", f"randperm: n must be non-negative, not {n}", where=user_line())
    words = (generator or default_generator).words(max(n - 1, 0))
    if modes.trace is not None:
        return cast_to(exchanged(words, n), dtype or dtypes.int64)
    steps = (array_of(words).astype(np.int64) % np.arange(n, 1, -1)).tolist()
    order = list(range(n))
    for i, step in enumerate(steps):
        order[i], order[i + step] = order[i + step], order[i]
    return tensor_from_array(np.array(order, (dtype or dtypes.int64).numpy))


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
        return marked(normal_numbers(chosen, shape, _floating(dtype), mean, std), requires_grad)
    like = mean if hasattr(mean, "_layout") else std
    shape = (mean + std)._layout.shape
    drawn: Tensor = normal_numbers(chosen, shape, like._layout.dtype, 0.0, 1.0) * std + mean
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
    drawn = unit_numbers(generator, probability._layout.numel, kind)
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
        drawn = uniform64(chosen.words(2 * count), count).view(shape[0], num_samples)
        found = (bounds.unsqueeze(1) <= drawn.unsqueeze(2)).sum(2)
    else:
        # One exponential number per element; the largest ratios win (Efraimidis & Spirakis 2006).
        waits = cast_to(exponential_numbers(chosen, shape), rows._layout.dtype)
        found = (rows.detach() / waits).topk(num_samples, 1).indices
    return found if input._layout.ndim == 2 else found.view(num_samples)


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
    return _assign_drawn(self, lambda shape: uniform_numbers(chosen, shape, kind, a, b))


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
    return _assign_drawn(self, lambda shape: normal_numbers(chosen, shape, kind, mean, std, contiguous))


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
    return (uniform64(generator.words(2 * count), count) < p).view(shape)


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
    return _assign_drawn(self, lambda shape: cast_to(integers(chosen, shape, low, span, wide), layout.dtype))


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
    return _assign_drawn(self, lambda shape: cast_to(exponential_numbers(chosen, shape) / lambd, kind))


def _at_positive(name: str, what: str, value: float, good: bool) -> None:
    if not good:
        raise SpecError("IG242", f"{name} expects {what}, but got {value}", where=user_line())


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Every element the number of trials up to the first success, each of which has probability p."""
    check_writable(self)
    _at_positive("geometric_", "p to be in (0, 1)", p, 0 < p < 1)
    dtype, chosen = self._layout.dtype, generator or default_generator

    def draw(shape: Any) -> Tensor:
        trials = (doubles(chosen, shape).log() / math.log1p(-p)).ceil()
        return cast_to(trials, dtype)

    return _assign_drawn(self, draw)


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Every element the exponential of a normal number with this mean and standard deviation."""
    check_writable(self)
    _at_positive("log_normal_", "std > 0.0", std, std > 0)
    kind, chosen = _floating(self._layout.dtype), generator or default_generator

    def draw(shape: Any) -> Tensor:
        numbers = normal_serial(chosen, known_count(shape))
        return cast_to(affine(numbers, std, mean).exp(), kind).view(shape)

    return _assign_drawn(self, draw)


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element from the Cauchy distribution."""
    check_writable(self)
    _at_positive("cauchy_", "sigma > 0.0", sigma, sigma > 0)
    kind, chosen = _floating(self._layout.dtype), generator or default_generator

    def draw(shape: Any) -> Tensor:
        turned = ((doubles(chosen, shape) - 0.5) * math.pi).tan()
        return cast_to(affine(turned, sigma, median), kind)

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
            self.chunk = array_of(uniform64(words, 256)).tolist()[::-1]
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
