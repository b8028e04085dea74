"""Compiled functions do what the Python function does, at every call: arguments, state, guards, results, counts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import ingot
from ingot import nn, optim
from ingot.runtime import dispatch, flags, pool
from ingot.runtime.errors import GradError, SpecError

BACKENDS = ["native", "interpret"]


def training(seed: int = 0) -> tuple[Any, Any, Callable[..., Any], Any, Any]:
    ingot.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.25), nn.Linear(16, 4))
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    loss_function = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    return model, optimiser, step, ingot.randn(32, 8), ingot.randint(0, 4, (32,))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_step_equals_eager(backend: str) -> None:
    model, optimiser, step, x, y = training()
    losses = []
    for i in range(6):
        optimiser.param_groups[0]["lr"] = 1e-2 / (i + 1)
        losses.append(step(x, y).item())
    compiled_model, compiled_optimiser, plain, x, y = training()
    compiled = ingot.jit(plain, backend=backend)
    for i in range(6):
        compiled_optimiser.param_groups[0]["lr"] = 1e-2 / (i + 1)
        loss = compiled(x, y)
        np.testing.assert_allclose(loss.item(), losses[i], rtol=1e-5)
    for ours, theirs in zip(compiled_model.parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-3, atol=1e-6)
    assert compiled.stats()["compiles"] == 1
    assert compiled.stats()["calls"] == 6


def test_a_step_is_one_program_call_without_fresh_memory() -> None:
    _, _, plain, x, y = training()
    compiled = ingot.jit(plain)
    for _ in range(5):
        compiled(x, y)
    before, memory = dispatch.counters(), pool.stats()["system_allocations"]
    for _ in range(10):
        compiled(x, y)
    after = dispatch.counters()
    assert after["program_calls"] - before["program_calls"] == 10
    assert after["misses"] == before["misses"]
    assert after["python_callbacks"] == before["python_callbacks"]
    assert pool.stats()["system_allocations"] == memory


def test_graph_is_one_graph_with_state_in_place() -> None:
    model, _, plain, x, y = training()
    compiled = ingot.jit(plain)
    graph = compiled.graph(x, y)
    names = [v.attrs["name"] for v in graph.inputs]
    assert names[:2] == ["x", "y"] and "lr" in names
    # Parameters, two moments each, step counts, the generator's words.
    written = {i for _, i in graph.aliases}
    assert len(written) >= 3 * len(list(model.parameters())) + 2
    assert not compiled.stats()["compiles"]


class Point(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize("backend", BACKENDS)
def test_trees_in_and_out(backend: str) -> None:
    @ingot.jit(backend=backend)
    def f(batch: dict[str, Any], scale: float, *, flip: bool = False) -> Any:
        a, (b, c) = batch["a"], batch["rest"]
        result = {"sum": a + b * scale, "point": Point(c, None), "list": [a, 3, "text"]}
        return result if not flip else (result["sum"],)

    a, b, c = ingot.ones(2), ingot.full((2,), 2.0), ingot.zeros(3)
    found = f({"a": a, "rest": [b, c]}, 10.0)
    assert found["sum"].tolist() == [21, 21]
    assert found["point"] == Point(c, None) and found["point"].x is c
    assert found["list"][0] is a and found["list"][1:] == [3, "text"]
    assert f({"a": a, "rest": [b, c]}, 10.0, flip=True)[0].tolist() == [21, 21]
    assert f({"a": a, "rest": [b, c]}, scale=1.0)["sum"].tolist() == [3, 3]


def test_python_values_are_guards() -> None:
    @ingot.jit
    def f(x: Any, n: Any) -> Any:
        return x * n if n else x

    x = ingot.ones(2)
    for value, expected in [(2, 2), (3, 3), (2, 2), (0, 1), (2.5, 2.5), (True, 1), (None, 1)]:
        assert f(x, value).tolist() == [expected] * 2
    assert f.stats()["compiles"] == 6
    assert f(ingot.ones(3), 2).shape == (3,) and f(x.double(), 2).dtype is ingot.float64
    assert f(ingot.ones(2, 2).T, 2).shape == (2, 2)


SCALE = 2.0


class Settings:
    def __init__(self) -> None:
        self.factor = 1.0


def test_names_from_outside_are_guards() -> None:
    settings = Settings()
    local = 1.0
    f = ingot.jit(lambda x: x * SCALE * settings.factor + local)
    x = ingot.ones(1)
    try:
        assert f(x).item() == 3
        globals()["SCALE"] = 5.0
        assert f(x).item() == 6
        settings.factor = 10.0
        assert f(x).item() == 51
        local = 0.0
        assert f(x).item() == 50
        globals()["SCALE"] = 2.0
        settings.factor, local = 1.0, 1.0
        assert f(x).item() == 3
        assert f.stats()["compiles"] == 4
    finally:
        globals()["SCALE"] = 2.0


def test_modules_are_guards() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    f = ingot.jit(model)
    x = ingot.ones(64, 3)
    model.eval()
    expected = model[0](x).detach().numpy()
    np.testing.assert_allclose(f(x).detach().numpy(), expected, rtol=1e-5)
    model.train()
    dropped = f(x)
    assert 40 < (dropped == 0).sum().item() < 160
    model.eval()
    np.testing.assert_allclose(f(x).detach().numpy(), expected, rtol=1e-5)
    assert f.stats()["compiles"] == 2
    model[0] = nn.Linear(3, 3, bias=False)
    np.testing.assert_allclose(f(x).detach().numpy(), model(x).detach().numpy(), rtol=1e-5)
    model[0].weight.requires_grad_(False)
    assert not f(x).requires_grad


def test_a_rebound_global_is_noticed() -> None:
    holder = {"w": ingot.ones(2)}
    weight = holder["w"]

    @ingot.jit
    def f(x: Any) -> Any:
        return x * weight

    assert f(ingot.ones(2)).tolist() == [1, 1]
    weight = ingot.full((2,), 7.0)
    assert f(ingot.ones(2)).tolist() == [7, 7]


def test_random_state_is_captured() -> None:
    f = ingot.jit(lambda: (ingot.rand(4), ingot.randn(3), ingot.randint(0, 10, (5,))))
    ingot.manual_seed(3)
    eager = [(ingot.rand(4), ingot.randn(3), ingot.randint(0, 10, (5,))) for _ in range(3)]
    ingot.manual_seed(3)
    for triple in eager:
        for ours, theirs in zip(f(), triple, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)
    assert f.stats()["compiles"] == 1


def test_gradients_through_a_compiled_function() -> None:
    model = nn.Linear(3, 2)
    f = ingot.jit(lambda x: model(x).tanh())
    x = ingot.randn(4, 3, requires_grad=True)
    for _ in range(2):
        x.grad, model.weight.grad = None, None
        f(x).square().sum().backward()
        ours = x.grad.numpy().copy(), model.weight.grad.numpy().copy()
        x.grad, model.weight.grad = None, None
        model(x).tanh().square().sum().backward()
        np.testing.assert_allclose(ours[0], x.grad.numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(ours[1], model.weight.grad.numpy(), rtol=1e-4, atol=1e-6)
    with ingot.no_grad():
        assert not f(x).requires_grad
    assert f(x).requires_grad and not f(x.detach()).sum().isnan()


def test_derivatives_of_any_order_through_a_compiled_function() -> None:
    w = ingot.tensor([1.2, -0.4], dtype=ingot.float64, requires_grad=True)
    x = ingot.tensor([0.3, 0.7], dtype=ingot.float64, requires_grad=True)

    def plain(x: Any) -> Any:
        return (x * w).tanh() * x

    f = ingot.jit(plain)
    found = []
    for call in (f, plain):
        (first,) = ingot.autograd.grad(call(x).sum(), x, create_graph=True)
        (second,) = ingot.autograd.grad(first.sum(), x, create_graph=True)
        third = ingot.autograd.grad((second * first).sum(), (x, w), create_graph=True)
        found.append([t.tolist() for t in (first, second, *third)])
        found[-1] += [t.tolist() for t in ingot.autograd.grad((third[0] * third[1]).sum(), (x, w))]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    assert ingot.autograd.gradgradcheck(f, (x,))
    assert f.stats()["compiles"] == 1


def test_dropout_keeps_its_mask_for_backward() -> None:
    drop = nn.Dropout(0.5)
    f = ingot.jit(lambda x: drop(x))
    x = ingot.ones(200, requires_grad=True)
    y = f(x)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_gradients_accumulate_over_calls() -> None:
    w = ingot.ones(2, requires_grad=True)

    @ingot.jit
    def accumulate(x: Any) -> Any:
        loss = (w * x).sum()
        loss.backward()
        return loss

    for i in range(1, 4):
        accumulate(ingot.ones(2))
        assert w.grad.tolist() == [i, i]
    w.grad = None
    accumulate(ingot.full((2,), 5.0))
    assert w.grad.tolist() == [5, 5]
    x = ingot.ones(2, requires_grad=True)
    accumulate(x)
    assert x.grad.tolist() == [1, 1]


def test_separate_compiled_backward_and_step() -> None:
    w = ingot.ones(2, requires_grad=True)
    optimiser = optim.SGD([w], lr=0.1)
    step, forget = ingot.jit(lambda: optimiser.step()), ingot.jit(lambda: optimiser.zero_grad())
    for i in range(1, 4):
        (w * ingot.tensor([1.0, 2.0])).sum().backward()
        step()
        np.testing.assert_allclose(w.detach().numpy(), [1 - 0.1 * i, 1 - 0.2 * i], rtol=1e-6)
        forget()
        assert w.grad is None


def test_methods_and_nested_compiled_functions() -> None:
    class Model:
        def __init__(self, scale: float) -> None:
            self.w = ingot.full((2,), scale)

        @ingot.jit
        def call(self, x: Any) -> Any:
            return x * self.w

    a, b = Model(2.0), Model(3.0)
    assert [a.call(ingot.ones(2)).tolist(), b.call(ingot.ones(2)).tolist()] == [[2, 2], [3, 3]]
    inner = ingot.jit(lambda x: x + 1)
    outer = ingot.jit(lambda x: inner(x) * 2)
    x = ingot.ones(2)
    assert inner(x).tolist() == [2, 2]
    assert outer(x).tolist() == [4, 4]
    assert outer(x).tolist() == [4, 4] and inner(x).tolist() == [2, 2]


def test_specs_are_checked() -> None:
    f = ingot.jit(lambda x, y: x @ y, specs=["f32[b,3]", "f32[3,b]"])
    assert f(ingot.ones(2, 3), ingot.ones(3, 2)).shape == (2, 2)
    assert f(ingot.ones(4, 3), ingot.ones(3, 4)).shape == (4, 4)
    with pytest.raises(SpecError, match=r"(?s)IG731.*argument 1 is f32\[3,5\], its spec is f32\[3,b\].*b = 2"):
        f(ingot.ones(2, 3), ingot.ones(3, 5))


def test_results_keep_their_identity() -> None:
    state = ingot.ones(2)

    @ingot.jit
    def f(x: Any) -> Any:
        y = x * 2
        return x, state, y, y, y[0], y.view(1, 2)

    x = ingot.ones(2)
    a, b, c, d, e, g = f(x)
    assert a is x and b is state and c is d
    c[0] = 9
    assert e.item() == 9 and g.tolist() == [[9, 2]]


def test_it_says_what_it_is() -> None:
    @ingot.jit
    def documented(x: Any) -> Any:
        """What it does."""
        return x

    assert documented.__name__ == "documented" and documented.__doc__ == "What it does."
    assert documented.__wrapped__(1) == 1


SECOND = """
import sys, ingot
from ingot import nn
ingot.manual_seed(0)
model = nn.Linear(4, 2)
f = ingot.jit(lambda x: model(x).relu())
with ingot.no_grad():
    print(f(ingot.ones(3, 4)).sum().item())
