"""Checkpoints go to PyTorch and back."""

from __future__ import annotations

import collections
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.core import new_tensor
from ingot.runtime import dtypes
from ingot.runtime.layout import Layout
from ingot.serialization import CheckpointError, UnsafeGlobalError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def same(left: Any, right: Any) -> None:
    """Equal trees, whichever side their tensors are of."""
    if hasattr(left, "detach") and hasattr(right, "detach"):
        assert str(left.dtype).split(".")[1] == str(right.dtype).split(".")[1]
        assert tuple(left.shape) == tuple(right.shape) and tuple(left.stride()) == tuple(right.stride())
        assert left.requires_grad == right.requires_grad and type(left).__name__ == type(right).__name__
        left, right = (t.detach() for t in (left, right))
        if str(left.dtype).endswith("bfloat16"):
            left, right = left.float(), right.float()
        assert np.array_equal(left.numpy(), right.numpy())
    elif isinstance(left, dict):
        assert isinstance(right, dict) and list(left) == list(right)
        for key in left:
            same(left[key], right[key])
    elif isinstance(left, (list, tuple)):
        assert type(left).__name__ == type(right).__name__ and len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            same(a, b)
    elif str(left).startswith(("torch.", "ingot.")):
        assert str(left).split(".")[1] == str(right).split(".")[1]
    else:
        assert left == right and type(left).__name__ == type(right).__name__


def tree(T: Any) -> dict[str, Any]:
    base = T.arange(12.0).view(3, 4)
    return {
        "base": base,
        "views": [base.t(), base[1:, ::2], base[2], T.arange(3.0).expand(2, 3)],
        "parameter": T.nn.Parameter(base.clone()),
        "frozen": T.nn.Parameter(T.ones(2), requires_grad=False),
        "leaf": T.zeros(2, requires_grad=True),
        "empty": T.zeros(0, 3),
        "scalar": T.tensor(2.5),
        "size": base.shape,
        "dtypes": [T.float32, T.bfloat16, T.bool],
        "device": str(T.device("cpu")),
        "ordered": collections.OrderedDict(b=1, a=(1, 2)),
        "plain": [None, True, -3, 1 << 70, 2.5, "text", "ü", {1, 2}, b"x\x00", 1 + 2j, bytearray(b"z")],
        "counts": collections.Counter("aab"),
        "keys": {7: "integer key", (1, "a"): 2},
    }


@pytest.mark.parametrize("mmap", [False, True])
def test_trees_both_ways(tmp_path: Path, mmap: bool) -> None:
    torch.save(tree(torch), tmp_path / "theirs.pt")
    ingot.save(tree(ingot), tmp_path / "ours.pt")
    ours = torch.load(tmp_path / "ours.pt", weights_only=True, mmap=mmap)
    theirs = ingot.load(tmp_path / "theirs.pt", mmap=mmap)
    same(ours, tree(torch))
    same(theirs, tree(ingot))
    same(ours, theirs)
    assert ours["base"].untyped_storage().data_ptr() == ours["views"][0].untyped_storage().data_ptr()
    assert theirs["base"]._storage is theirs["views"][0]._storage
    same(torch.load(tmp_path / "ours.pt", weights_only=False), theirs)


@pytest.mark.parametrize("name", [dtype.name for dtype in dtypes.ALL])
def test_every_dtype(tmp_path: Path, name: str) -> None:
    numbers = [0, 1, 1, 0, 1]
    for T, other, file in ((torch, ingot, "a"), (ingot, torch, "b")):
        tensor = T.tensor(numbers).to(getattr(T, name))
        T.save({"x": tensor, "part": tensor[1:], "dtype": getattr(T, name)}, tmp_path / file)
        again = other.load(tmp_path / file)
        same(again["x"], tensor)
        same(again["part"], tensor[1:])
        assert again["dtype"] is getattr(other, name)


def test_memory_of_two_dtypes(tmp_path: Path) -> None:
    base = ingot.tensor([1.0, 2.0])
    bits = new_tensor(Layout.of(dtypes.int32, (2,)), base._storage)
    ingot.save([base, bits], tmp_path / "x")
    floats, integers = torch.load(tmp_path / "x", weights_only=True)
    assert floats.tolist() == [1.0, 2.0] and integers.tolist() == [0x3F800000, 0x40000000]
    assert floats.untyped_storage().data_ptr() == integers.untyped_storage().data_ptr()


def test_models_and_optimisers(tmp_path: Path) -> None:
    def built(T: Any) -> tuple[Any, Any]:
        model = T.nn.Sequential(T.nn.Linear(3, 4), T.nn.ReLU(), T.nn.LayerNorm(4), T.nn.Embedding(5, 4))
        return model, T.optim.Adam(list(model.parameters())[:4], lr=0.1)

    states = {}
    for T in (torch, ingot):
        model, optimiser = built(T)
        model[2](model[0](T.ones(2, 3))).square().sum().backward()
        optimiser.step()
        T.save({"model": model.state_dict(), "optimiser": optimiser.state_dict()}, tmp_path / T.__name__)
        states[T] = model.state_dict(), optimiser.state_dict()
    for T, other in ((torch, ingot), (ingot, torch)):
        loaded = other.load(tmp_path / T.__name__)
        same(loaded["model"], states[T][0])
        model, optimiser = built(other)
        assert model.load_state_dict(loaded["model"]).missing_keys == []
        if T is ingot:
            continue
        optimiser.load_state_dict(loaded["optimiser"])


def test_old_files() -> None:
    file = io.BytesIO()
    theirs = tree(torch)
    torch.save(theirs, file, _use_new_zipfile_serialization=False)
    torch.save([torch.ones(2)], file, _use_new_zipfile_serialization=False)
    file.seek(0)
    same(ingot.load(file), theirs)
    same(ingot.load(file), [torch.ones(2)])
    data = file.getvalue()
    for length in range(0, len(data) - 200, 97):
        with pytest.raises((CheckpointError, UnsafeGlobalError)):
            ingot.load(io.BytesIO(data[: length if length > 0 else 1]))
            ingot.load(io.BytesIO(data[length:]))


def test_a_whole_module_of_theirs(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3), tmp_path / "x.pt")
    with pytest.raises(UnsafeGlobalError, match=r"torch\.nn\.modules\.linear\.Linear"):
        ingot.load(tmp_path / "x.pt")
    assert ingot.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "x.pt") == (
        torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "x.pt")
    )


def test_what_ingot_does_not_have(tmp_path: Path) -> None:
    torch.save(torch.zeros(2, dtype=torch.float8_e4m3fn), tmp_path / "x.pt")
    with pytest.raises(TypeError, match="float8_e4m3fn"):
        ingot.load(tmp_path / "x.pt")
    torch.save(torch.eye(2).to_sparse(), tmp_path / "x.pt")
    with pytest.raises(UnsafeGlobalError, match="sparse"):
        ingot.load(tmp_path / "x.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="TorchScript"):
        ingot.load(tmp_path / "x.pt")


def test_errors_are_of_their_classes(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save({"x": torch.ones(4)}, file)
    cut = file.getvalue()[:-100]
    cases: tuple[Callable[[Any], Any], ...] = (
        lambda T: T.load(tmp_path / "none"),
        lambda T: T.load(io.BytesIO(cut)),
        lambda T: T.load(io.BytesIO(file.getvalue()), mmap=True),
    )
    for case in cases:
        with pytest.raises(Exception) as theirs:
            case(torch)
        with pytest.raises(theirs.type):
            case(ingot)
