"""Laws over random graphs: passes keep what a graph means, text gives it back, modes of differentiation agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from random_graphs import DRAWS, Array, assert_close, draw, draw_examples, epsilon

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops.control import while_
from ingot.compiler.passes.batch import batch
from ingot.compiler.passes.decompose import decompose
from ingot.compiler.passes.fold import fold
from ingot.compiler.passes.grad import vjp
from ingot.compiler.passes.linearize import linearize
from ingot.compiler.passes.merge_scans import merge_scans
from ingot.compiler.passes.simplify import simplify
from ingot.compiler.passes.trim_regions import trim_regions
from ingot.compiler.text_parse import parse_graph
from ingot.compiler.text_print import print_graph
from ingot.compiler.verify import verify

PASSES: dict[str, Callable[[Graph], Graph]] = {
    "fold": fold,
    "simplify": simplify,
    "decompose": decompose,
    "merge_scans": merge_scans,
    "trim_regions": trim_regions,
    "all": lambda graph: simplify(fold(decompose(trim_regions(merge_scans(simplify(fold(graph))))))),
}
# A test takes one block of seeds, so that a failure names few and the run is not drowned in test items.
BLOCK = 100
BLOCKS = pytest.mark.parametrize("block", range(10))


def seeds(block: int) -> range:
    return range(block * BLOCK, (block + 1) * BLOCK)


@BLOCKS
def test_passes_keep_the_meaning(block: int) -> None:
    for seed in seeds(block):
        graph, arrays = draw(seed)
        verify(graph)
        want = interpret(graph, *arrays)
        for name, run in PASSES.items():
            result = run(graph)
            verify(result)
            for got, expected in zip(interpret(result, *arrays), want, strict=True):
                note = f"seed {seed}, {name}:\n{print_graph(graph)}\n{print_graph(result)}"
                close(got, expected, note)


@BLOCKS
def test_passes_are_idempotent(block: int) -> None:
    for seed in seeds(block):
        graph, _ = draw(seed)
        for run in (fold, simplify, decompose, merge_scans, trim_regions):
            once = run(graph)
            assert run(once) == once, f"seed {seed}"


@BLOCKS
def test_text_gives_the_graph_back(block: int) -> None:
    for seed in seeds(block):
        graph, _ = draw(seed)
        text = print_graph(graph)
        parsed = parse_graph(text)
        assert parsed == graph, f"seed {seed}"
        assert print_graph(parsed) == text, f"seed {seed}"
        assert parse_graph(print_graph(graph, locations=False)) == graph, f"seed {seed}"


def close(got: Array, want: Array, note: str, scale: float = 1.0) -> None:
    try:
        assert_close(got, want, scale)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{note}") from None


def floating(graph: Graph) -> tuple[Graph, list[int]]:
    """The graph with its floating outputs alone, and which inputs are floating."""
    outputs = [v for v in graph.outputs if v.dtype.is_floating_point]
    return graph.with_outputs(outputs), [i for i, v in enumerate(graph.inputs) if v.dtype.is_floating_point]


def inner(xs: list[Array], ys: list[Array]) -> tuple[float, float]:
    """The sum of products, and the sum of their sizes, which says how precise the first is."""
    with np.errstate(all="ignore"):
        products = [x.astype(np.float64) * y.astype(np.float64) for x, y in zip(xs, ys, strict=True)]
        return float(sum(p.sum() for p in products)), float(sum(np.abs(p).sum() for p in products))


def directions(rng: np.random.Generator, values: Sequence[Value]) -> list[Array]:
    shapes: list[Any] = [v.shape for v in values]
    return [np.asarray(rng.uniform(-1, 1, s)).astype(v.dtype.numpy) for v, s in zip(values, shapes, strict=True)]


@BLOCKS
def test_forward_and_reverse_mode_agree(block: int) -> None:
    """<cotangent, jvp(tangent)> = <vjp(cotangent), tangent>."""
    compared = 0
    for seed in seeds(block):
        graph, arrays = draw(seed)
        graph, wrt = floating(graph)
        if not wrt or not graph.outputs or any(v.op is while_ for v in graph.values):
            continue
        reverse, forward = vjp(graph, wrt), linearize(graph, wrt)
        verify(reverse)
        verify(forward)
        rng = np.random.default_rng(seed)
        cotangents, tangents = directions(rng, graph.outputs), directions(rng, [graph.inputs[i] for i in wrt])
        back = interpret(reverse, *arrays, *cotangents)
        ahead = interpret(forward, *arrays, *tangents)[len(graph.outputs) :]
        (a, size_a), (b, size_b) = inner(cotangents, ahead), inner(back, tangents)
        if np.isfinite(a + b):
            compared += 1
            coarsest = max(epsilon(t.dtype) for v in graph.values for t in v.types if t.dtype.is_floating_point)
            assert abs(a - b) <= 1000 * coarsest * (1 + size_a + size_b), f"seed {seed}: {a} and {b}"
            for run in (fold, simplify, decompose, merge_scans, trim_regions):
                for got, want in zip(interpret(run(reverse), *arrays, *cotangents), back, strict=True):
                    size = 1 + float(np.abs(want.astype(np.float64)).max(initial=0))
                    close(got, want, f"seed {seed}, {run.__name__}\n{print_graph(reverse)}", 100 * size)
    assert compared > BLOCK // 2


@BLOCKS
def test_a_batch_is_its_examples(block: int) -> None:
    for seed in seeds(block):
        graph, (first, second) = draw_examples(seed, examples=2)
        mapped = batch(graph, 2, [True] * len(graph.inputs))
        verify(mapped)
        got = interpret(mapped, *(np.stack(pair) for pair in zip(first, second, strict=True)))
        for x, *want in zip(got, interpret(graph, *first), interpret(graph, *second), strict=True):
            close(x, np.stack(want), f"seed {seed}\n{print_graph(graph)}")
        # Some inputs the same for all examples.
        shared = [bool(i % 2) for i in range(len(graph.inputs))]
        mixed = [np.stack([x, x]) if many else x for x, many in zip(first, shared, strict=True)]
        got = interpret(batch(graph, 2, shared), *mixed)
        for x, want_one in zip(got, interpret(graph, *first), strict=True):
            close(x, np.stack([want_one, want_one]), f"seed {seed}\n{print_graph(graph)}")


def test_every_row_is_drawn() -> None:
    drawn = Counter(v.op.name for seed in range(1000) for v in draw(seed)[0].values)
    assert set(DRAWS) <= set(drawn)


def test_a_seed_is_a_graph() -> None:
    (a, xs), (b, ys) = draw(7), draw(7)
    assert a == b
    assert all(np.array_equal(x, y) for x, y in zip(xs, ys, strict=True))