print(f.stats()["cache_hits"], "llvmlite" in sys.modules, "numba" in sys.modules)
"""


def test_a_second_process_finds_the_program_on_disk(tmp_path: Path) -> None:
    environment = {**os.environ, flags.CACHE_DIR.env: str(tmp_path), flags.CACHE.env: "1"}
    runs = [
        subprocess.run([sys.executable, "-c", SECOND], env=environment, capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    outputs = [run.stdout.split("\n") for run in runs]
    assert outputs[0][0] == outputs[1][0] == outputs[2][0]
    assert outputs[0][1] == "0 True False"
    assert outputs[2][1] == "1 False False"


def test_it_says_why_it_is_compiled_again(capsys: pytest.CaptureFixture[str]) -> None:
    global SCALE
    drop = nn.Dropout(0.5)
    f = ingot.jit(lambda x, n: drop(x) * n * SCALE)
    f(ingot.ones(2), 1)
    f(ingot.ones(3), 1)
    assert capsys.readouterr().err == ""
    f(ingot.ones(3), 2)
    drop.eval()
    f(ingot.ones(3), 2)
    try:
        SCALE = 3.0
        f(ingot.ones(3), 2)
    finally:
        SCALE = 2.0
    reasons = f.stats()["recompiles"]
    assert reasons == [
        "x is now f32[3], before f32[2]",
        "n is now 2, before 1",
        "an attribute of a Dropout has changed",
        "SCALE is now 3.0, before 2.0",
    ]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("ingot: <lambda> was compiled again (version 3, ")
    assert lines[0].endswith(" ms): n is now 2, before 1")


def test_writes_of_compiled_code_are_seen_by_the_tape() -> None:
    w = ingot.ones(2, requires_grad=True)

    @ingot.jit
    @ingot.no_grad()
    def shrink() -> None:
        w.mul_(0.5)

    shrink()
    y = (w * w).sum()
    shrink()
    with pytest.raises(GradError, match="IG302"):
        y.backward()


def test_freezing_a_parameter_is_noticed() -> None:
    model = nn.Linear(2, 2)
    optimiser = optim.SGD(model.parameters(), lr=0.1)

    @ingot.jit
    def step(x: Any) -> None:
        optimiser.zero_grad()
        model(x).sum().backward()
        optimiser.step()

    step(ingot.ones(1, 2))
    model.weight.requires_grad_(False)
    before = model.weight.tolist(), model.bias.tolist()  # type: ignore[union-attr]
    step(ingot.ones(1, 2))
    assert model.weight.tolist() == before[0] and model.weight.grad is None
    assert model.bias.tolist() != before[1]  # type: ignore[union-attr]
