"""What a trace records: graphs, locations, module paths, constants, run-time numbers, and nothing left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn, optim
from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Value
from ingot.compiler.verify import verify
from ingot.fingerprint import fingerprint
from ingot.jit import trace_specs
from ingot.modes import modes
from ingot.runtime.errors import SpecError


def place(value: Value) -> Any:
    """The location, which every value of a trace has."""
    return value.location


def ops_of(graph: Graph) -> list[str]:
    return [v.op.name for v in graph.values]


def test_values_carry_lines_and_module_paths() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 1)))

    @ingot.jit
    def f(x: Any) -> Any:
        y = net(x)
        return y.exp()

    graph = f.graph(ingot.ones(4, 2))
    verify(graph)
    places: dict[str, Any] = {v.op.name: v.location for v in graph.values}
    assert places["exp"].file == __file__ and places["exp"].function == "f" and places["exp"].scope == ""
    scopes = [place(v).scope for v in graph.values if v.op.name == "dot_general"]
    assert scopes == ["net[0]", "net[1][1]"]
    lines = {place(v).line for v in graph.values if v.op.name == "dot_general"}
    assert lines == {places["exp"].line - 1}


def test_adjoints_carry_their_forward_values_place() -> None:
    w = ingot.ones(3, requires_grad=True)

    @ingot.jit
    def f(x: Any) -> Any:
        y = (w * x).tanh()
        y.sum().backward()
        return w.grad

    graph = f.graph(ingot.ones(3))
    first = next(place(v).line for v in graph.values if v.op.name == "tanh")
    assert {place(v).line for v in graph.values if v.op.name == "mul"} == {first}


def test_equal_expressions_are_one_value() -> None:
    graph = ingot.jit(lambda x: (x + 1).exp() * (x + 1).exp()).graph(ingot.ones(2))
    assert ops_of(graph).count("exp") == 1


def test_only_what_is_used_becomes_an_input() -> None:
    a, b = ingot.ones(2), ingot.ones(3)
    graph = ingot.jit(lambda x: x + a if b is not None else x).graph(ingot.ones(2))
    assert len(graph.inputs) == 2


def test_specs_with_named_sizes() -> None:
    model = nn.Linear(4, 2)
    graph = trace_specs(lambda x: model(x.view(-1, 4)).softmax(1).sum(0), ["f32[b,4]"]).graph
    verify(graph)
    (size,) = [n for v in graph.inputs for n in v.shape if isinstance(n, Dim)]
    assert str(size) == "b" and graph.outputs[0].shape == (2,)
    assert trace_specs(ingot.jit(lambda x: x * 2, specs=["f32[3]"])).graph.outputs[0].shape == (3,)
    with pytest.raises(SpecError, match="IG732"):
        trace_specs(lambda x: x)


def test_named_sizes_in_shapes() -> None:
    def f(x: Any, y: Any) -> Any:
        made = (x.reshape(x.shape[0] * 2, -1), x.mean(0), x[1:], ingot.cat([x, y]), x.t() @ x, x.unsqueeze(1))
        return [part * 2 for part in made]

    graph = trace_specs(f, ["f32[b,6]", "f32[c,6]"]).graph
    verify(graph)
    b, c = Dim("b", 1), Dim("c", 1)
    assert [v.shape for v in graph.outputs] == [(2 * b, 3), (6,), (b - 1, 6), (b + c, 6), (6, 6), (b, 1, 6)]
    x, y = np.arange(18, dtype=np.float32).reshape(3, 6), np.ones((2, 6), np.float32)
    for found, expected in zip(interpret(graph, x, y), f(ingot.tensor(x), ingot.tensor(y)), strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)


def test_learning_rates_are_inputs() -> None:
    w = ingot.ones(2, requires_grad=True)
    optimiser = optim.SGD([w], lr=0.5)

    @ingot.jit
    def step() -> None:
        optimiser.zero_grad()
        (w * w).sum().backward()
        optimiser.step()

    graph = step.graph()
    assert "lr" in [v.attrs["name"] for v in graph.inputs if v.shape == ()]
    step()
    assert w.tolist() == [0, 0]
    w.data.fill_(1.0)
    optimiser.param_groups[0]["lr"] = 0.25
    step()
    assert w.tolist() == [0.5, 0.5]
    assert step.stats()["compiles"] == 1


def test_a_trace_leaves_nothing_behind() -> None:
    w = ingot.ones(2, requires_grad=True)
    state = ingot.zeros(2)

    @ingot.jit
    def f(x: Any) -> Any:
        state.add_((w * x).detach())
        (w * x).sum().backward()
        return state * 1

    f.graph(ingot.ones(2))
    assert w.grad is None and w._node is None and state.tolist() == [0, 0] and state._version == 0
    assert modes.trace is None
    with pytest.raises(ZeroDivisionError):
        ingot.jit(lambda x: 1 // 0)(ingot.ones(1))
    assert modes.trace is None and modes.grad


def test_fingerprints_tell_graphs_apart() -> None:
    def graph(f: Any, *args: Any) -> bytes:
        return fingerprint(ingot.jit(f).graph(*args))

    x = ingot.ones(2)
    assert graph(lambda x: x + 1.0, x) == graph(lambda y: y + 1.0, ingot.zeros(2))
    different = [
        graph(lambda x: x + 1.0, x),
        graph(lambda x: x + 2.0, x),
        graph(lambda x: x - 1.0, x),
        graph(lambda x: x + 1.0, ingot.ones(3)),
        graph(lambda x: x + 1.0, x.double()),
        graph(lambda x: x * 0.0, x),
        graph(lambda x: x * -0.0, x),
        graph(lambda x: x.add_(1.0), x),
    ]
    assert len(set(different)) == len(different)
