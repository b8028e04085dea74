"""Random graphs from the op table, with inputs on which they are well conditioned.

Every value is computed as it is drawn, twice: as it is, and with noise of a few units in the last place wherever an op
may round differently (stochastic arithmetic, after Vignes 1993). A draw whose result is not finite, large, or reacts to
the noise (a comparison of equal sums, a cancelled difference) is thrown away. So whatever a pass or a compiler does to
the rounding, `assert_close` holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from graphs import static

from ingot.compiler.ir import Graph, Location, Op, TensorType, Value, at
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import get, iota
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import IngotError

Array = np.ndarray[Any, Any]
T = TypeVar("T")
Draw = Callable[["Drawing"], Value | None]

DTYPES = (
    *(dtypes.float32,) * 8,
    *(dtypes.float64,) * 3,
    dtypes.float16,
    dtypes.bfloat16,
    *(dtypes.int64,) * 2,
    *(dtypes.int32,) * 2,
    dtypes.int8,
    dtypes.uint8,
    *(dtypes.bool_,) * 2,
)
SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 5)
# Results of these are the operand's own elements, or are compared exactly.
EXACT_KINDS = frozenset({"source", "view", "index", "sort", "get"})
EXACT_OPS = frozenset({"neg", "abs", "maximum", "minimum", "select", "max", "min", "any", "all", "bitcast"})
NOISE = 4.0
REACTION = 64.0
LARGE = 1e4


@dataclass
class Known:
    """What a value is for each example: the array, and the array with noise (the same object where nothing rounds)."""

    arrays: list[Array]
    noisy: list[Array]

    @property
    def exact(self) -> bool:
        return all(a is b for a, b in zip(self.arrays, self.noisy, strict=True))


@dataclass
class Drawing:
    """A graph being drawn: the values so far and what they are."""

    rng: np.random.Generator
    examples: int
    inputs: list[Value] = field(default_factory=list)
    pool: dict[Value, Known] = field(default_factory=dict)

    # Choices

    def one_of(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def shape(self, rank: int | None = None) -> tuple[int, ...]:
        rank = int(self.rng.integers(0, 4)) if rank is None else rank
        return tuple(int(self.one_of(SIZES)) for _ in range(rank))

    def any_value(self, accept: Callable[[TensorType], bool] = lambda t: True) -> Value:
        """A value of an accepted type: mostly a late one; a new input if there is none."""
        found = [v for v in self.pool if isinstance(v.type, TensorType) and accept(v.type)]
        if found and self.chance(0.9):
            return found[-1] if self.chance(0.5) else self.one_of(found)
        for _ in range(100):
            type_ = TensorType(self.one_of(DTYPES), self.shape())
            if accept(type_):
                return self.new_input(type_)
        return found[-1] if found else self.new_input(TensorType(dtypes.float32, (2, 3)))

    def like(self, type_: TensorType) -> Value:
        """A value of exactly this type: a known one, a constant, a small one expanded, or a new input."""
        found = [v for v in self.pool if v.type is type_]
        if found and self.chance(0.7):
            return self.one_of(found)
        if self.chance(0.3):
            number = self.one_of((-1, 0, 1, 2, 3)) if type_.dtype.is_signed else self.one_of((0, 1, 2))
            return self.keep(TABLE["const"](data=np.array(number).astype(type_.dtype.numpy).tobytes(), type=type_))
        if self.chance(0.3) and type_.ndim:
            ones = type_.with_shape([1 if self.chance(0.5) else n for n in type_.shape])
            return self.keep(TABLE["expand"](self.new_input(ones), shape=type_.shape))
        return self.new_input(type_)

    # Values

    def new_input(self, type_: TensorType) -> Value:
        value = TABLE["input"](type=type_, name=f"x{len(self.inputs)}")
        arrays = [sample(self.rng, type_) for _ in range(self.examples)]
        self.inputs.append(value)
        self.pool[value] = Known(arrays, arrays)
        return value

    def indices(self, shape: tuple[int, ...], below: int) -> Value:
        """An input of positions along an axis."""
        value = TABLE["input"](type=TensorType(self.one_of((dtypes.int64, dtypes.int32)), shape), name="i")
        dtype = value.dtype.numpy
        arrays = [self.rng.integers(0, max(below, 1), shape).astype(dtype) for _ in range(self.examples)]
        self.inputs.append(value)
        self.pool[value] = Known(arrays, arrays)
        return value

    def keep(self, value: Value) -> Value:
        """Compute the value. Raises Unstable when it is not worth having."""
        if value not in self.pool:
            for operand in value.operands:
                self.keep(operand)
            self.pool[value] = computed(self.rng, value, [self.pool[o] for o in value.operands], self.examples)
        return value


class Unstable(Exception):
    """A draw to be thrown away."""


def sample(rng: np.random.Generator, type_: TensorType) -> Array:
    """Small numbers; floats are eighths, so that many sums are exact."""
    shape: Any = type_.shape
    if type_.dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    low = -16 if type_.dtype.is_signed else 0
    whole = np.asarray(rng.integers(low, 17, shape))
    if type_.dtype.is_floating_point:
        return np.asarray(whole / 8.0).astype(type_.dtype.numpy)
    return (whole // 4).astype(type_.dtype.numpy)


def computed(rng: np.random.Generator, value: Value, operands: list[Known], examples: int) -> Known:
    """The value for each example, in both ways."""
    exact = value.op.kind in EXACT_KINDS or value.op.name in EXACT_OPS
    arrays: list[Any] = []
    noisy: list[Any] = []
    for i in range(examples):
        plain = [k.arrays[i] for k in operands]
        result = evaluated(value, plain)
        arrays.append(result)
        other = result if all(k.exact for k in operands) else evaluated(value, [k.noisy[i] for k in operands])
        if not exact:
            other = shaken(rng, value, other, plain)
        if isinstance(value.type, TensorType):
            check(value, result, other)
        noisy.append(other)
    return Known(arrays, noisy)


def evaluated(value: Value, operands: list[Any]) -> Any:
    result = value.op.eval(*operands, **value.attrs)
    results = tuple(map(np.asarray, [result] if isinstance(value.type, TensorType) else result))
    for array, type_ in zip(results, value.types, strict=True):
        assert array.shape == type_.shape and array.dtype == type_.dtype.numpy, (value, array.shape, array.dtype)
    return results[0] if isinstance(value.type, TensorType) else results


def shaken(rng: np.random.Generator, value: Value, results: Any, operands: list[Any]) -> Any:
    """The result or results with noise, where they are floating."""
    if isinstance(value.type, TensorType):
        return noisy(rng, results, value.dtype, operands) if value.dtype.is_floating_point else results
    pairs = zip(results, value.types, strict=True)
    return tuple(noisy(rng, x, t.dtype, operands) if t.dtype.is_floating_point else x for x, t in pairs)


def noisy(rng: np.random.Generator, x: Array, dtype: DType, operands: list[Array]) -> Array:
    """x with noise relative to it and to the operands that were combined (the terms of a sum may be the larger)."""
    size = max((float(np.abs(o.astype(np.float64)).max()) for o in operands if o.size), default=0.0)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        noise = rng.uniform(-1, 1, wide.shape) * NOISE * epsilon(dtype) * (np.abs(wide) + min(size, LARGE))
        return np.asarray(wide + noise).astype(x.dtype)


def epsilon(dtype: DType) -> float:
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}[dtype.name]


def check(value: Value, result: Array, noisy: Array) -> None:
    if not value.dtype.is_floating_point:
        if value.dtype.kind != "b" and result.size and np.abs(result.astype(np.float64)).max() > LARGE:
            raise Unstable
        if not np.array_equal(result, noisy):
            raise Unstable
        return
    a, b = result.astype(np.float64), noisy.astype(np.float64)
    if not np.isfinite(a).all() or (a.size and np.abs(a).max() > LARGE):
        raise Unstable
    if not (np.abs(a - b) <= REACTION * epsilon(value.dtype) * (1 + np.abs(a))).all():
        raise Unstable


# ---- draws, one per op or kind


def elementwise(op: Op) -> Draw:
    arity = len(op.samples[0].args)

    def draw(d: Drawing) -> Value:
        first = d.any_value(lambda t: t.dtype in op.dtypes)
        return op(first, *(d.like(first.type) for _ in range(arity - 1)))

    return draw


def select(d: Drawing) -> Value:
    a = d.any_value()
    return TABLE["select"](d.like(a.type.with_dtype(dtypes.bool_)), a, d.like(a.type))


def cast(d: Drawing) -> Value:
    return TABLE["cast"](d.any_value(), dtype=d.one_of(DTYPES))


def bitcast(d: Drawing) -> Value:
    x = d.any_value(lambda t: t.dtype in (dtypes.int32, dtypes.int64, dtypes.int8, dtypes.uint8))
    target = {"int32": dtypes.uint32, "int64": dtypes.uint64, "int8": dtypes.uint8, "uint8": dtypes.int8}
    return TABLE["bitcast"](x, dtype=target[x.dtype.name])


def some_axes(d: Drawing, rank: int) -> tuple[int, ...]:
    return tuple(a for a in range(rank) if d.chance(0.5))


def reduction(op: Op) -> Draw:
    def draw(d: Drawing) -> Value | None:
        x = d.any_value(lambda t: t.dtype in op.dtypes)
        if "axes" in op.samples[0].attrs:
            return op(x, axes=some_axes(d, x.type.ndim))
        return op(x, axis=int(d.rng.integers(x.type.ndim))) if x.type.ndim else None

    return draw


def cumulative(op: Op) -> Draw:
    def draw(d: Drawing) -> Value:
        x = d.any_value(lambda t: t.dtype in op.dtypes and t.ndim > 0)
        return op(x, axis=int(d.rng.integers(x.type.ndim)), reverse=d.chance(0.5))

    return draw


def reshape(d: Drawing) -> Value:
    x = d.any_value()
    sizes = [n for n in x.shape if n != 1]
    shape = [*sizes[:-2], sizes[-2] * sizes[-1]] if len(sizes) > 1 and d.chance(0.5) else sizes
    if d.chance(0.5):
        shape.insert(int(d.rng.integers(len(shape) + 1)), 1)
    return TABLE["reshape"](x, shape=tuple(shape))


def permute(d: Drawing) -> Value:
    x = d.any_value(lambda t: t.ndim > 1)
    return TABLE["permute"](x, axes=tuple(int(a) for a in d.rng.permutation(x.type.ndim)))


def expand(d: Drawing) -> Value:
    x = d.any_value(lambda t: 1 in t.shape)
    return TABLE["expand"](x, shape=tuple(d.one_of((1, 2, 3)) if n == 1 else n for n in x.shape))


def slice_(d: Drawing) -> Value:
    x = d.any_value(lambda t: t.ndim > 0)
    start, stop = [], []
    for n in static(x.shape):
        a, b = (0, n) if d.chance(0.4) else sorted(int(i) for i in d.rng.integers(0, n + 1, 2))
        start.append(a)
        stop.append(b)
    step = tuple(1 if d.chance(0.7) else 2 for _ in x.shape)
    return TABLE["slice"](x, start=tuple(start), stop=tuple(stop), step=step)


def pad(d: Drawing) -> Value:
    x = d.any_value(lambda t: t.ndim > 0)
    low, high = (tuple(int(n) for n in d.rng.integers(0, 3, x.type.ndim)) for _ in range(2))
    interior = tuple(0 if d.chance(0.8) else 1 for _ in x.shape)
    value: float = {"b": False, "u": 1, "i": -1, "f": 0.5}[x.dtype.kind]
    return TABLE["pad"](x, low=low, high=high, interior=interior, value=value)


def concat(d: Drawing) -> Value:
    x = d.any_value(lambda t: t.ndim > 0)
    axis = int(d.rng.integers(x.type.ndim))
    return TABLE["concat"](*(x if d.chance(0.3) else d.like(x.type) for _ in range(d.one_of((1, 2, 3)))), axis=axis)


def flip(d: Drawing) -> Value:
    x = d.any_value()
    return TABLE["flip"](x, axes=some_axes(d, x.type.ndim))


def numeric(t: TensorType) -> bool:
    return t.dtype in (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)


def dot_general(d: Drawing) -> Value:
    a = d.any_value(lambda t: numeric(t) and t.ndim > 0)
    roles = [d.one_of("bcf") for _ in a.shape]
    contract = tuple(i for i, role in enumerate(roles) if role == "c")
    batch = tuple(i for i, role in enumerate(roles) if role == "b")
    sizes = [("c", i, a.shape[i]) for i in contract] + [("b", i, a.shape[i]) for i in batch]
    if d.chance(0.7):
        sizes.append(("f", -1, d.one_of((1, 2, 3))))
    order = [sizes[int(i)] for i in d.rng.permutation(len(sizes))]
    b = d.like(a.type.with_shape([n for _, _, n in order]))
    place = {i: position for position, (_, i, _) in enumerate(order)}
    pairs = [(contract, tuple(place[i] for i in contract)), (batch, tuple(place[i] for i in batch))]
    return TABLE["dot_general"](a, b, contract=pairs[0], batch=pairs[1])


def conv(d: Drawing) -> Value:
    groups, spatial = d.one_of((1, 1, 2)), d.one_of((1, 2))
    x = d.like(TensorType(dtypes.float32, (d.one_of((1, 2)), 2 * groups, *(d.one_of((3, 4, 5)),) * spatial)))
    w = d.like(TensorType(dtypes.float32, (2 * groups, 2, *(d.one_of((1, 2, 3)),) * spatial)))
    return TABLE["conv"](
        x,
        w,
        stride=tuple(d.one_of((1, 2)) for _ in range(spatial)),
        padding=tuple((d.one_of((0, 1)), d.one_of((0, 1))) for _ in range(spatial)),
        dilation=tuple(d.one_of((1, 1, 2)) for _ in range(spatial)),
        input_dilation=(1,) * spatial,
        groups=groups,
    )


def reduce_window(d: Drawing) -> Value:
    x = d.any_value(lambda t: numeric(t) and t.ndim > 0)
    return TABLE["reduce_window"](
        x,
        reduction=d.one_of(("sum", "max", "min")),
        window=tuple(d.one_of((1, 2, 3)) for _ in x.shape),
        stride=tuple(d.one_of((1, 2)) for _ in x.shape),
        padding=tuple((d.one_of((0, 1)), d.one_of((0, 1))) for _ in x.shape),
        dilation=(1,) * x.type.ndim,
    )


def axis_of(d: Drawing) -> tuple[Value, int]:
    """A value and one of its axes that has elements."""
    x = d.any_value(lambda t: any(n != 0 for n in t.shape))
    return x, int(d.one_of([a for a, n in enumerate(x.shape) if n != 0]))


def size_of(x: Value, axis: int) -> int:
    size = x.shape[axis]
    assert isinstance(size, int)
    return size


def take(d: Drawing) -> Value:
    x, axis = axis_of(d)
    return TABLE["take"](x, d.indices(d.shape(d.one_of((0, 1, 2))), size_of(x, axis)), axis=axis)


def put(d: Drawing) -> Value:
    x, axis = axis_of(d)
    places = d.indices(d.shape(1), size_of(x, axis))
    updates = d.like(x.type.with_shape((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])))
    return TABLE["put"](x, places, updates, axis=axis, mode=write_mode(d, x))


def write_mode(d: Drawing, x: Value) -> str:
    return "set" if x.dtype is dtypes.bool_ else str(d.one_of(("set", "add", "max")))


def gather(d: Drawing) -> Value:
    x, axis = axis_of(d)
    return TABLE["gather"](x, d.indices(indexed_shape(d, x, axis), size_of(x, axis)), axis=axis)


def scatter(d: Drawing) -> Value:
    x, axis = axis_of(d)
    places = d.indices(indexed_shape(d, x, axis), size_of(x, axis))
    return TABLE["scatter"](x, places, d.like(x.type.with_shape(places.shape)), axis=axis, mode=write_mode(d, x))


def indexed_shape(d: Drawing, x: Value, axis: int) -> tuple[int, ...]:
    return tuple(d.one_of((1, 2, 3)) if a == axis else size_of(x, a) for a in range(x.type.ndim))


def sort(d: Drawing) -> Value:
    x, axis = axis_of(d)
    return get(d.keep(TABLE["sort"](x, axis=axis, descending=d.chance(0.5))), index=d.one_of((0, 1)))


def topk(d: Drawing) -> Value:
    x, axis = axis_of(d)
    several = TABLE["topk"](x, k=int(d.rng.integers(1, size_of(x, axis) + 1)), axis=axis, largest=d.chance(0.5))
    return get(d.keep(several), index=d.one_of((0, 1)))


def counter(d: Drawing) -> Value:
    type_ = TensorType(d.one_of((dtypes.int64, dtypes.float32)), d.shape(d.one_of((1, 2))))
    return iota(type=type_, axis=int(d.rng.integers(type_.ndim)))


def region_input(type_: TensorType, name: str) -> Value:
    return TABLE["input"](type=type_, name=name)


def branch(d: Drawing, x: Value, y: Value) -> Graph:
    """One value of the type of x from two."""
    names = [n for n in ("add", "sub", "maximum", "mul") if x.dtype in TABLE[n].dtypes] or ["xor"]
    value = TABLE[d.one_of(names)](x, y if d.chance(0.7) else x)
    return Graph((x, y), (value, y if d.chance(0.5) else x))


def cond(d: Drawing) -> Value:
    x = d.any_value()
    inner = region_input(x.type, "x"), region_input(x.type, "y")
    predicate = d.like(TensorType(dtypes.bool_))
    both = TABLE["cond"](predicate, x, d.like(x.type), then=branch(d, *inner), otherwise=branch(d, *inner))
    return get(d.keep(both), index=d.one_of((0, 1)))


def scan(d: Drawing) -> Value:
    xs = d.any_value(lambda t: numeric(t) and t.ndim > 0)
    row = xs.type.with_shape(xs.shape[1:])
    carry, x, weight = (region_input(row, name) for name in ("carry", "x", "weight"))
    after = TABLE["tanh"](TABLE["add"](TABLE["mul"](carry, weight), x))
    body = Graph((carry, x, weight), (after, TABLE["sub"](after, x)))
    length, reverse = xs.shape[0], d.chance(0.5)
    both = TABLE["scan"](d.like(row), xs, d.like(row), body=body, carries=1, xs=1, length=length, reverse=reverse)
    return get(d.keep(both), index=d.one_of((0, 1)))


def while_(d: Drawing) -> Value:
    """A few steps, counted by an input."""
    x = d.any_value(numeric)
    steps, state = region_input(TensorType(dtypes.int64), "steps"), region_input(x.type, "state")
    half = TABLE["const"](data=np.array(0.5).astype(x.dtype.numpy).tobytes(), type=x.type)
    one, zero = (TABLE["const"](data=np.int64(n).tobytes(), type=steps.type) for n in (1, 0))
    condition = Graph((steps, state), (TABLE["gt"](steps, zero),))
    body = Graph((steps, state), (TABLE["sub"](steps, one), TABLE["add"](TABLE["mul"](state, half), half)))
    return get(d.keep(TABLE["while_"](d.indices((), 4), x, condition=condition, body=body)), index=1)


BY_NAME: dict[str, Draw] = {
    "cond": cond,
    "scan": scan,
    "while_": while_,
    "select": select,
    "cast": cast,
    "bitcast": bitcast,
    "reshape": reshape,
    "permute": permute,
    "expand": expand,
    "slice": slice_,
    "pad": pad,
    "concat": concat,
    "flip": flip,
    "dot_general": dot_general,
    "conv": conv,
    "reduce_window": reduce_window,
    "take": take,
    "put": put,
    "gather": gather,
    "scatter": scatter,
    "sort": sort,
    "topk": topk,
    "iota": counter,
}
BY_KIND: dict[str, Callable[[Op], Draw]] = {
    "elementwise": elementwise,
    "reduce": reduction,
    "cumulative": cumulative,
}
DRAWS: dict[str, Draw] = {
    name: BY_NAME[name] if name in BY_NAME else BY_KIND[op.kind](op)
    for name, op in TABLE.items()
    if name in BY_NAME or op.kind in BY_KIND
}
# Every kind is as likely as any other, however many rows it has; half of the draws are elementwise, half of those
# arithmetic, which rules and fusion are mostly about.
KINDS = sorted({TABLE[name].kind for name in DRAWS})
NAMES = {kind: [name for name in DRAWS if TABLE[name].kind == kind] for kind in KINDS}
ARITHMETIC = ("add", "sub", "mul", "neg", "div", "maximum", "select", "cast", "lt", "eq")


def drawn_name(d: Drawing) -> str:
    if d.chance(0.25):
        return str(d.one_of(ARITHMETIC))
    return str(d.one_of(NAMES["elementwise" if d.chance(0.33) else d.one_of(KINDS)]))


def draw(seed: int, *, size: int = 10) -> tuple[Graph, list[Array]]:
    """A graph of about `size` ops, and arrays for its inputs; the same for the same seed."""
    graph, (arrays,) = draw_examples(seed, size=size, examples=1)
    return graph, arrays


def draw_examples(seed: int, *, size: int = 10, examples: int) -> tuple[Graph, list[list[Array]]]:
    """A graph and several sets of arrays, on each of which it is well conditioned."""
    d = Drawing(np.random.default_rng(seed), examples)
    for _ in range(int(d.rng.integers(1, 4))):
        d.new_input(TensorType(d.one_of(DTYPES), d.shape()))
    kept: list[Value] = []
    for line in range(10 * size):
        if len(kept) == size:
            break
        try:
            with at(Location("random.py", line, f"seed{seed}")):
                value = DRAWS[drawn_name(d)](d)
                if value is not None:
                    kept.append(d.keep(value))
        except (Unstable, IngotError):
            continue
    unused = [v for v in kept if not any(v in other.operands for other in kept)]
    outputs = tuple(dict.fromkeys([*unused[-4:], *([d.one_of(kept)] if kept else d.inputs[:1])]))
    graph = Graph(tuple(d.inputs), outputs, name=f"random{seed}")
    return graph, [[d.pool[v].arrays[i] for v in d.inputs] for i in range(examples)]


def assert_close(got: Array, want: Array, scale: float = 1.0) -> None:
    """Equal for bool and integers; floats within what the conditioning allows, with NaN and infinities alike."""
    assert got.dtype == want.dtype and got.shape == want.shape, (got.dtype, got.shape, want.dtype, want.shape)
    dtype = dtypes.from_numpy(want.dtype)
    if not dtype.is_floating_point:
        np.testing.assert_array_equal(got, want)
        return
    bound = 2 * REACTION * epsilon(dtype) * scale
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=bound, atol=bound)
