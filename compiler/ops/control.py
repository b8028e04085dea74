"""Control flow over regions: `cond`, `while_` and `scan`. A region is a closed Graph; all it reads are its inputs.

Every row gives a tuple of results, projected by `get`. Derivatives and batches of a row are the same row over the
derivative or batch of its regions, so they nest and repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ingot.compiler.ir import Arg, Graph, Op, Sample, Size, TensorType, Value, toposort
from ingot.compiler.loops import loop
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.elementwise import add, lt, mul, select
from ingot.compiler.ops.reduce import any as any_
from ingot.compiler.ops.reduce import sum as sum_
from ingot.compiler.ops.regions import (
    check_region,
    flattened,
    floats,
    input_like,
    lead,
    parts,
    region_jvp,
    region_vjp,
    same,
    spreading,
)
from ingot.compiler.ops.source import get, ones_like, zeros_like
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.table import register
from ingot.compiler.ops.transcendental import sin
from ingot.compiler.ops.uniform import uniform
from ingot.compiler.ops.view import expand, permute, reshape
from ingot.compiler.passes import batch as mapping
from ingot.compiler.rewrite import inlined, substituted
from ingot.compiler.straightline import prepared
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError

Array = np.ndarray[Any, Any]
Results = tuple[Value | None, ...]
BOOL = TensorType(dtypes.bool_)


# ---- cond


def cond_type(pred: TensorType, *operands: TensorType, then: Graph, otherwise: Graph) -> tuple[TensorType, ...]:
    if pred is not BOOL:
        raise ShapeError("IG160", f"cond: the predicate must be one bool, got {pred}", fix="reduce it with any or all")
    results = tuple(v.type for v in then.outputs)
    check_region("cond", "then", then, operands, results)
    check_region("cond", "otherwise", otherwise, operands, results)
    return results


@np.errstate(all="ignore")
def cond_eval(pred: Array, *operands: Array, then: Graph, otherwise: Graph) -> tuple[Array, ...]:
    return tuple(map(np.asarray, prepared(then if pred else otherwise)(*operands)))


def cond_vjp(cts: Results, out: Value, pred: Value, *operands: Value, then: Graph, otherwise: Graph) -> Results:
    wrt, used = floats(operands), [i for i in floats(then.outputs) if cts[i] is not None]
    given = [ct for i, ct in enumerate(cts) if ct is not None and i in used]
    back = cond(
        pred,
        *operands,
        *given,
        then=region_vjp(then, wrt, used),
        otherwise=region_vjp(otherwise, wrt, used),
    )
    found = dict(zip(wrt, parts(back), strict=True))
    return (None, *(found.get(i) for i in range(len(operands))))


def cond_jvp(tangents: Results, out: Value, pred: Value, *operands: Value, then: Graph, otherwise: Graph) -> Results:
    moving = {i: t for i, t in enumerate(tangents[1:]) if t is not None}
    both = cond(
        pred,
        *operands,
        *moving.values(),
        then=region_jvp(then, list(moving)),
        otherwise=region_jvp(otherwise, list(moving)),
    )
    found = dict(zip(floats(then.outputs), parts(both)[len(then.outputs) :], strict=True))
    return tuple(found.get(i) for i in range(len(then.outputs)))


def cond_batch(size: Size, pred: Value, *operands: Value, then: Graph, otherwise: Graph) -> tuple[Value, ...]:
    """One predicate for all: a cond over batched branches. Else both branches run and each example selects."""
    flags = [uniform(o) is None for o in operands]
    given = flattened(operands, flags)
    regions = mapping.batch(then, size, flags), mapping.batch(otherwise, size, flags)
    one = uniform(pred)
    if one is not None:
        return tuple(parts(cond(one, *given, then=regions[0], otherwise=regions[1])))
    pairs = zip(inlined(regions[0], given), inlined(regions[1], given), strict=True)
    return tuple(chosen(pred, a, b) for a, b in pairs)


def chosen(mask: Value, a: Value, b: Value) -> Value:
    """a for the examples where the mask holds, b for the others."""
    ones = (1,) * (a.type.ndim - 1)
    return select(expand(reshape(mask, shape=(*mask.shape, *ones)), shape=a.shape), a, b)


def cond_sample() -> Sample:
    x, y = (make_input(type=TensorType(dtypes.float64, (2, 3)), name=name) for name in "xy")
    then = Graph((x, y), (mul(sin(x), y), lt(x, y), x))
    otherwise = Graph((x, y), (mul(x, x), lt(y, x), add(x, y)))
    args = (Arg((), "bool"), Arg((2, 3), "float64"), Arg((2, 3), "float64"))
    return Sample(args, {"then": then, "otherwise": otherwise})


cond: Op = register(
    Op(
        name="cond",
        kind="control",
        infer=cond_type,
        eval=cond_eval,
        vjp=cond_vjp,
        jvp=cond_jvp,
        batch=cond_batch,
        dtypes=dtypes.ALL,
        samples=(cond_sample(),),
        doc="The results of region `then` on the operands where the bool `pred` holds, else of region `otherwise`. "
        "Only one of them runs, except in a batch with a predicate per example.",
    )
)


# ---- while_


def while_type(*state: TensorType, condition: Graph, body: Graph) -> tuple[TensorType, ...]:
    check_region("while_", "condition", condition, state, (BOOL,))
    check_region("while_", "body", body, state, state)
    return state


@np.errstate(all="ignore")
def while_eval(*state: Array, condition: Graph, body: Graph) -> tuple[Array, ...]:
    goes_on, step = prepared(condition), prepared(body)
    while goes_on(*state)[0]:
        state = step(*state)
    return tuple(map(np.asarray, state))


def while_jvp(tangents: Results, out: Value, *state: Value, condition: Graph, body: Graph) -> Results:
    wrt = floats(state)
    moving = [tangents[i] or zeros_like(state[i]) for i in wrt]
    ignored = [input_like(v, f"tangent{i}") for i, v in zip(wrt, moving, strict=True)]
    both = while_(
        *state,
        *moving,
        condition=Graph((*condition.inputs, *ignored), condition.outputs),
        body=region_jvp(body, wrt),
    )
    found = dict(zip(wrt, parts(both)[len(state) :], strict=True))
    return tuple(found.get(i) for i in range(len(state)))


def while_batch(size: Size, *state: Value, condition: Graph, body: Graph) -> tuple[Value, ...]:
    """Loop until no example goes on; those that are done keep their state."""
    flags = spreading([uniform(v) is None for v in state], body)
    alone = not mapping.batched_outputs(condition, flags)[0]
    if not alone:
        # How often an example runs depends on the example, and so does every state that a step changes.
        changed = [out is not v for out, v in zip(body.outputs, body.inputs, strict=True)]
        flags = spreading([f or c for f, c in zip(flags, changed, strict=True)], body)
    test, step = mapping.batch(condition, size, flags), mapping.batch(body, size, flags)
    (goes_on,) = test.outputs
    outs = flattened(step.outputs, flags)
    if not alone:
        (mask,) = inlined(test, step.inputs)
        outs = [
            chosen(mask, new, old) if flag else new for new, old, flag in zip(outs, step.inputs, flags, strict=True)
        ]
    going = same(goes_on) if alone else any_(goes_on, axes=(0,))
    found = while_(*flattened(state, flags), condition=test.with_outputs([going], ()), body=step.with_outputs(outs, ()))
    return tuple(r if flag else lead(r, size) for r, flag in zip(parts(found), flags, strict=True))


def while_sample() -> Sample:
    """x * sin(x) repeated while a counter is below a bound that examples of a batch may have to themselves."""
    types = (TensorType(dtypes.int64), TensorType(dtypes.int64), TensorType(dtypes.float64, (3,)))
    step, bound, x = (make_input(type=t, name=name) for t, name in zip(types, ("step", "bound", "x"), strict=True))
    state = (step, bound, x)
    condition = Graph(state, (lt(step, bound),))
    body = Graph(state, (add(step, ones_like(step)), bound, mul(x, sin(x))))
    args = (Arg((), "int64", 0, 1), Arg((), "int64", 0, 4), Arg((3,), "float64"))
    return Sample(args, {"condition": condition, "body": body})


while_: Op = register(
    Op(
        name="while_",
        kind="control",
        infer=while_type,
        eval=while_eval,
        vjp=None,
        jvp=while_jvp,
        batch=while_batch,
        dtypes=dtypes.ALL,
        samples=(while_sample(),),
        doc="The state after region `body` ran as long as region `condition` gave True. The number of steps is not "
        "known beforehand, so there is no reverse mode; a scan over a fixed number of steps has one.",
    )
)


# ---- scan


def split(values: Sequence[Any], *counts: int) -> list[list[Any]]:
    """Consecutive runs of these lengths, then what remains."""
    found, start = [], 0
    for count in counts:
        found.append(list(values[start : start + count]))
        start += count
    return [*found, list(values[start:])]


def scan_type(
    *operands: TensorType, body: Graph, carries: int, xs: int, length: Size, reverse: bool = False
) -> tuple[TensorType, ...]:
    carried, stacked, constants = split(operands, carries, xs)
    for t in stacked:
        if t.ndim < 1 or t.shape[0] != length:
            raise ShapeError("IG161", f"scan of {length} steps over {t}: the first axis must have that extent")
    slices = [t.with_shape(t.shape[1:]) for t in stacked]
    ys = [v.type for v in body.outputs[carries:]]
    check_region("scan", "body", body, (*carried, *slices, *constants), (*carried, *ys))
    return (*carried, *(t.with_shape((length, *t.shape)) for t in ys))


@np.errstate(all="ignore")
def scan_eval(
    *operands: Array, body: Graph, carries: int, xs: int, length: int, reverse: bool = False
) -> tuple[Array, ...]:
    return loop(body, carries, xs, length, reverse)(*operands)


def scan_vjp(
    cts: Results, out: Value, *operands: Value, body: Graph, carries: int, xs: int, length: Size, reverse: bool = False
) -> Results:
    """Scan the body's vjp from the last step back, over the rows of what it reads (see `saving`). If these are not
    stacked results already, run again to save the carries that each step starts from and its products.

    It carries the cotangents of the carries and the sums of the constants' cotangents. A constant's cotangent that is
    a product itself is no sum in the scan: its factors are stacked, and one product over all steps follows.
    """
    carried, stacked, constants = split(operands, carries, xs)
    # Cotangents flow into every floating carry, and out of those stacked results that are used.
    seeded = [i for i in floats(body.outputs) if i < carries or cts[i] is not None]
    wrt = floats(operands)
    back = region_vjp(body, wrt, seeded)
    rows, saved = saved_rows(back, out, operands, body, carries, xs, {"length": length, "reverse": reverse})
    given = [v if v in body.inputs else input_like(v, f"saved{i}") for i, v in enumerate(rows)]
    inner_stacked, inner_constants, inner_cts = split(back.inputs[carries:], xs, len(constants))
    moving, moving_ys = (len([i for i in seeded if i < carries]), [cts[i] for i in seeded if i >= carries])
    # back.outputs: cotangents of the floating carries, slices and constants, in this order.
    found = substituted(back.outputs, {v: g for v, g in zip(rows, given, strict=True) if v is not g})
    floating = [i for i in wrt if i >= carries + xs]
    d_carried, d_slices, d_constants = split(found, moving, len(found) - moving - len(floating))
    later = [step_product(d) for d in d_constants]
    # Rows of the stacks that the step reads are there already; the other factors become stacked results.
    stacks = dict(zip((*given, *inner_stacked), (*saved, *stacked), strict=True))
    factors = [v for v in dict.fromkeys(v for p in later if p is not None for v in p.factors) if v not in stacks]
    now = [(i, d) for i, d, after in zip(floating, d_constants, later, strict=True) if after is None]
    sums = [input_like(operands[i], f"sum{i}") for i, _ in now]
    step_outputs = (
        *d_carried,
        *(add(s, d) for s, (_, d) in zip(sums, now, strict=True)),
        *d_slices,
        *factors,
    )
    read = set(toposort(step_outputs))
    slices = [(v, x) for v, x in zip((*given, *inner_stacked), (*saved, *stacked), strict=True) if v in read]
    fixed = [(v, x) for v, x in zip(inner_constants, constants, strict=True) if v in read]
    step = Graph(
        (*inner_cts[:moving], *sums, *(v for v, _ in slices), *inner_cts[moving:], *(v for v, _ in fixed)),
        step_outputs,
    )
    first = [cts[i] or zeros_like(carried[i]) for i in floats(carried)]
    result = scan(
        *first,
        *(zeros_like(operands[i]) for i, _ in now),
        *(x for _, x in slices),
        *(ct for ct in moving_ys if ct is not None),
        *(x for _, x in fixed),
        body=step,
        carries=moving + len(sums),
        xs=len(slices) + len(moving_ys),
        length=length,
        reverse=not reverse,
    )
    starts, totals, ends, made = split(parts(result), moving, len(sums), len(d_slices))
    by_place = dict(zip([i for i in wrt if i < carries + xs], [*starts, *ends], strict=True))
    by_place.update((i, total) for (i, _), total in zip(now, totals, strict=True))
    stacks.update(zip(factors, made, strict=True))
    by_place.update(
        (i, after.over_steps(stacks)) for i, after in zip(floating, later, strict=True) if after is not None
    )
    return tuple(by_place.get(i) for i in range(len(operands)))


def saved_rows(
    back: Graph, out: Value, operands: Sequence[Value], body: Graph, carries: int, xs: int, attrs: Mapping[str, Any]
) -> tuple[list[Value], list[Value]]:
    """Values of the body that its derivative reads, and their stacks."""
    own = {*body.values, *body.inputs[:carries]} - {*body.inputs[carries:]}
    stacks = {v: i for i, v in enumerate(body.outputs) if i >= carries and v in own}
    seen: dict[Value, None] = {}
    pending = list(back.outputs)
    while pending:
        value = pending.pop()
        if value not in seen:
            seen[value] = None
            pending.extend(value.operands if value not in stacks else ())
    again = [v for v in seen if v in own and v not in stacks and (v in body.inputs or v.op is dot_general)]
    if not again:
        rows = [v for v in stacks if v in seen]
        return rows, [get(out, index=stacks[v]) for v in rows]
    products = [v for v in back.values if v.op is dot_general and v in own]
    rows = [*body.inputs[:carries], *products]
    run = body.with_outputs([*body.outputs[:carries], *rows], ())
    return rows, parts(scan(*operands, body=run, carries=carries, xs=xs, **attrs))[carries:]


def saving(body: Graph, carries: int) -> Graph:
    """The body of a scan with what its derivative reads of each step as further stacked results: the values nearest to
    where the cotangents flow. Views are made again from those."""
    back = region_vjp(body, floats(body.inputs), floats(body.outputs))
    own, flows = set(body.values), set(back.inputs[len(body.inputs) :])
    for value in back.values:
        if any(o in flows for o in value.operands):
            flows.add(value)
    found: dict[Value, None] = {}
    seen: set[Value] = set()
    pending = list(back.outputs)
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        plain = isinstance(value.type, TensorType) and value.op.kind not in ("source", "view", "get")
        if value in body.inputs[:carries] or (value in own and value not in flows and plain):
            found[value] = None
        else:
            pending.extend(value.operands)
    return body.with_outputs([*body.outputs, *(v for v in found if v not in body.outputs[carries:])], ())


class StepProduct(NamedTuple):
    """A cotangent of one step that is a product whose axes may be reordered."""

    factors: tuple[Value, Value]
    attrs: Mapping[str, Any]
    axes: tuple[int, ...] | None

    def over_steps(self, stacks: Mapping[Value, Value]) -> Value:
        """The sum over all steps, as one product of the stacked factors."""

        def later(axes: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(a + 1 for a in axes)

        attrs = dict(self.attrs)
        left, right = attrs["contract"]
        attrs["contract"] = ((0, *later(left)), (0, *later(right)))
        attrs["batch"] = tuple(later(axes) for axes in attrs["batch"])
        a, b = self.factors
        total = dot_general(stacks[a], stacks[b], **attrs)
        return total if self.axes is None else permute(total, axes=self.axes)


def step_product(value: Value) -> StepProduct | None:
    """The product that the value is, maybe under a permutation; None if it is none."""
    axes = None
    if value.op is permute:
        axes, value = value.attrs["axes"], value.operands[0]
    if value.op is not dot_general:
        return None
    a, b = value.operands
    return StepProduct((a, b), value.attrs, axes)


def scan_jvp(
    tangents: Results,
    out: Value,
    *operands: Value,
    body: Graph,
    carries: int,
    xs: int,
    length: Size,
    reverse: bool = False,
) -> Results:
    """Every floating carry gets a tangent, which later steps may move; slices and constants only where they move."""
    wrt = [i for i in floats(operands) if i < carries or tangents[i] is not None]
    moved = [tangents[i] or zeros_like(operands[i]) for i in wrt]
    both = region_jvp(body, wrt)
    carried, stacked, constants = split(operands, carries, xs)
    inner_carried, inner_stacked, inner_constants, inner_moved = split(both.inputs, carries, xs, len(constants))
    counts = (len([i for i in wrt if i < carries]), len([i for i in wrt if carries <= i < carries + xs]))
    t_carried, t_stacked, t_constants = split(moved, *counts)
    in_carried, in_stacked, in_constants = split(inner_moved, *counts)
    outputs, t_outputs = both.outputs[: len(body.outputs)], both.outputs[len(body.outputs) :]
    step = Graph(
        (*inner_carried, *in_carried, *inner_stacked, *in_stacked, *inner_constants, *in_constants),
        (*outputs[:carries], *t_outputs),
    )
    result = scan(
        *carried,
        *t_carried,
        *stacked,
        *t_stacked,
        *constants,
        *t_constants,
        body=step,
        carries=carries + counts[0],
        xs=xs + counts[1],
        length=length,
        reverse=reverse,
    )
    found = dict(zip(floats(body.outputs), parts(result)[carries:], strict=True))
    return tuple(found.get(i) for i in range(len(body.outputs)))


def scan_batch(
    size: Size, *operands: Value, body: Graph, carries: int, xs: int, length: Size, reverse: bool = False
) -> tuple[Value, ...]:
    """A scan over the batched body; what is the same for every example stays so."""
    start = [uniform(o) is None for o in operands]
    rest = start[carries:]
    flags = [*spreading(start[:carries], body, rest), *rest]
    inner = mapping.batch(body, size, flags)
    out_flags = [*flags[:carries], *mapping.batched_outputs(body, flags)[carries:]]
    given = flattened(operands, flags)
    for i in range(carries, carries + xs):
        if flags[i]:
            given[i] = exchanged(given[i])
    step = inner.with_outputs(flattened(inner.outputs, out_flags), ())
    results = parts(scan(*given, body=step, carries=carries, xs=xs, length=length, reverse=reverse))
    return tuple(
        lead(r, size) if not flag else r if i < carries else exchanged(r)
        for i, (r, flag) in enumerate(zip(results, out_flags, strict=True))
    )


def exchanged(value: Value) -> Value:
    """The step axis and the batch axis change places."""
    return permute(value, axes=(1, 0, *range(2, value.type.ndim)))


def recurrence(steps: int, *, reverse: bool) -> Sample:
    """h = sin(h * w + x), with a count beside it; gives h * x and the count at every step."""
    row = TensorType(dtypes.float64, (2,))
    count = make_input(type=TensorType(dtypes.int32), name="count")
    h, x, w = (make_input(type=row, name=name) for name in "hxw")
    after = sin(add(mul(h, w), x))
    body = Graph((h, count, x, w), (after, add(count, ones_like(count)), mul(after, x), count))
    args = (Arg((2,), "float64"), Arg((), "int32", 0, 3), Arg((steps, 2), "float64"), Arg((2,), "float64"))
    return Sample(args, {"body": body, "carries": 2, "xs": 1, "length": steps, "reverse": reverse})


def mapped() -> Sample:
    """No carry: a function of each row and a constant."""
    x, c = (make_input(type=TensorType(dtypes.float64, shape), name=name) for name, shape in (("x", (3,)), ("c", ())))
    body = Graph((x, c), (mul(sum_(sin(x), axes=(0,)), c),))
    args = (Arg((2, 3), "float64"), Arg((), "float64"))
    return Sample(args, {"body": body, "carries": 0, "xs": 1, "length": 2})


def repeated() -> Sample:
    """No rows: a carry alone."""
    h = make_input(type=TensorType(dtypes.float64, (2,)), name="h")
    return Sample((Arg((2,), "float64"),), {"body": Graph((h,), (mul(h, sin(h)),)), "carries": 1, "xs": 0, "length": 3})


scan: Op = register(
    Op(
        name="scan",
        kind="control",
        infer=scan_type,
        eval=scan_eval,
        vjp=scan_vjp,
        jvp=scan_jvp,
        batch=scan_batch,
        dtypes=dtypes.ALL,
        samples=(
            recurrence(4, reverse=False),
            recurrence(3, reverse=True),
            recurrence(0, reverse=False),
            mapped(),
            repeated(),
        ),
        doc="Operands: `carries` carries, `xs` stacks of `length` rows, constants. Region `body` takes carries, one "
        "row of each stack and the constants, and yields new carries and rows ys; the results are the last carries and "
        "the stacked ys. `reverse` starts at the last row.",
    )
)


def each_lane(op: Op, size: Size, operands: Sequence[Value], attrs: Mapping[str, Any]) -> tuple[Value, ...]:
    """The batch rule of a row that works on one example only: a scan over the examples."""
    inputs = tuple(make_input(type=v.type.with_shape(v.shape[1:]), name=f"x{i}") for i, v in enumerate(operands))
    one = op(*inputs, **attrs)
    outputs = (one,) if isinstance(one.type, TensorType) else tuple(parts(one))
    return tuple(parts(scan(*operands, body=Graph(inputs, outputs), carries=0, xs=len(operands), length=size)))
