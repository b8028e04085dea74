"""The compiler as a whole: passes keep the meaning, threads do not change results, compiling is repeatable."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import apply, layer_norm, linear, sgd_step, softmax, static, tensor
from random_graphs import assert_close, draw
from running import run_program

from ingot.compiler import pipeline
from ingot.compiler.codegen import entry
from ingot.compiler.codegen.joined import joined
from ingot.compiler.codegen.target import host, named
from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.compiler.ops.source import scalar_like
from ingot.runtime import flags, native, objects, threads
from ingot.runtime.dtypes import DType, bfloat16, float16, float32
from ingot.runtime.errors import BuildError, UnknownNameError


@pytest.mark.parametrize("block", range(20))
def test_every_pass_keeps_the_meaning(block: int) -> None:
    """Fusion included: the graph of kernels is a graph like any other."""
    for seed in range(block * 50, block * 50 + 50):
        graph, arrays = draw(seed)
        want = interpret(graph, *arrays)
        for name, result, _ in pipeline.run_passes(graph):
            for got, expected in zip(interpret(result, *arrays), want, strict=True):
                try:
                    assert_close(np.asarray(got), np.asarray(expected))
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, after {name}: {error}") from None


def large_graphs() -> dict[str, Graph]:
    """Graphs with enough work that their kernels are shared between threads."""
    x, w, b = tensor("x", 512, 768), tensor("w", 300, 768), tensor("b", 300)
    scale, shift = tensor("scale", 768), tensor("shift", 768)
    return {
        "softmax": Graph((x,), (softmax(x),)),
        "layer_norm": Graph((x, scale, shift), (layer_norm(x, scale, shift),)),
        "linear": Graph((x, w, b), (linear(x, w, b),)),
        "sums": Graph((x,), tuple(apply("sum", x, axes=axes) for axes in ((0,), (1,), (0, 1)))),
        "elementwise": Graph((x,), (apply("tanh", apply("exp", x)),)),
        "transpose": Graph((x,), (apply("permute", x, axes=(1, 0)),)),
    }


@pytest.mark.parametrize("name", list(large_graphs()))
def test_results_do_not_depend_on_the_number_of_threads(name: str) -> None:
    graph = large_graphs()[name]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(static(v.shape)).astype(np.float32) for v in graph.inputs]
    program = pipeline.compile(graph, name="test")
    before = threads.get_num_threads()
    try:
        results = []
        for count in (1, 2, host().cores + 1):
            threads.set_num_threads(count)
            results.append(run_program(program, arrays))
    finally:
        threads.set_num_threads(before)
    for one, *others in zip(*results, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_more_threads_than_processors_share_kernels_without_scratch() -> None:
    graph = large_graphs()["elementwise"]
    program = pipeline.compile(graph, name="test")
    runtime, before = native.load(), threads.get_num_threads()
    assert runtime is not None
    try:
        threads.set_num_threads(host().cores + 1)
        jobs = runtime.word("job_number")
        run_program(program, [np.ones((512, 768), np.float32)])
        assert runtime.word("job_number") != jobs
    finally:
        threads.set_num_threads(before)


def test_compiling_twice_gives_the_same_bytes() -> None:
    """The key of the disk cache is the graph: what it names must not depend on the process or the order of dicts."""
    first, second = (pipeline.compile(sgd_step(4, (6, 5, 3)), name="test").to_bytes() for _ in range(2))
    assert first == second


def several_kernels() -> Graph:
    """Kernels of every kind of emitter, constants in two of them, and a function that two share."""
    x, w, b = tensor("x", 40, 64), tensor("w", 64, 64), tensor("b", 64)
    turned = apply("sin", apply("cumsum", x, axis=1))
    product = linear(apply("cos", softmax(turned)), w, b)
    ordered = apply("get", apply("sort", product, axis=1, descending=False), index=0)
    return Graph((x, w, b), (apply("sum", apply("sin", ordered), axes=(0,)), turned))


@pytest.mark.skipif(host().cores == 1, reason="one processor compiles a program at once")
@pytest.mark.parametrize("characters", [1, 20_000])
def test_parts_of_a_program_become_one_object(characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a program is compiled at once or in parts cannot be seen: same bits, and no symbol but its entry."""
    graph, rng = several_kernels(), np.random.default_rng(0)
    arrays = [rng.standard_normal(static(v.shape)).astype(np.float32) for v in graph.inputs]
    whole = pipeline.compile(graph, name="test")
    monkeypatch.setattr(pipeline, "PART", characters)
    parts = pipeline.compile(graph, name="test")
    assert pipeline.compile(graph, name="test") == parts
    assert parts.object_code != whole.object_code
    exported = [s.name for s in objects.Plan(parts.object_code).symbols if s.binding and s.section]
    assert exported == ["test"]
    for got, want in zip(run_program(parts, arrays), run_program(whole, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_in_parts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, arrays = draw(seed)
    want = run_program(pipeline.compile(graph, name="test"), arrays)
    monkeypatch.setattr(pipeline, "PART", 1)
    for got, expected in zip(run_program(pipeline.compile(graph, name="test"), arrays), want, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("seed", range(40))
def test_places_as_tables(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of many kernels find the addresses of buffers in tables."""
    graph, arrays = draw(seed)
    want = run_program(pipeline.compile(graph, name="test"), arrays)
    monkeypatch.setattr(entry, "MANY", 1)
    for got, expected in zip(run_program(pipeline.compile(graph, name="test"), arrays), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_name_that_two_parts_define_is_refused() -> None:
    code = pipeline.compile(several_kernels(), name="test").object_code
    with pytest.raises(BuildError, match="defines test twice"):
        joined([code, code])


def test_stages_are_named_in_order() -> None:
    graph = sgd_step(4, (6, 5, 3))
    made = list(pipeline.stages(graph, target=named("x86-64-v3")))
    assert [s.name for s in made] == list(pipeline.stage_names())
    assert all(s.text.strip() for s in made)


def test_equal_kernels_share_their_code() -> None:
    """Four layers of one shape: one contraction with its epilogue, emitted once."""
    x = tensor("x", 16, 16)
    weights = [tensor(f"w{i}", 16, 16) for i in range(4)]
    value = x
    for w in weights:
        value = apply("tanh", apply("dot_general", value, w, contract=((1,), (0,)), batch=((), ())))
    *_, (_, fused, _) = pipeline.run_passes(Graph((x, *weights), (value,)))
    state, plan, _ = pipeline.build(Graph((x, *weights), (value,)), fused, host(), "test")
    assert (len(plan.steps), len(state.emitted)) == (4, 1)


def test_passes_can_be_verified() -> None:
    with flags.VERIFY.override(True):
        pipeline.compile(sgd_step(4, (6, 5, 3)), name="test")


def test_named_sizes_are_arguments() -> None:
    """One program for every size; 0 and 1 are sizes like any other."""
    b = Dim("b", 0, 4096)
    x, w, bias = tensor("x", b, 24), tensor("w", 10, 24), tensor("bias", 10)
    graph = Graph((x, w, bias), (softmax(linear(x, w, bias)),))
    made = pipeline.translate(graph, target=host(), name="test")
    assert made.program.dims == ("b",)


def test_unknown_target() -> None:
    with pytest.raises(UnknownNameError, match=r"\[IG401\] unknown target 'z80'"):
        named("z80")


@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=lambda d: d.short)
def test_half_types_are_rounded_after_every_operation(dtype: DType) -> None:
    """Overflow and lost digits are those of eager code, though a kernel computes in float32."""
    x = tensor("x", 40, dtype=dtype)
    large = apply("mul", x, scalar_like(x, 1e4))
    small = apply("sub", apply("add", x, scalar_like(x, 1e-4)), x)
    total = apply("sum", apply("mul", x, x), axes=(0,))
    outputs = [apply("cast", v, dtype=float32) for v in (large, small, apply("sub", total, scalar_like(total, 1.0)))]
    graph = Graph((x,), (*outputs, apply("gt", large, scalar_like(x, 6e4))))
    data = np.linspace(0.5, 12, 40).astype(dtype.numpy)
    for got, want in zip(run_program(pipeline.compile(graph), [data]), interpret(graph, data), strict=True):
        np.testing.assert_array_equal(got, want)
