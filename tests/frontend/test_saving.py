"""Tensors on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import ingot
from ingot import nn, optim
from ingot.runtime import dtypes
from ingot.runtime.errors import OutputError, SpecError


def test_a_state_dict_is_plain_safetensors(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    ingot.save(model.state_dict(), tmp_path / "model.safetensors")
    assert sorted(load_file(tmp_path / "model.safetensors")) == ["bias", "weight"]
    other = nn.Linear(3, 2)
    other.load_state_dict(ingot.load(tmp_path / "model.safetensors"))
    assert np.array_equal(other.weight.detach().numpy(), model.weight.detach().numpy())
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_file_from_elsewhere(tmp_path: Path) -> None:
    save_file({"a": np.arange(3)}, tmp_path / "a.safetensors")
    assert ingot.load(tmp_path / "a.safetensors")["a"].tolist() == [0, 1, 2]


def test_an_optimiser_keeps_its_structure(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimiser = optim.Adam(model.parameters(), lr=0.25)
    model(ingot.ones(1, 3)).sum().backward()
    optimiser.step()
    state = optimiser.state_dict()
    ingot.save(state, tmp_path / "optimiser.safetensors")
    again = ingot.load(tmp_path / "optimiser.safetensors")
    assert again["param_groups"] == state["param_groups"]
    for number, tensors in state["state"].items():
        for name, tensor in tensors.items():
            assert np.array_equal(again["state"][number][name].numpy(), tensor.numpy())


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d.kind != "u" or d.bits == 8], ids=str)
def test_every_dtype(tmp_path: Path, dtype: Any) -> None:
    tensor = ingot.from_numpy(np.array([[1, 0, 1]]).astype(dtype.numpy))
    ingot.save({"x": tensor.t()}, tmp_path / "x")
    again = ingot.load(tmp_path / "x")["x"]
    assert again.dtype is dtype and again.shape == (3, 1) and np.array_equal(again.numpy(), tensor.t().numpy())


def test_what_cannot_be_stored(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"\[IG605\] a set at a.1 cannot be stored"):
        ingot.save({"a": [1, {2}]}, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\[IG602\] cannot write .*: No such file"):
        ingot.save({}, tmp_path / "none" / "x")
    with pytest.raises(OutputError, match=r"\[IG606\] cannot read .*: No such file"):
        ingot.load(tmp_path / "none")
    (tmp_path / "text").write_text("not tensors")
    with pytest.raises(OutputError, match=r"\[IG606\] .* is no safetensors file"):
        ingot.load(tmp_path / "text")
