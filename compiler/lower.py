"""Fused group -> kernel: loops over the group's domain, expressions pulled from its outputs to its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ingot.compiler import indexing
from ingot.compiler.dims import product, quotient
from ingot.compiler.indexing import Place, apply, both, computed, constant, plus, position, root_place, scaled
from ingot.compiler.ir import Graph, Shape, Size, Value
from ingot.compiler.kernel import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Contract,
    Expr,
    For,
    Index,
    Kernel,
    Literal,
    Load,
    Name,
    Reduce,
    Special,
    Stmt,
    Store,
)
from ingot.compiler.ops import TABLE
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

Axes = tuple[tuple[str, Size], ...]
EXPENSIVE = 8  # operations from which a value is worth a store and a load instead of a second computation


class Illegal(Exception):
    """The group cannot run as one kernel: a reduction would be read outside its own row."""


def splat_number(value: Value) -> int | float | bool:
    """The one number of a constant that is the same everywhere."""
    dtype = value.dtype
    element = np.frombuffer(value.attrs["data"], dtype.numpy)[0]
    return float(element) if dtype.kind == "f" else bool(element) if dtype.kind == "b" else int(element)


def accumulator_dtype(dtype: DType) -> DType:
    """Half types are summed in float32."""
    return dtypes.float32 if dtype.short in ("f16", "bf16") else dtype


class Puller:
    """Expressions for the values of one group's body, at any place."""

    def __init__(self, body: Graph, extents: Mapping[str, Size]) -> None:
        self.body, self.extents = body, dict(extents)
        self.buffer = {v: i for i, v in enumerate(body.inputs)}
        self.bound: dict[tuple[Value, Place], Expr] = {}
        self.known: dict[tuple[Value, Place, int], tuple[Expr | None, Expr]] = {}

    def bind(self, value: Value, place: Place, expr: Expr) -> None:
        """From here on the value at this place is `expr`."""
        self.bound[value, place] = expr
        self.known.clear()

    def pull(self, value: Value, place: Place, when: Expr | None = None) -> Expr:
        """The element of `value` at `place`; memory is read only where `when` holds."""
        while True:
            bound = self.bound.get((value, place))
            if bound is not None:
                return bound
            if value.op.name not in indexing.VIEWS:
                break
            (operand,) = value.operands  # a loop, because long chains of ops come with a view at every step
            rule = indexing.VIEWS[value.op.name]
            value, place = operand, rule(place, value.shape, operand.shape, value.attrs, self.extents)
        key = (value, place, id(when))
        known = self.known.get(key)
        if known is None:
            known = when, self._pull(value, place, when)
            self.known[key] = known
        return known[1]

    def _pull(self, value: Value, place: Place, when: Expr | None) -> Expr:
        if value in self.buffer:
            return Load(self.buffer[value], indexing.linear(place, value.shape), value.dtype, when)
        op, attrs, operands = value.op, value.attrs, value.operands
        if op.kind == "elementwise":
            args = tuple(self.pull(o, place, when) for o in operands)
            return Apply(op, args, value.dtype, tuple(sorted(attrs.items())), value.location)
        match op.name:
            case "const":
                return Literal(value.dtype, splat_number(value))
            case "iota":
                return self._iota(value, place)
            case "pad":
                return self._pad(value, place, when)
            case "concat":
                return self._concat(value, place, when)
            case "take":
                return self._take(value, place, when)
            case "gather":
                return self._gather(value, place, when)
        if op.kind == "reduce" and not folds(value):
            (operand,) = operands
            return self.pull(operand, indexing.through_reshape(place, value.shape, operand.shape, self.extents), when)
        raise Illegal(f"{op.name} at a place that is not its own row")

    def _iota(self, value: Value, place: Place) -> Expr:
        index = place[value.attrs["axis"]]
        counted = position(index)
        if value.dtype.short == "i64":
            return counted
        return Apply(TABLE["cast"], (counted,), value.dtype, (("dtype", value.dtype),))

    def _pad(self, value: Value, place: Place, when: Expr | None) -> Expr:
        (operand,) = value.operands
        inside: Expr | None = None
        inner: list[Index] = []
        attrs = value.attrs
        for index, size, low, gap in zip(place, operand.shape, attrs["low"], attrs["interior"], strict=True):
            moved = plus(index, constant(-low))
            if gap:
                inside = both(inside, on_grid(moved, gap + 1))
                moved = computed(apply("floordiv", position(moved), indexing.size_expr(gap + 1)))
            if not indexing.fits(moved, size, self.extents):
                inside = both(inside, in_range(moved, size))
            inner.append(moved)
        element = self.pull(operand, tuple(inner), both(when, inside))
        if inside is None:
            return element
        return Apply(TABLE["select"], (inside, element, Literal(value.dtype, attrs["value"])), value.dtype)

    def _concat(self, value: Value, place: Place, when: Expr | None) -> Expr:
        axis, start = value.attrs["axis"], value.shape[value.attrs["axis"]]
        chosen: Expr | None = None
        later: Expr = Literal(dtypes.bool_, False)
        for operand in reversed(value.operands):
            start = start - operand.shape[axis]
            if operand.shape[axis] == 0:
                continue
            moved = (*place[:axis], plus(place[axis], constant(-start)), *place[axis + 1 :])
            if indexing.fits(moved[axis], operand.shape[axis], self.extents):
                return self.pull(operand, moved, when)
            element = self.pull(operand, moved, both(when, in_range(moved[axis], operand.shape[axis])))
            here = apply("ge", position(place[axis]), indexing.size_expr(start))
            chosen = element if chosen is None else Apply(TABLE["select"], (later, chosen, element), value.dtype)
            later = here
        return chosen if chosen is not None else Literal(value.dtype, 0)

    def _take(self, value: Value, place: Place, when: Expr | None) -> Expr:
        x, indices = value.operands
        axis, shared = value.attrs["axis"], value.attrs.get("batch_axes", 0)
        count = len(indices.shape) - shared
        found = self.pull(indices, (*place[:shared], *place[axis : axis + count]), when)
        row = self._clamped(found, x.shape[axis])
        return self.pull(x, (*place[:axis], row, *place[axis + count :]), when)

    def _gather(self, value: Value, place: Place, when: Expr | None) -> Expr:
        x, indices = value.operands
        axis = value.attrs["axis"]
        row = self._clamped(self.pull(indices, place, when), x.shape[axis])
        return self.pull(x, (*place[:axis], row, *place[axis + 1 :]), when)

    @staticmethod
    def _clamped(found: Expr, size: Size) -> Index:
        """An index from data, kept inside the operand."""
        wide = found
        if found.dtype.short != "i64":
            wide = Apply(TABLE["cast"], (found,), dtypes.int64, (("dtype", dtypes.int64),))
        top = apply("minimum", wide, indexing.size_expr(size - 1))
        return computed(apply("maximum", top, Literal(dtypes.int64, 0)))


