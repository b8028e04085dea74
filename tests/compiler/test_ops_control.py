"""cond, while_ and scan against the unrolled graph: values, derivatives of any order, batches, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from op_cases import operand

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.control import cond, scan, while_
from ingot.compiler.ops.elementwise import add, lt, mul
from ingot.compiler.ops.reduce import sum as sum_
from ingot.compiler.ops.regions import parts
from ingot.compiler.ops.source import full, get
from ingot.compiler.ops.transcendental import sin
from ingot.compiler.ops.view import expand, reshape, slice
from ingot.compiler.passes.batch import batch
from ingot.compiler.passes.grad import grad, vjp
from ingot.compiler.passes.linearize import linearize
from ingot.compiler.rewrite import inlined
from ingot.compiler.verify import verify
from ingot.runtime import dtypes
from ingot.runtime.errors import GradError, ShapeError

RNG = np.random.default_rng(0)


def kinds(graph: Graph) -> list[str]:
    return [v.op.name for v in graph.values]


# ---- scan


def recurrent(size: int) -> Graph:
    """(h, x, w, b) -> h' = sin(w h + x b), y = h' * x."""
    h, x, w, b = operand((size,)), operand((size,)), operand((size, size)), operand(())
    scaled = mul(x, expand(reshape(b, shape=(1,)), shape=(size,)))
    after = sin(add(dot_general(w, h, contract=((1,), (0,)), batch=((), ())), scaled))
    return Graph((h, x, w, b), (after, mul(after, x)))


def loop(body: Graph, steps: int, reverse: bool) -> Graph:
    """A scan over `body`, reduced to one number that depends on the last carry and on every y."""
    h, xs, w, b = operand((3,)), operand((steps, 3)), operand((3, 3)), operand(())
    last, ys = parts(scan(h, xs, w, b, body=body, carries=1, xs=1, length=steps, reverse=reverse))
    return Graph((h, xs, w, b), (add(sum_(last, axes=(0,)), sum_(mul(ys, sin(ys)), axes=(0, 1))),))


def unrolled(body: Graph, steps: int, reverse: bool) -> Graph:
    h, xs, w, b = operand((3,)), operand((steps, 3)), operand((3, 3)), operand(())
    total, carry = None, h
    for step in reversed(range(steps)) if reverse else range(steps):
        x = reshape(slice(xs, start=(step, 0), stop=(step + 1, 3), step=(1, 1)), shape=(3,))
        carry, y = inlined(body, (carry, x, w, b))
        part = sum_(mul(y, sin(y)), axes=(0,))
        total = part if total is None else add(total, part)
    assert total is not None
    return Graph((h, xs, w, b), (add(sum_(carry, axes=(0,)), total),))


def scan_arrays(steps: int) -> list[Any]:
    return [RNG.standard_normal(shape) for shape in ((3,), (steps, 3), (3, 3), ())]


Transform = Callable[[Graph], Graph]


def weighted(graph: Graph) -> Graph:
    """One number from all outputs, so that they can be differentiated again."""
    total = None
    for i, out in enumerate(graph.outputs):
        part = sum_(mul(out, sin(add(out, full(out.type, i)))), axes=tuple(range(out.type.ndim)))
        total = part if total is None else add(total, part)
    assert total is not None
    return graph.with_outputs([total], ())


def gradients(graph: Graph) -> Graph:
    return grad(graph, range(len(graph.inputs)))


def tangent(graph: Graph) -> Graph:
    """The directional derivative along the inputs themselves."""
    both = linearize(graph, range(len(graph.inputs)))
    outputs = inlined(both, (*graph.inputs, *graph.inputs))
    return graph.with_outputs(outputs[len(graph.outputs) :], ())


TRANSFORMS: dict[str, Transform] = {
    "value": lambda g: g,
    "grad": gradients,
    "jvp": tangent,
    "grad of grad": lambda g: gradients(weighted(gradients(g))),
    "jvp of grad": lambda g: tangent(gradients(g)),
    "grad of jvp": lambda g: gradients(tangent(g)),
    "jvp of jvp": lambda g: tangent(tangent(g)),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_scan_is_the_unrolled_loop(name: str, reverse: bool) -> None:
    body, arrays = recurrent(3), scan_arrays(4)
    rolled = TRANSFORMS[name](loop(body, 4, reverse))
    verify(rolled)
    assert "scan" in kinds(rolled)
    flat = TRANSFORMS[name](unrolled(body, 4, reverse))
    for a, b in zip(interpret(rolled, *arrays), interpret(flat, *arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("mask", [(True, False, False, False), (False, True, False, True), (True,) * 4])
def test_batch_of_the_gradient_of_a_scan(mask: tuple[bool, ...]) -> None:
    graph = gradients(loop(recurrent(3), 3, False))
    batched = batch(graph, 2, mask)
    verify(batched)
    lanes = [scan_arrays(3), scan_arrays(3)]
    arrays = [np.stack([lane[i] for lane in lanes]) if m else lanes[0][i] for i, m in enumerate(mask)]
    found = interpret(batched, *arrays)
    for k in range(2):
        one = interpret(graph, *(a[k] if m else a for a, m in zip(arrays, mask, strict=True)))
        for a, b in zip(found, one, strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-10, atol=1e-12)


def test_what_examples_share_stays_unbatched_in_a_scan() -> None:
    graph = batch(loop(recurrent(3), 5, False), 4, (False, True, False, False))
    (found,) = [v for v in graph.values if v.op is scan]
    assert [t.shape for t in (v.type for v in found.operands)] == [(4, 3), (5, 4, 3), (3, 3), ()]


def test_length_may_be_a_named_size() -> None:
    n = Dim("n")
    body = recurrent(3)
    h, xs, w, b = operand((3,)), operand((n, 3)), operand((3, 3)), operand(())
    last, ys = parts(scan(h, xs, w, b, body=body, carries=1, xs=1, length=n))
    assert ys.shape == (n, 3)
    total = add(sum_(last, axes=(0,)), sum_(mul(ys, sin(ys)), axes=(0, 1)))
    derivative = gradients(Graph((h, xs, w, b), (total,)))
    for steps in (0, 1, 4):
        arrays = scan_arrays(steps)
        fixed = gradients(loop(body, steps, False))
        for x, y in zip(interpret(derivative, *arrays), interpret(fixed, *arrays), strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_scan_inside_a_cond_inside_a_scan() -> None:
    inner = Graph((h := operand((2,)), x := operand((2,))), (mul(sin(h), x),))
    a, b = operand((2,)), operand((3, 2))
    looped = Graph((a, b), (get(scan(a, b, body=inner, carries=1, xs=1, length=3), index=0),))
    direct = Graph((a, b), (mul(a, a),))
    c, flag, rows = operand((2,)), operand((), dtypes.bool_), operand((3, 2))
    outer = Graph((c, flag, rows), (get(cond(flag, c, rows, then=looped, otherwise=direct), index=0),))
    start, flags, stack = operand((2,)), operand((4,), dtypes.bool_), operand((4, 3, 2))
    graph = Graph(
        (start, flags, stack),
        (sum_(get(scan(start, flags, stack, body=outer, carries=1, xs=2, length=4), index=0), axes=(0,)),),
    )
    arrays = [RNG.uniform(0.5, 1, (2,)), np.array([True, False, True, False]), RNG.uniform(0.5, 1, (4, 3, 2))]

    def run(h: Any, xs: Any) -> Any:
        for flag, row in zip(arrays[1], xs, strict=True):
            if not flag:
                h = h * h
            else:
                for x in row:
                    h = np.sin(h) * x
        return h.sum()

    derivative = grad(graph, (0, 2))
    d_start, d_stack = interpret(derivative, *arrays)
    step = 1e-6
    for place in np.ndindex(4, 3, 2):
        moved = np.zeros((4, 3, 2))
        moved[place] = step
        slope = (run(arrays[0], arrays[2] + moved) - run(arrays[0], arrays[2] - moved)) / (2 * step)
        assert abs(slope - d_stack[place]) < 1e-8
    again = grad(Graph(derivative.inputs, (sum_(sin(derivative.outputs[0]), axes=(0,)),)), (0,))
    (second,) = interpret(again, *arrays)
    for i in range(2):
        moved = np.eye(2)[i] * step
        up, down = (np.sin(interpret(derivative, arrays[0] + sign * moved, *arrays[1:])[0]).sum() for sign in (1, -1))
        assert abs((up - down) / (2 * step) - second[i]) < 1e-7
    assert d_start.shape == (2,)


# ---- cond


def branches() -> tuple[Graph, Graph]:
    x = operand((2,))
    y = operand((2,))
    return Graph((x,), (sin(x),)), Graph((y,), (mul(y, y),))


def test_only_the_taken_branch_runs() -> None:
    seen: list[str] = []
    then, otherwise = branches()
    p, x = operand((), dtypes.bool_), operand((2,))
    graph = Graph((p, x), (get(cond(p, x, then=then, otherwise=otherwise), index=0),))
    interpret(graph, np.array(True), np.ones(2), observe=lambda v, _: seen.append(v.op.name))
    assert seen.count("cond") == 1
    batched = batch(graph, 3, (False, True))
    assert "cond" in kinds(batched)
    assert "select" not in kinds(batched)
    each = batch(graph, 3, (True, False))
    assert "cond" not in kinds(each)
    found = interpret(each, np.array([True, False, True]), np.full(2, 3.0))[0]
    np.testing.assert_allclose(found, [[np.sin(3)] * 2, [9] * 2, [np.sin(3)] * 2])


@pytest.mark.parametrize("taken", [True, False])
def test_cond_to_the_second_derivative(taken: bool) -> None:
    then, otherwise = branches()
    p, x = operand((), dtypes.bool_), operand((2,))
    graph = Graph((p, x), (sum_(get(cond(p, x, then=then, otherwise=otherwise), index=0), axes=(0,)),))
    first = grad(graph, (1,))
    second = grad(Graph(first.inputs, (sum_(first.outputs[0], axes=(0,)),)), (1,))
    at = np.array([0.3, 0.7])
    np.testing.assert_allclose(interpret(first, np.array(taken), at)[0], np.cos(at) if taken else 2 * at)
    np.testing.assert_allclose(interpret(second, np.array(taken), at)[0], -np.sin(at) if taken else [2, 2])


# ---- while_


def doubling() -> Graph:
    """(x, bound) -> x doubled until it passes the bound, and how often."""
    x, bound, count = operand(()), operand(()), operand((), dtypes.int64)
    state = (x, bound, count)
    test = Graph(state, (lt(x, bound),))
    step = Graph(state, (add(x, x), bound, add(count, full(count.type, 1))))
    a, b = operand(()), operand(())
    found = while_(a, b, full(count.type, 0), condition=test, body=step)
    return Graph((a, b), (get(found, index=0), get(found, index=2)))


def test_each_example_loops_as_long_as_it_needs() -> None:
    graph = doubling()
    x, steps = interpret(graph, np.float64(1.5), np.float64(10))
    assert (float(x), int(steps)) == (12.0, 3)
    batched = batch(graph, 4, (True, False))
    verify(batched)
    (loop_,) = [v for v in batched.values if v.op is while_]
    assert loop_.operands[1].shape == (), "the bound is the same for all"
    x, steps = interpret(batched, np.array([1.0, 11.0, 1.5, 0.1]), np.float64(10))
    np.testing.assert_allclose(x, [16, 11, 12, 12.8])
    assert steps.tolist() == [4, 0, 3, 7]


def test_while_moves_forward_only() -> None:
    graph = doubling()
    forward = linearize(graph.with_outputs(graph.outputs[:1], ()), (0,))
    assert [float(v) for v in interpret(forward, np.float64(1.5), np.float64(10), np.float64(1))] == [12, 8]
    with pytest.raises(GradError, match=r"(?s)while_.*scan over a fixed number of steps"):
        vjp(graph.with_outputs(graph.outputs[:1], ()), (0,))


# ---- refused


def region(inputs: Sequence[Sequence[Any]], build: Callable[..., Sequence[Value]]) -> Graph:
    values = tuple(operand(s) for s in inputs)
    return Graph(values, tuple(build(*values)))


def test_regions_must_fit() -> None:
    p, x = operand((), dtypes.bool_), operand((2,))
    same, other = region([(2,)], lambda v: [v]), region([(2,)], lambda v: [sum_(v, axes=(0,))])
    with pytest.raises(ShapeError, match=r"(?s)IG160.*`otherwise` yields \(f64\[\]\) where \(f64\[2\]\)"):
        cond(p, x, then=same, otherwise=other)
    with pytest.raises(ShapeError, match=r"IG160.*`then` takes \(f64\[2\]\) where \(f64\[3\]\)"):
        cond(p, operand((3,)), then=same, otherwise=same)
    with pytest.raises(ShapeError, match=r"IG160.*one bool, got f64\[2\]"):
        cond(x, x, then=same, otherwise=same)
    with pytest.raises(ShapeError, match=r"IG160.*`condition` yields \(f64\[2\]\) where \(bool\[\]\)"):
        while_(x, condition=same, body=same)
    with pytest.raises(ShapeError, match=r"IG160.*`body` yields"):
        scan(x, body=other, carries=1, xs=0, length=2)
    with pytest.raises(ShapeError, match=r"IG161.*3 steps over f64\[2\]"):
        scan(x, body=region([()], lambda v: [v]), carries=0, xs=1, length=3)
