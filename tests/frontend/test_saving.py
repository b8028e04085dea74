"""Tensors on disk."""

from __future__ import annotations

import collections
import copy
import io
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import ingot
from ingot import nn, optim, serialization
from ingot.runtime import dtypes
from ingot.runtime.errors import IngotError, OutputError, SpecError, TraceError
from ingot.serialization import CheckpointError, UnpicklableError, UnsafeGlobalError


def there_and_back(obj: Any, **options: Any) -> Any:
    file = io.BytesIO()
    ingot.save(obj, file, **options)
    file.seek(0)
    return ingot.load(file)


# ---- what is kept


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_every_dtype(tmp_path: Path, dtype: Any) -> None:
    tensor = ingot.from_numpy(np.array([[1, 0, 1]]).astype(dtype.numpy))
    ingot.save({"x": tensor.t(), "dtype": dtype}, tmp_path / "x")
    for mmap in (False, True):
        again = ingot.load(tmp_path / "x", mmap=mmap)
        assert again["dtype"] is dtype and again["x"].dtype is dtype and again["x"].shape == (3, 1)
        assert np.array_equal(again["x"].numpy(), tensor.t().numpy())


def test_views_share_memory_and_keep_their_strides() -> None:
    base = ingot.arange(12.0).view(3, 4)
    views = [base, base.t(), base[1:, ::2], base.select(0, 2), ingot.arange(3.0).expand(2, 3)]
    again = there_and_back(views)
    for old, new in zip(views, again, strict=True):
        assert new.stride() == old.stride() and new.storage_offset() == old.storage_offset()
        assert np.array_equal(new.numpy(), old.numpy())
    assert len({id(tensor._storage) for tensor in again[:4]}) == 1
    again[0].zero_()
    assert again[1].sum().item() == 0


def test_parameters_and_leaves() -> None:
    weight = nn.Parameter(ingot.ones(2))
    frozen = nn.Parameter(ingot.ones(2), requires_grad=False)
    again = there_and_back([weight, frozen, ingot.zeros(1, requires_grad=True), ingot.zeros(1), (weight * 2).sum()])
    assert [type(t).__name__ for t in again] == ["Parameter", "Parameter", "Tensor", "Tensor", "Tensor"]
    assert [t.requires_grad for t in again] == [True, False, True, False, True]
    assert all(t.is_leaf for t in again)


def test_plain_values_and_containers() -> None:
    shared = [1, 2]
    tree = {
        "numbers": [0, -5, 1 << 40, -(1 << 70), 2.5, float("inf"), True, None, 1 + 2j],
        "texts": ["", "naïve \ud800", b"\x00\xff", bytearray(b"ab")],
        "size": ingot.Size([2, 3]),
        "device": ingot.device("cpu"),
        "tuple": ((), (1,), (1, 2, 3, 4)),
        "sets": ({1, "a"}, frozenset([2]), set()),
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "counts": collections.Counter("aab"),
        "default": collections.defaultdict(list, a=[1]),
        "deque": collections.deque([1, 2], 3),
        "same": (shared, shared),
        (1, "key"): slice(1, 2, None),
        "range": range(3),
    }
    for protocol in (2, 3, 4, 5):
        again = there_and_back(tree, pickle_protocol=protocol)
        assert again == tree
        assert again["same"][0] is again["same"][1] and again["default"].default_factory is list
        assert type(again["size"]) is ingot.Size and again["device"] == ingot.device("cpu")
    nan = there_and_back(float("nan"))
    assert nan != nan


def test_numpy_values() -> None:
    arrays: dict[str, Any] = {
        "matrix": np.arange(6).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">i2"),
        "bool": np.array([True, False]),
        "scalar": np.float32(2.5),
        "empty": np.zeros((0, 2), np.uint8),
    }
    again = there_and_back(arrays)
    for name, array in arrays.items():
        assert np.array_equal(again[name], array) and again[name].dtype == array.dtype.newbyteorder("="), name
    state = np.random.RandomState(5).get_state()
    loaded = there_and_back(state)
    other = np.random.RandomState()
    other.set_state(loaded)
    assert other.randint(100, size=5).tolist() == np.random.RandomState(5).randint(100, size=5).tolist()