def in_range(index: Index, size: Size) -> Expr:
    at = position(index)
    return apply("and_", apply("ge", at, Literal(dtypes.int64, 0)), apply("lt", at, indexing.size_expr(size)))


def buffers_of(body: Graph) -> tuple[Buffer, ...]:
    """The kernel's arguments: the region's inputs, then its outputs."""
    read = [Buffer(v.dtype, "read") for v in body.inputs]
    return (*read, *(Buffer(v.dtype, "write") for v in body.outputs))


def nest(axes: Sequence[tuple[str, Size]], body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """Loops over the axes, outermost first."""
    inner = tuple(body)
    for axis, extent in reversed(axes):
        inner = (For(axis, extent, inner),)
    return inner


def folds(value: Value) -> bool:
    """Whether the value is a reduction over more than size-1 axes (one that is not only drops them)."""
    if value.op.kind != "reduce":
        return False
    return any(value.operands[0].shape[axis] != 1 for axis in value.attrs["axes"])


def phases(body: Graph) -> dict[Value, int]:
    """After how many rounds of reductions each value can be computed."""
    found: dict[Value, int] = {}
    for value in body.values:
        found[value] = max((found[o] + folds(o) for o in value.operands), default=0)
    return found


def work(value: Value, stop: set[Value]) -> int:
    """Rough operations per element of a value, down to `stop`."""
    costs = {
        "exp": 8,
        "log": 12,
        "tanh": 16,
        "erf": 16,
        "sigmoid": 12,
        "pow": 30,
        "sin": 16,
        "cos": 16,
        "sqrt": 5,
        "div": 4,
    }
    total, stack, seen = 0, [value], set(stop)
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        if at.op.kind == "elementwise":
            total += costs.get(at.op.name, 1)
        stack.extend(at.operands)
    return total


class RowLowering:
    """A loop group: kept axes outside; inside, one round of loops over the reduced axes per phase."""

    def __init__(self, body: Graph, domain: Shape, reduced: tuple[int, ...]) -> None:
        self.body = body
        self.axes: Axes = tuple((f"i{d}", n) for d, n in enumerate(domain))
        self.kept: Axes = tuple(a for d, a in enumerate(self.axes) if d not in reduced)
        self.inner: Axes = tuple(a for d, a in enumerate(self.axes) if d in reduced)
        self.domain = domain
        extents = dict(self.axes)
        self.puller = Puller(body, extents)
        self.phase = phases(body)
        self.buffers = list(buffers_of(body))
        self.scratch: list[tuple[DType, Size]] = []
        self.extents = extents
        self.row_names = 0

    def place(self, value: Value, axes: Axes) -> Place:
        return root_place(value.shape, axes, self.extents)

    def full(self, value: Value) -> bool:
        """Whether the value has an element for every iteration (else for every row)."""
        return not self.inner or product(value.shape) == product(self.domain)

    def reductions(self) -> list[Value]:
        return [v for v in self.body.values if folds(v)]

    def lower(self) -> Kernel:
        outputs = [(len(self.body.inputs) + j, v) for j, v in enumerate(self.body.outputs)]
        rows: list[Stmt] = []
        if not self.inner:
            rows = [
                Store(b, self.store_index(v, self.axes), self.puller.pull(v, self.place(v, self.axes)))
                for b, v in outputs
            ]
            return self.kernel(nest(self.axes, rows))
        reductions = self.reductions()
        staged = self.staged()
        last = max((self.phase[r] for r in reductions), default=-1)
        last = max([last, *(self.phase[v] for _, v in outputs if self.full(v))])
        for phase in range(last + 1):
            rows += self.round(phase, [r for r in reductions if self.phase[r] == phase], staged, outputs)
        for buffer, value in outputs:
            if not self.full(value):
                place = self.place(value, self.kept)
                rows.append(Store(buffer, self.store_index(value, self.kept), self.puller.pull(value, place)))
        return self.kernel(nest(self.kept, rows))

    def store_index(self, value: Value, axes: Axes) -> Index:
        return indexing.linear(self.place(value, axes), value.shape)

    def round(
        self, phase: int, reductions: list[Value], staged: dict[Value, int], outputs: list[tuple[int, Value]]
    ) -> list[Stmt]:
        """One pass over the reduced axes: stores of what this phase completes, and its reductions."""
        stores: list[Stmt] = []
        for buffer, value in outputs:
            if self.full(value) and self.phase[value] == phase and not folds(value):
                stores.append(
                    Store(
                        buffer,
                        self.store_index(value, self.axes),
                        self.puller.pull(value, self.place(value, self.axes)),
                    )
                )
        slots, sums = [], []
        for r in reductions:
            (operand,) = r.operands
            slot = Accumulator(f"r{self.row_names}", r.op, accumulator_dtype(r.dtype))
            self.row_names += 1
            slots.append(slot)
            sums.append(Accumulate(slot.name, self.puller.pull(operand, self.place(operand, self.axes))))
        kept_values: list[tuple[Value, Load]] = []
        for value, stage_phase in staged.items():
            if stage_phase == phase:
                place = self.place(value, self.axes)
                load = self.stage(value)
                stores.append(Store(load.buffer, load.at, self.puller.pull(value, place)))
                kept_values.append((value, load))
        for value, load in kept_values:
            self.puller.bind(value, self.place(value, self.axes), load)
        inner = nest(self.inner, [*stores, *sums])
        if not slots:
            return list(inner) if stores else []
        for slot, r in zip(slots, reductions, strict=True):
            self.puller.bind(r, self.place(r, self.kept), rounded(Name(slot.name, slot.dtype), r.dtype))
        return [Reduce(tuple(slots), inner)]

    def staged(self) -> dict[Value, int]:
        """Expensive full values that a later phase reads again: they are kept in a scratch row."""
        row = product(tuple(n for _, n in self.inner))
        if not isinstance(row, int) or row > 1 << 16:
            return {}
        if self.axes[-1] not in self.inner:
            # Lanes run along the last axis: rows side by side would share one scratch row.
            return {}
        found: dict[Value, int] = {}
        inputs = set(self.body.inputs)
        for value in self.body.values:
            if value.op.kind != "elementwise" or not self.full(value):
                continue
            later = any(self.phase[u] > self.phase[value] for u in self.body.users[value])
            if later and work(value, inputs | set(found)) >= EXPENSIVE:
                found[value] = self.phase[value]
        return found

    def stage(self, value: Value) -> Load:
        """A scratch row for the value, indexed by the reduced axes."""
        row = indexing.linear(tuple(indexing.axis_index(a) for a, _ in self.inner), tuple(n for _, n in self.inner))
        buffer = len(self.buffers) + len(self.scratch)
        self.scratch.append((value.dtype, product(tuple(n for _, n in self.inner))))
        return Load(buffer, row, value.dtype)

    def kernel(self, body: tuple[Stmt, ...]) -> Kernel:
        buffers = (*self.buffers, *(Buffer(dtype, "update", "scratch") for dtype, _ in self.scratch))
        return Kernel("", buffers, body, tuple(self.scratch))


def lower_contract(body: Graph) -> Kernel:
    """A contraction with an epilogue: the body's other values are computed on the tile while it is in registers."""
    anchor = next(v for v in body.values if v.op.kind == "contract")
    split = (dot_axes if anchor.op.name == "dot_general" else conv_axes)(anchor)
    axes, extents = split.axes, split.extents
    puller = Puller(body, extents)
    a, b = (padded(puller.pull(value, place, when), when) for value, place, when in (split.a, split.b))
    dtype = accumulator_dtype(anchor.dtype)
    total = Name("acc", dtype)
    puller.bind(anchor, root_place(anchor.shape, axes, extents), rounded(total, anchor.dtype))
    epilogue = tuple(
        Store(
            len(body.inputs) + j,
            indexing.linear(root_place(v.shape, axes, extents), v.shape),
            puller.pull(v, root_place(v.shape, axes, extents)),
        )
        for j, v in enumerate(body.outputs)
    )
    nest_ = Contract("acc", split.batch, split.m, split.n, split.k, a, b, dtype, epilogue)
    return Kernel("", buffers_of(body), (nest_,))


def padded(element: Expr, inside: Expr | None) -> Expr:
    """The element inside, zero outside (which a load under this very condition gives by itself)."""
    if inside is None or (isinstance(element, Load) and element.when is inside):
        return element
    return Apply(TABLE["select"], (inside, element, Literal(element.dtype, 0)), element.dtype)


def rounded(total: Expr, dtype: DType) -> Expr:
    """A float32 sum as the half type that the graph says it is."""
    if total.dtype is dtype:
        return total
    return Apply(TABLE["cast"], (total,), dtype, (("dtype", dtype),))


class Split(NamedTuple):
    """A contraction's axes by role, and where each operand is read: (value, place, condition)."""

    batch: Axes
    m: Axes
    n: Axes
    k: Axes
    axes: Axes  # of the result, outermost first
    a: tuple[Value, Place, Expr | None]
    b: tuple[Value, Place, Expr | None]

    @property
    def extents(self) -> dict[str, Size]:
        return dict([*self.batch, *self.m, *self.n, *self.k])


def dot_axes(anchor: Value) -> Split:
    """Result axes are batch, free of a, free of b; the contracted ones are k0, k1 …"""
    axes: Axes = tuple((f"i{d}", n) for d, n in enumerate(anchor.shape))
    a, b = anchor.operands
    (ca, cb), (ba, bb) = anchor.attrs["contract"], anchor.attrs["batch"]
    batch = axes[: len(ba)]
    free_a = [d for d in range(len(a.shape)) if d not in ca and d not in ba]
    free_b = [d for d in range(len(b.shape)) if d not in cb and d not in bb]
    m = axes[len(ba) : len(ba) + len(free_a)]
    n = axes[len(ba) + len(free_a) :]
    k: Axes = tuple((f"k{i}", a.shape[d]) for i, d in enumerate(ca))
    name_a = {**{d: batch[i][0] for i, d in enumerate(ba)}, **{d: k[i][0] for i, d in enumerate(ca)}}
    name_b = {**{d: batch[i][0] for i, d in enumerate(bb)}, **{d: k[i][0] for i, d in enumerate(cb)}}
    name_a |= {d: m[i][0] for i, d in enumerate(free_a)}
    name_b |= {d: n[i][0] for i, d in enumerate(free_b)}
    place_a = tuple(indexing.axis_index(name_a[d]) for d in range(len(a.shape)))
    place_b = tuple(indexing.axis_index(name_b[d]) for d in range(len(b.shape)))
    return Split(batch, m, n, k, axes, (a, place_a, None), (b, place_b, None))


def conv_axes(anchor: Value) -> Split:
    """out[n, g*O+o, s…] = sum over c, window of w[g*O+o, c, window] * x[n, g*C+c, s*stride + window*dilation - low]."""
    x, w = anchor.operands
    attrs, groups = anchor.attrs, anchor.attrs["groups"]
    shape = (anchor.shape[1], anchor.shape[0], *anchor.shape[2:]) if attrs.get("exchanged") else anchor.shape
    per_group = quotient(shape[1], groups)
    assert per_group is not None
    image, group, out = ("i0", shape[0]), ("g", groups), ("o", per_group)
    spatial: Axes = tuple((f"s{d}", n) for d, n in enumerate(shape[2:]))
    k: Axes = (("c", w.shape[1]), *((f"w{d}", n) for d, n in enumerate(w.shape[2:])))
    extents = dict([image, group, out, *spatial, *k])
    g = indexing.axis_index("g")
    place_w = (plus(scaled(g, per_group), indexing.axis_index("o")), *(indexing.axis_index(a) for a, _ in k))
    place_x: list[Index] = [indexing.axis_index("i0"), plus(scaled(g, w.shape[1]), indexing.axis_index("c"))]
    inside: Expr | None = None
    for d, (axis, _) in enumerate(spatial):
        at = plus(scaled(indexing.axis_index(axis), attrs["stride"][d]), constant(-attrs["padding"][d][0]))
        at = plus(at, scaled(indexing.axis_index(f"w{d}"), attrs["dilation"][d]))
        gap, size = attrs["input_dilation"][d], x.shape[2 + d]
        if gap != 1:
            inside, at = (
                both(inside, on_grid(at, gap)),
                computed(apply("floordiv", position(at), indexing.size_expr(gap))),
            )
        if not indexing.fits(at, size, extents):
            inside = both(inside, in_range(at, size))
        place_x.append(at)
    axes = (group, out, image, *spatial) if attrs.get("exchanged") else (image, group, out, *spatial)
    # Weights are shared by the images, which the tiles run over together with the places where the result lets them.
    return Split((group,), (out,), (image, *spatial), k, axes, (w, place_w, None), (x, tuple(place_x), inside))


def on_grid(index: Index, gap: Size) -> Expr:
    """Whether a position of a dilated input holds an element."""
    return apply("eq", apply("remainder", position(index), indexing.size_expr(gap)), Literal(dtypes.int64, 0))


def lower_window(body: Graph, value: Value) -> Kernel:
    """A reduction over windows: for every result element, loops over its window."""
    attrs, (x,) = value.attrs, value.operands
    fold = TABLE[attrs["reduction"]]
    axes: Axes = tuple((f"i{d}", n) for d, n in enumerate(value.shape))
    window: Axes = tuple((f"w{d}", n) for d, n in enumerate(attrs["window"]) if n != 1)
    puller = Puller(body, dict([*axes, *window]))
    inside: Expr | None = None
    place: list[Index] = []
    own = tuple(indexing.axis_index(a) if n != 1 else constant(0) for a, n in axes)
    for d, index in enumerate(own):
        at = plus(scaled(index, attrs["stride"][d]), constant(-attrs["padding"][d][0]))
        if attrs["window"][d] != 1:
            at = plus(at, scaled(indexing.axis_index(f"w{d}"), attrs["dilation"][d]))
        if not indexing.fits(at, x.shape[d], puller.extents):
            inside = both(inside, in_range(at, x.shape[d]))
        place.append(at)
    element = puller.pull(x, tuple(place), inside)
    dtype = accumulator_dtype(value.dtype)
    if inside is not None:
        nothing = Literal(value.dtype, fold.lower.identity(value.dtype))
        element = Apply(TABLE["select"], (inside, element, nothing), value.dtype)
    store = Store(len(body.inputs), indexing.linear(own, value.shape), rounded(Name("r0", dtype), value.dtype))
    total = Reduce((Accumulator("r0", fold, dtype),), nest(window, [Accumulate("r0", element)]))
    kept: Axes = tuple(a for a in axes if a[1] != 1)
    return Kernel("", buffers_of(body), nest(kept, [total, store]))


def lower_special(body: Graph) -> Kernel:
    """One op by itself, on contiguous buffers: a windowed reduction is a loop nest, others have their own emitters."""
    value = next(v for v in body.values if v not in body.inputs and v.op.kind != "get")
    if value.op.name == "reduce_window":
        return lower_window(body, value)
    types = tuple(v.type for v in body.inputs)
    stmt = Special(value.op, types, value.types, tuple(sorted(value.attrs.items())))
    return Kernel("", buffers_of(body), (stmt,))


# Networks repeat their layers, and fusion asks whether a group can be one kernel before the kernel is wanted. The
# kernels of equal bodies share everything but their names and locations.
_known: WeakKeyDictionary[Graph, dict[tuple[str, Shape, tuple[int, ...]], Kernel]] = WeakKeyDictionary()


def lower(body: Graph, style: str, domain: Shape, reduced: tuple[int, ...], name: str) -> Kernel:
    """The kernel of a fused group. Raises Illegal when the group cannot be one kernel."""
    known = _known.setdefault(body, {})
    kernel = known.get((style, domain, reduced))
    if kernel is None:
        kernel = known[style, domain, reduced] = lower_new(body, style, domain, reduced)
    return kernel._replace(name=name, locations=tuple(dict.fromkeys(v.location for v in body.values if v.location)))


def lower_new(body: Graph, style: str, domain: Shape, reduced: tuple[int, ...]) -> Kernel:
    if style == "contract":
        return lower_contract(body)
    if style == "special":
        return lower_special(body)
    return RowLowering(body, domain, reduced).lower()
