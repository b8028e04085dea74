"""Random numbers: PyTorch's CPU generator and the order in which its distributions consume it.

The state is a pair of tensors, so that compiled functions capture and advance it like any other state. Sources:
aten/src/ATen/core/{MT19937RNGEngine,DistributionsHelper,TransformationHelper}.h and
aten/src/ATen/native/cpu/DistributionTemplates.h.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from ingot.compiler.dims import product
from ingot.compiler.ops import elementwise, transcendental
from ingot.compiler.ops.random import mt19937, mt19937_seed
from ingot.compiler.ops.source import constant
from ingot.core import array_of, own_array, tensor_from_array
from ingot.creation import check_device, marked, shape_from
from ingot.functional.arithmetic import where
from ingot.functional.joining import cat, stack
from ingot.gate import apply, apply_several
from ingot.modes import Defaults, modes
from ingot.mutation import assign, check_writable
from ingot.promote import cast_to, splat
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, SpecError, TraceError
from ingot.source_lines import user_line
from ingot.tracing import suspended

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# c10::detail default_rng_seed_val.
_DEFAULT_SEED = 67280421310721


class Generator:
    """A stream of random numbers. `state`: u32[626], the words and position of mt19937; `spare`: f64[2], whether a
    normal number is left over from the last pair, and which."""

    def __init__(self, device: Any = None) -> None:
        check_device(device)
        self._seed = _DEFAULT_SEED
        self._tensors: tuple[Tensor, Tensor] | None = None

    def _made(self) -> tuple[Tensor, Tensor]:
        if self._tensors is None:
            with suspended():
                state = tensor_from_array(own_array(mt19937_seed(self._seed)))
                self._tensors = state, tensor_from_array(np.zeros(2))
        return self._tensors

    @property
    def state(self) -> Tensor:
        """The words and the position."""
        return self._made()[0]

    @property
    def spare(self) -> Tensor:
        """The normal number left over."""
        return self._made()[1]

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to a seed."""
        self._seed = seed & 0xFFFFFFFFFFFFFFFF
        with no_recording():
            assign(self.state, _constant(mt19937_seed(self._seed)))
            assign(self.spare, _constant(np.zeros(2)))
        return self

    def seed(self) -> int:
        """Start an unpredictable stream; the seed."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The last seed."""
        return self._seed

    def get_state(self) -> Tensor:
        """A copy of the state: the words, the position, and the spare normal as bits."""
        words = np.concatenate([array_of(self.state), array_of(self.spare).view(np.uint32)])
        return tensor_from_array(own_array(words))

    def set_state(self, new_state: Tensor) -> None:
        """Continue from a state that `get_state` gave."""
        words = array_of(new_state)
        if words.dtype != np.uint32 or words.shape != (630,):
            raise SpecError("IG241", "set_state takes what get_state gave: u32[630]", where=user_line())
        with no_recording():
            assign(self.state, tensor_from_array(words[:626].copy()))
            assign(self.spare, tensor_from_array(words[626:].copy().view(np.float64)))

    def words(self, count: Any) -> Tensor:
        """The next 32-bit words, u32[count]."""
        with no_recording():
            drawn, after = apply_several(mt19937, self.state, n=count)
            assign(self.state, after)
        return drawn


class no_recording:
    """Gradients are not recorded inside."""

    def __enter__(self) -> None:
        self.before, modes.grad = modes.grad, False

    def __exit__(self, *error: object) -> None:
        modes.grad = self.before


def _constant(array: np.ndarray[Any, Any]) -> Tensor:
    from_array = modes.trace
    if from_array is None:
        return tensor_from_array(own_array(array))
    return from_array.wrap(constant(np.asarray(array, order="C")))


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator: a seeded script draws PyTorch's numbers."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator unpredictably; the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The last seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state."""
    default_generator.set_state(new_state)


# ---- numbers from words


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


def _uniform(generator: Generator, count: Any, dtype: DType) -> Tensor:
    """Numbers in [0, 1): float64 from two words each, other types from float32's."""
    if dtype is dtypes.float64:
        return _uniform64(generator.words(2 * count), count)
    return _uniform32(generator, count)


def _normal_fill(generator: Generator, count: int, dtype: DType) -> Tensor:
    """At least 16 numbers: Box-Muller on blocks of 16; a last part of a block is drawn again as a whole block."""
    blocks = count // 16
    uniform = _uniform(generator, count, dtype)
    made = _box_muller(uniform.narrow(0, 0, 16 * blocks).view(blocks, 2, 8))
    if count % 16 == 0:
        return made
    last = _box_muller(_uniform(generator, 16, dtype).view(1, 2, 8))
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


def _normal(generator: Generator, shape: Any, dtype: DType, mean: float, std: float) -> Tensor:
    count: Any = product(shape)
    if isinstance(count, int) and count < 16:
        numbers = _normal_serial(generator, count) if count else splat(0.0, dtypes.float64, (0,))
        scaled = cast_to(_affine(numbers, std, mean), dtype)
    else:
        wide = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
        scaled = cast_to(_affine(_normal_fill(generator, count, wide), std, mean), dtype)
    return scaled.view(shape)


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
    drawn = _uniform(generator or default_generator, product(shape), kind)
    return marked(cast_to(drawn, kind).view(shape), requires_grad)


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
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """Integers from low to high - 1; int64 unless a dtype is given. Raises SpecError (IG243) when there are none."""
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise SpecError("IG243", f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}", where=user_line())
    shape = shape_from((size,) if isinstance(size, int) else tuple(size))
    drawn = _integers(generator or default_generator, product(shape), low, high)
    return cast_to(drawn, dtype or dtypes.int64).view(shape)