def test_pythons_random_state() -> None:
    generator = random.Random(3)
    again = there_and_back(generator.getstate())
    other = random.Random()
    other.setstate(again)
    assert other.random() == generator.random()


def test_containers_that_hold_themselves() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    again = there_and_back(cycle)
    assert again[0] == 1 and again[1] is again


def test_a_module_and_an_optimiser(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    optimiser = optim.Adam(model.parameters(), lr=0.25)
    model(ingot.ones(1, 3)).sum().backward()
    optimiser.step()
    ingot.save({"model": model.state_dict(), "optimiser": optimiser.state_dict()}, tmp_path / "x.pt")
    again = ingot.load(tmp_path / "x.pt")
    other = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    other.load_state_dict(again["model"])
    for old, new in zip(model.parameters(), other.parameters(), strict=True):
        assert np.array_equal(old.detach().numpy(), new.detach().numpy())
    assert type(again["model"]) is collections.OrderedDict
    assert again["optimiser"]["param_groups"] == optimiser.state_dict()["param_groups"]


def test_equal_objects_make_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        ingot.save({"x": ingot.ones(3), "y": [1, "t"]}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_contents_of_storages_are_aligned(tmp_path: Path) -> None:
    ingot.save([ingot.ones(n) for n in range(1, 5)], tmp_path / "x.pt")
    data = (tmp_path / "x.pt").read_bytes()
    for number in range(4):
        place = data.find(np.ones(number + 1, np.float32).tobytes() + b"PK")
        assert place % 64 == 0
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        assert archive.testzip() is None
        assert "archive/data.pkl" in archive.namelist() and archive.read("archive/version") == b"3\n"


def test_mapped_tensors_are_private(tmp_path: Path) -> None:
    ingot.save(ingot.ones(4), tmp_path / "x.pt")
    mapped = ingot.load(tmp_path / "x.pt", mmap=True)
    mapped.add_(1)
    assert mapped.tolist() == [2.0] * 4 and ingot.load(tmp_path / "x.pt").tolist() == [1.0] * 4


def test_paths_and_files(tmp_path: Path) -> None:
    for path in (tmp_path / "a.pt", str(tmp_path / "b.pt")):
        ingot.save([1], path)
        assert ingot.load(path) == [1]
    with open(tmp_path / "c.pt", "wb") as out:
        ingot.save([2], out)
    with open(tmp_path / "c.pt", "rb") as given:
        assert ingot.load(given, map_location="cpu", weights_only=True) == [2]

    class Stream:
        def __init__(self, data: bytes = b"") -> None:
            self.data = bytearray(data)

        def write(self, data: Any) -> int:
            self.data += data
            return len(data)

        def flush(self) -> None: ...

        def read(self, count: int = -1) -> bytes:
            return bytes(self.data)

    stream = Stream()
    ingot.save(ingot.ones(3), stream)
    assert ingot.load(stream).tolist() == [1.0] * 3


def test_where_tensors_go() -> None:
    file = io.BytesIO()
    ingot.save(ingot.ones(1), file)
    for location in (None, "cpu", "cpu:0", ingot.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage):
        file.seek(0)
        assert ingot.load(file, map_location=location).tolist() == [1.0]
    for location in ("cuda", {"cpu": "cuda:0"}):
        file.seek(0)
        with pytest.raises(SpecError, match="IG350"):
            ingot.load(file, map_location=location)


def test_a_compressed_copy_is_read() -> None:
    file, packed = io.BytesIO(), io.BytesIO()
    ingot.save(ingot.arange(100), file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    packed.seek(0)
    assert ingot.load(packed).tolist() == list(range(100))


# ---- safetensors


def test_a_state_dict_is_plain_safetensors(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    ingot.save(model.state_dict(), tmp_path / "model.safetensors")
    assert sorted(load_file(tmp_path / "model.safetensors")) == ["bias", "weight"]
    other = nn.Linear(3, 2)
    other.load_state_dict(ingot.load(tmp_path / "model.safetensors"))
    assert np.array_equal(other.weight.detach().numpy(), model.weight.detach().numpy())
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_safetensors_from_elsewhere_under_any_name(tmp_path: Path) -> None:
    save_file({"a": np.arange(3)}, tmp_path / "a")
    assert ingot.load(tmp_path / "a")["a"].tolist() == [0, 1, 2]
    assert ingot.load(io.BytesIO((tmp_path / "a").read_bytes()))["a"].add_(1).tolist() == [1, 2, 3]


def test_a_tree_in_safetensors(tmp_path: Path) -> None:
    tree = {"state": {0: {"step": ingot.ones(2)}}, "groups": [{"lr": 0.5, "betas": (0.9, 0.99)}]}
    ingot.save(tree, tmp_path / "x.safetensors")
    again = ingot.load(tmp_path / "x.safetensors")
    assert again["groups"] == tree["groups"] and again["state"][0]["step"].tolist() == [1.0, 1.0]


def test_what_safetensors_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"\[IG605\] a set at a.1 cannot be stored"):
        ingot.save({"a": [1, {2}]}, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


# ---- nothing runs


class Touch:
    """What a hostile pickle would do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


class Kept:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def kept_twice(tensor: Any) -> Kept:
    return Kept(tensor * 2)


def test_a_file_cannot_run_code(tmp_path: Path) -> None:
    ingot.save({"x": Touch(tmp_path / "made")}, tmp_path / "x.pt")
    for weights_only in (None, True, False):
        with pytest.raises(UnsafeGlobalError, match=r"\[IG407\] .* posix.mkdir, which is not allowed"):
            ingot.load(tmp_path / "x.pt", weights_only=weights_only)
    assert not (tmp_path / "made").exists()
    assert serialization.get_unsafe_globals_in_checkpoint(tmp_path / "x.pt") == ["posix.mkdir"]


def test_classes_are_read_when_the_user_allows_them() -> None:
    file = io.BytesIO()
    ingot.save(Kept(ingot.ones(2)), file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Kept"):
        ingot.load(file)
    file.seek(0)
    with serialization.safe_globals([Kept]):
        assert serialization.get_safe_globals() == [Kept]
        assert ingot.load(file).tensor.tolist() == [1.0, 1.0]
    assert serialization.get_safe_globals() == []
    name = f"{Kept.__module__}.Kept"
    serialization.add_safe_globals([(kept_twice, name)])
    try:
        assert serialization.get_safe_globals() == [(kept_twice, name)]
        file.seek(0)
        # It is a function in the place of a class, which NEWOBJ refuses.
        with pytest.raises(CheckpointError, match="makes an object"):
            ingot.load(file)
    finally:
        serialization.clear_safe_globals()


def test_a_whole_module() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    file = io.BytesIO()
    ingot.save(model, file)
    file.seek(0)
    names = serialization.get_unsafe_globals_in_checkpoint(file)
    assert f"{nn.Linear.__module__}.Linear" in names
    file.seek(0)
    with serialization.safe_globals([nn.Sequential, nn.Linear, nn.ReLU]):
        again = ingot.load(file)
    x = ingot.ones(1, 2)
    assert np.array_equal(again(x).detach().numpy(), model(x).detach().numpy())


HOSTILE = {
    "eval": b"\x80\x02c__builtin__\neval\nX\x03\x00\x00\x001+1\x85R.",
    "import by encoding": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",
    "much memory": b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "a large place": b"\x80\x02Nr\xff\xff\xff\xff0N.",
    "a call of a constant": b"\x80\x02c__builtin__\nint\nK\x01\x85R.",
    "a state for a name": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",
    "a state for a dict": b"\x80\x02}}X\x01\x00\x00\x00aK\x01sb.",
    "a mark as a value": b"\x80\x02(.",
    "no end": b"\x80\x02",
    "no bytes": b"",
    "an unknown operation": b"\x80\x02\xfe.",
    "protocol 0": b"I1\n.",
    "a list as a key": b"\x80\x02}]K\x01s.",
    "a deep key": b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.",
    "an extension": b"\x80\x02\x82\x01.",
    "numpy objects": b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00O\x89\x88\x87R.",
    "attribute of a module": b"\x80\x02ctorch.serialization\nos.system\n.",
    "a torch function": b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00x\x85R.",
    "text that is too long": b"\x80\x02X\xff\xff\xff\xffab.",
    "negative length": b"\x80\x02\x8b\xff\xff\xff\xffab.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles(name: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", HOSTILE[name])
    file.seek(0)
    if name == "a large place":
        # It is the key of a dict, and no size of a list.
        assert ingot.load(file) is None
        return
    with pytest.raises((CheckpointError, UnsafeGlobalError)):
        ingot.load(file)


# ---- damage


def checkpoint() -> bytes:
    file = io.BytesIO()
    base = ingot.arange(40.0).view(5, 8)
    ingot.save({"a": base, "b": base.t(), "p": nn.Parameter(ingot.ones(3)), "n": [1, "text", 2.5, None]}, file)
    return file.getvalue()


def test_a_file_that_was_cut_short() -> None:
    whole = checkpoint()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        with pytest.raises(IngotError) as caught:
            ingot.load(io.BytesIO(whole[:length]))
        assert caught.value.code in ("IG406", "IG606")


def test_changed_bytes_are_seen_or_do_not_matter() -> None:
    """Every error is one of ours, and what is read without one is what was written."""
    whole = checkpoint()
    wanted = ingot.load(io.BytesIO(whole))
    random_bytes = random.Random(0)
    for _ in range(4000):
        place = random_bytes.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << random_bytes.randrange(8)
        try:
            found = ingot.load(io.BytesIO(bytes(changed)))
        except IngotError:
            continue
        assert found["n"] == wanted["n"] and list(found) == list(wanted), place
        for name in "abp":
            assert np.array_equal(found[name].detach().numpy(), wanted[name].detach().numpy()), place


def test_changed_pickles_never_crash() -> None:
    file = io.BytesIO(checkpoint())
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    data = entries["archive/data.pkl"]
    random_bytes = random.Random(1)
    for _ in range(1000):
        changed = bytearray(data)
        for _ in range(random_bytes.randrange(1, 4)):
            changed[random_bytes.randrange(len(data))] = random_bytes.randrange(256)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, contents in entries.items():
                archive.writestr(name, bytes(changed) if name.endswith(".pkl") else contents)
        file.seek(0)
        try:
            repr(ingot.load(file))
        except (IngotError, UnicodeEncodeError):
            continue


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\[IG606\] cannot read .*: No such file"):
        ingot.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        ingot.load(tmp_path / "none")
    for contents, said in (
        (b"", "is empty"),
        (b"not tensors", "is no checkpoint"),
        (pickle.dumps([1]), "is a plain pickle"),
    ):
        (tmp_path / "x").write_bytes(contents)
        with pytest.raises(CheckpointError, match=rf"\[IG406\] .* {said}"):
            ingot.load(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("a/other", b"")
    with pytest.raises(CheckpointError, match=r"without data\.pkl"):
        ingot.load(tmp_path / "x")
    (tmp_path / "x").write_bytes((5).to_bytes(8, "little") + b"{nonsense")
    with pytest.raises(OutputError, match="IG606"):
        ingot.load(tmp_path / "x")


def test_arguments_that_are_refused(tmp_path: Path) -> None:
    for call in (
        lambda: ingot.save([], tmp_path / "x", pickle_module=random),
        lambda: ingot.save([], tmp_path / "x", pickle_protocol=1),
        lambda: ingot.load(io.BytesIO(), pickle_module=random),
        lambda: ingot.load(io.BytesIO(), mmap=True),
        lambda: ingot.load(io.BytesIO(), nonsense=1),
    ):
        with pytest.raises(ValueError, match="IG409"):
            call()
    for call in (lambda: ingot.save([], 3), lambda: ingot.load(3)):
        with pytest.raises(TypeError, match="IG409"):
            call()


def test_what_cannot_be_pickled(tmp_path: Path) -> None:
    for obj in (lambda: 1, sys.stdout):
        with pytest.raises(UnpicklableError, match=r"\[IG408\] the object cannot be stored"):
            ingot.save({"f": obj}, tmp_path / "x.pt")
    assert list(tmp_path.iterdir()) == []


def test_not_while_compiling(tmp_path: Path) -> None:
    @ingot.jit
    def saves(x: Any) -> Any:
        ingot.save(x, tmp_path / "x.pt")
        return x

    @ingot.jit
    def loads(x: Any) -> Any:
        return x + ingot.load(tmp_path / "x.pt")

    for function in (saves, loads):
        with pytest.raises(TraceError, match="IG405"):
            function(ingot.ones(2))


# ---- files appear whole or not at all


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.pt"
    ingot.save({"x": ingot.ones(3)}, target)
    before = target.read_bytes()

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"\[IG602\] cannot write .*: No space left on device"):
        ingot.save({"x": ingot.zeros(3)}, target)
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ingot.save({"x": ingot.zeros(3)}, target)
    assert target.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_a_killed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.pt"
    ingot.save({"x": ingot.ones(3)}, target)
    program = f"""
        import os, signal, ingot
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        ingot.save({{"x": ingot.zeros(3)}}, {str(target)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert ingot.load(target)["x"].tolist() == [1.0] * 3


def test_the_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\[IG602\] .*Parent directory"):
        ingot.save({}, tmp_path / "none" / "x.pt")
    (tmp_path / "real.pt").write_bytes(b"")
    os.chmod(tmp_path / "real.pt", 0o640)
    (tmp_path / "link.pt").symlink_to("real.pt")
    ingot.save([1], tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink() and ingot.load(tmp_path / "real.pt") == [1]
    assert (tmp_path / "real.pt").stat().st_mode & 0o777 == 0o640
    ingot.save([1], os.devnull)


# ---- pickle and deepcopy


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_tensors_share_memory(protocol: int) -> None:
    base = ingot.arange(6.0).view(2, 3)
    again = pickle.loads(pickle.dumps({"a": base, "b": base.t(), "p": nn.Parameter(base)}, protocol))
    assert again["a"]._storage is again["b"]._storage is again["p"]._storage
    assert again["b"].stride() == (1, 3) and type(again["p"]) is nn.Parameter and again["p"].requires_grad
    again["a"].zero_()
    assert again["b"].sum().item() == 0 and base.sum().item() == 15


def test_memory_beside_a_pickle() -> None:
    buffers: list[pickle.PickleBuffer] = []
    tensor = ingot.arange(1000.0)
    data = pickle.dumps(tensor, 5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    again = pickle.loads(data, buffers=[bytes(buffers[0].raw())])
    assert again.add_(1).tolist()[:2] == [1.0, 2.0]


def test_deep_copies_share_memory_among_themselves() -> None:
    base = ingot.arange(6.0).view(2, 3)
    weight = nn.Parameter(base.clone())
    (weight * 3).sum().backward()
    first, second, copied = copy.deepcopy([base, base.t(), weight])
    assert first._storage is second._storage is not base._storage and second.stride() == (1, 3)
    assert copied.grad.tolist() == [[3.0] * 3] * 2 and copied.grad is not weight.grad
    with pytest.raises(IngotError, match="IG312"):
        copy.deepcopy(weight * 2)
