"""`ingot.aot.build`: Python functions become C functions that give Python's answers."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aot import toolchain
from safetensors.numpy import load_file

import ingot
from ingot import nn, optim
from ingot.runtime.errors import BuildError, SpecError, UnknownNameError

Array = np.ndarray[Any, Any]


class Loaded:
    """A shared library; arrays are passed as pointers, ints as int64_t, None as NULL."""

    def __init__(self, folder: Path, name: str) -> None:
        self.library = ctypes.CDLL(str(folder / f"lib{name}.so"))
        self.manifest = json.loads((folder / f"{name}.json").read_text())

    def size(self, name: str, *sizes: int) -> int:
        function = self.library[name]
        function.restype = ctypes.c_size_t
        return int(function(*map(ctypes.c_int64, sizes)))

    def __call__(self, name: str, *arguments: Array | int | None) -> int:
        return int(self.library[name](*(as_c(argument) for argument in arguments)))


def as_c(argument: Array | int | None) -> Any:
    if isinstance(argument, int):
        return ctypes.c_int64(argument)
    return ctypes.c_void_p(None if argument is None else argument.ctypes.data)


def aligned(size: int) -> Array | None:
    """Zeroed memory as workspaces and states want it; None for none."""
    if size == 0:
        return None
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def build(folder: Path, *functions: Any, **options: Any) -> Loaded:
    toolchain.c_compiler(ingot.aot.baseline())
    ingot.aot.build(functions, folder, name="made", emit=("shared", "header"), target="host", **options)
    return Loaded(folder, "made")


def test_weights_inside(tmp_path: Path) -> None:
    weight = ingot.from_numpy(np.random.default_rng(0).standard_normal((3, 4), np.float32))

    @ingot.jit(specs=["f32[b,3]"])
    def predict(x: Any) -> Any:
        return (x @ weight).exp()

    made = build(tmp_path, predict)
    for rows in (1, 2, 33):
        x, out = np.random.default_rng(rows).standard_normal((rows, 3), np.float32), np.empty((rows, 4), np.float32)
        assert made("made_predict", rows, x, out, aligned(made.size("made_predict_workspace_size", rows)), None) == 0
        np.testing.assert_allclose(out, predict(ingot.from_numpy(x)).numpy(), rtol=1e-5)


def test_state_is_shared_and_belongs_to_the_caller(tmp_path: Path) -> None:
    total = ingot.zeros(())

    @ingot.jit(specs=["f32[4]"])
    def add(x: Any) -> Any:
        total.add_(x.sum())

    @ingot.jit(specs=["f32[4]"])
    def scaled(x: Any) -> Any:
        return x * total

    made = build(tmp_path, add, scaled)
    x, out = np.arange(4, dtype=np.float32), np.empty(4, np.float32)
    states = [aligned(made.size("made_state_size")) for _ in range(2)]
    for state in states:
        assert made("made_state_init", state) == 0
    assert made("made_add", x, states[0], aligned(1024), None) == 0
    assert made("made_add", x, states[0], aligned(1024), None) == 0
    assert made("made_add", x, states[1], aligned(1024), None) == 0
    for state, factor in zip(states, (12, 6), strict=True):
        assert made("made_scaled", x, out, state, aligned(1024), None) == 0
        np.testing.assert_array_equal(out, x * factor)
    assert total.item() == 0, "building a library runs nothing"


def test_an_argument_changed_in_place(tmp_path: Path) -> None:
    @ingot.jit(specs=["f32[3]", "f32[3]"])
    def update(x: Any, y: Any) -> Any:
        x.mul_(2)
        return x, x + y

    made = build(tmp_path, update)
    x, y, out = np.ones(3, np.float32), np.full(3, 5, np.float32), np.empty(3, np.float32)
    assert made("made_update", x, y, out, aligned(1024), None) == 0
    assert x.tolist() == [2, 2, 2] and y.tolist() == [5, 5, 5] and out.tolist() == [7, 7, 7]
    header = (tmp_path / "made.h").read_text()
    assert "    float *x, " in header and "    const float *y, " in header and "    float *out1, " in header


def test_functions_whose_names_are_no_c_identifiers(tmp_path: Path) -> None:
    twice = ingot.jit(specs=["f32[3]"])(lambda x: x * 2)

    @ingot.jit(specs=["f32[3]"])
    def größer(x: Any) -> Any:
        return x + 1

    made = build(tmp_path, twice, größer)
    x, out = np.arange(3, dtype=np.float32), np.empty(3, np.float32)
    for name, wanted in {"made_lambda": x * 2, "made_gr_er": x + 1}.items():
        assert made(name, x, out, aligned(1024), None) == 0
        np.testing.assert_array_equal(out, wanted)


def test_a_lambda_alone_names_no_library(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match='name="lambda"'):
        ingot.aot.build(lambda x: x * 2, tmp_path, specs=["f32[3]"])
    assert not list(tmp_path.iterdir())


def test_names_of_results_and_tensors(tmp_path: Path) -> None:
    weights: dict[str, Any] = {"first": ingot.ones(3), "second": [ingot.ones(3)]}

    @ingot.jit(specs=["f32[3]"])
    def several(x: Any) -> Any:
        made = x * weights["first"] + weights["second"][0]
        return {"sum": made.sum(), "int": made > 0}, (made,), None, 3

    made = build(tmp_path, several, weights="beside")
    (function,) = made.manifest["functions"]
    assert [p["name"] for p in function["parameters"]] == ["x", "out0_sum", "out0_int", "out1_out0"]
    assert sorted(load_file(tmp_path / "made.safetensors")) == ["weights.first", "weights.second.0"]


def test_training_in_c_goes_as_in_python(tmp_path: Path) -> None:
    ingot.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    optimiser = optim.Adam(model.parameters(), lr=0.05)

    @ingot.jit(specs=["f32[16,4]", "i64[16]"])
    def train(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    @ingot.jit(specs=["f32[b,4]"])
    def predict(x: Any) -> Any:
        return model(x)

    made = build(tmp_path, train, predict)
    names = {t["name"]: t["mutated"] for t in made.manifest["weights"]["tensors"]}
    assert {"model.0.weight", "model.2.bias", "optimiser.0.exp_avg", "optimiser.3.exp_avg_sq"} <= set(names)
    assert names["model.0.weight"] and not names["optimiser.0.lr"]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 4), np.float32), rng.integers(0, 3, 16)
    state, workspace = aligned(made.size("made_state_size")), aligned(made.size("made_train_workspace_size"))
    assert made("made_state_init", state) == 0
    loss, losses = np.empty((), np.float32), []
    for _ in range(50):
        assert made("made_train", x, y, loss, state, workspace, None) == 0
        losses.append(float(loss))
    expected = [train(ingot.from_numpy(x), ingot.from_numpy(y)).item() for _ in range(50)]
    np.testing.assert_allclose(losses, expected, rtol=1e-3, atol=1e-5)
    assert losses[-1] < losses[0] / 2
    out = np.empty((16, 3), np.float32)
    assert made("made_predict", 16, x, out, state, aligned(made.size("made_predict_workspace_size", 16)), None) == 0
    np.testing.assert_allclose(out, predict(ingot.from_numpy(x)).detach().numpy(), rtol=1e-3, atol=1e-4)


def test_one_tensor_is_stored_once(tmp_path: Path) -> None:
    weight = ingot.ones(1000)

    @ingot.jit(specs=["f32[1000]"])
    def first(x: Any) -> Any:
        return x * weight

    @ingot.jit(specs=["f32[1000]"])
    def second(x: Any) -> Any:
        return x + weight

    made = build(tmp_path, first, second)
    assert len(made.manifest["weights"]["tensors"]) == 1


def test_a_result_that_is_memory_from_outside(tmp_path: Path) -> None:
    weight = ingot.ones(3)

    @ingot.jit(specs=["f32[3]"])
    def itself(x: Any) -> Any:
        return x

    @ingot.jit(specs=["f32[3]"])
    def captured(x: Any) -> Any:
        return x * 2, weight

    for function, label in ((itself, "out"), (captured, "out1")):
        with pytest.raises(BuildError) as caught:
            ingot.aot.build(function, tmp_path / "out")
        assert str(caught.value) == (
            f"[IG710] {function.__name__} returns ({label}) memory that belongs to an argument or to a tensor from "
            "outside\n  write instead: return a copy, x.clone()"
        )
    assert not (tmp_path / "out").exists()


def test_a_function_that_sets_an_attribute(tmp_path: Path) -> None:
    class Remembers(nn.Module):
        def forward(self, x: Any) -> Any:
            self.doubled = x * 2
            return x + 1

    layer = Remembers()

    @ingot.jit(specs=["f32[3]"])
    def call(x: Any) -> Any:
        return layer(x)

    with pytest.raises(BuildError, match=r"IG189.*call sets Remembers.doubled: a library has no Python objects"):
        ingot.aot.build(call, tmp_path / "out")


def test_options_that_do_not_exist(tmp_path: Path) -> None:
    @ingot.jit(specs=["f32[3]"])
    def doubled(x: Any) -> Any:
        return x * 2

    with pytest.raises(UnknownNameError, match="IG704"):
        ingot.aot.build(doubled, tmp_path, emit=["wasm"])
    with pytest.raises(UnknownNameError, match="IG401"):
        ingot.aot.build(doubled, tmp_path, target="z80")
    with pytest.raises(SpecError, match="IG708"):
        ingot.aot.build([doubled, doubled], tmp_path, specs=["f32[3]"])
    with pytest.raises(SpecError, match="IG732"):
        ingot.aot.build(lambda x: x * 2, tmp_path)
    assert list(tmp_path.iterdir()) == []