def _integers(generator: Generator, count: Any, low: int, high: int) -> Tensor:
    span = high - low
    # A range of 2^28 or more takes two words per number.
    if span < 1 << 28:
        number = cast_to(generator.words(count), dtypes.int64) % span
    else:
        pairs = cast_to(generator.words(2 * count), dtypes.uint64).view(count, 2)
        high_word = apply(elementwise.shl, pairs.select(1, 0), splat(32, dtypes.uint64, (count,)))
        joined = apply(elementwise.or_, high_word, pairs.select(1, 1))
        number = cast_to(apply(elementwise.remainder, joined, splat(span, dtypes.uint64, (count,))), dtypes.int64)
    return number if low == 0 else number + low


def randperm(n: int, *, generator: Generator | None = None, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A random order of 0 .. n - 1."""
    check_device(device)
    if modes.trace is not None:
        raise TraceError(
            "IG172",
            "randperm cannot be compiled: each exchange depends on the one before",
            where=user_line(),
            fix="randperm outside, passed as an argument; or ingot.rand(n).argsort()",
        )
    words = array_of((generator or default_generator).words(max(n - 1, 0)))
    steps = (words.astype(np.int64) % np.arange(n, 1, -1)).tolist()
    order = list(range(n))
    for i, step in enumerate(steps):
        order[i], order[i + step] = order[i + step], order[i]
    return tensor_from_array(np.array(order, (dtype or dtypes.int64).numpy))


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Normal numbers; mean and std are numbers (with `size`) or tensors, element by element."""
    chosen = generator or default_generator
    if size is not None:
        return _normal(chosen, shape_from(tuple(size)), Defaults.dtype, mean, std)
    like = mean if hasattr(mean, "_layout") else std
    shape = (mean + std)._layout.shape
    return _normal(chosen, shape, like._layout.dtype, 0.0, 1.0) * std + mean


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that the element is, else 0."""
    kind = _floating(input._layout.dtype)
    drawn = _uniform(generator or default_generator, input._layout.numel, kind)
    return cast_to(drawn.view(input._layout.shape) < input.detach(), kind)


def rand_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform in [0, 1), in the shape and dtype of another tensor."""
    return rand(input._layout.shape, dtype=dtype or input._layout.dtype, device=device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal, in the shape and dtype of another tensor."""
    return randn(input._layout.shape, dtype=dtype or input._layout.dtype, device=device, requires_grad=requires_grad)


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """Integers from low to high - 1, in the shape and dtype of another tensor."""
    bounds = (0, low) if high is None else (low, high)
    return randint(*bounds, tuple(input._layout.shape), dtype=dtype or input._layout.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with probabilities proportional to the elements of each row."""
    chosen = generator or default_generator
    rows = input if input._layout.ndim == 2 else input.view(1, -1)
    shape = rows._layout.shape
    if replacement and num_samples > 1:
        sums = rows.detach().double().cumsum(1)
        bounds = sums / sums.narrow(1, shape[1] - 1, 1)  # type: ignore[operator]
        count = shape[0] * num_samples
        drawn = _uniform64(chosen.words(2 * count), count).view(shape[0], num_samples)
        found = (bounds.unsqueeze(1) <= drawn.unsqueeze(2)).sum(2)
    else:
        # One exponential number per element; the largest ratios win (Efraimidis & Spirakis 2006).
        waits = _exponential(chosen, product(shape), rows._layout.dtype).view(shape)
        found = (rows.detach() / waits).topk(num_samples, 1).indices
    return found if input._layout.ndim == 2 else found.view(num_samples)


def _exponential(generator: Generator, count: Any, dtype: DType) -> Tensor:
    return cast_to(-apply(transcendental.log1p, -_uniform64(generator.words(2 * count), count)), dtype)


# ---- in place


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element uniform in [a, b)."""
    check_writable(self)
    kind = _floating(self._layout.dtype)
    drawn = _uniform(generator or default_generator, self._layout.numel, kind)
    return assign(self, cast_to(_affine(drawn, b - a, a), kind).view(self._layout.shape))


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element normal with this mean and standard deviation."""
    check_writable(self)
    kind = _floating(self._layout.dtype)
    return assign(self, _normal(generator or default_generator, self._layout.shape, kind, mean, std))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Every element 1 with probability p (a number or a tensor), else 0."""
    check_writable(self)
    layout, chosen = self._layout, generator or default_generator
    if hasattr(p, "_layout"):
        kept = _uniform(chosen, layout.numel, p._layout.dtype).view(layout.shape) < p.detach()
    else:
        kept = (_uniform64(chosen.words(2 * layout.numel), layout.numel) < p).view(layout.shape)
    return assign(self, cast_to(kept, layout.dtype))


def random_(self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """Every element an integer from low to high - 1 (by default what the dtype holds exactly)."""
    check_writable(self)
    layout = self._layout
    if high is None:
        low, high = (0, low) if low else (0, _exact_limit(layout.dtype))
    drawn = _integers(generator or default_generator, layout.numel, low, high)
    return assign(self, cast_to(drawn, layout.dtype).view(layout.shape))


def _exact_limit(dtype: DType) -> int:
    if dtype.is_floating_point:
        return {"f16": 1 << 11, "bf16": 1 << 8, "f32": 1 << 24, "f64": 1 << 53}[dtype.short] + 1
    return 2 if dtype.kind == "b" else 1 << (dtype.bits - (1 if dtype.is_signed else 0))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element exponential with rate `lambd`."""
    check_writable(self)
    layout = self._layout
    drawn = _exponential(generator or default_generator, layout.numel, dtypes.float64)
    return assign(self, cast_to(drawn / lambd, layout.dtype).view(layout.shape))

