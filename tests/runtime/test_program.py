"""Programs as bytes, and executables called with raw pointers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ingot.runtime import dtypes, pool
from ingot.runtime.errors import BuildError, CacheError
from ingot.runtime.executable import Executable
from ingot.runtime.program import Program, Slot


def sample() -> Program:
    return Program(
        name="step",
        entry="ingot_step",
        object_code=bytes(range(256)) * 3,
        triple="x86_64-unknown-linux-gnu",
        inputs=(Slot("x", dtypes.float32, ("b", 64), (64, 1)), Slot("lr", dtypes.float64, (), ())),
        outputs=(Slot("y", dtypes.bfloat16, ("b", "2*b+1"), ("2*b+1", 1)),),
        aliases=((0, 0),),
        workspace_bytes=1 << 40,
        dims=("b",),
        kernels=("k0", "k1"),
        cost=12.5,
        metadata={"graph": "αβγ"},
    )


def test_bytes_round_trip() -> None:
    program = sample()
    assert Program.from_bytes(program.to_bytes()) == program
    assert program.to_bytes() == sample().to_bytes()
    assert "object_code" not in repr(program)


def test_programs_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample().name = "other"  # type: ignore[misc]


def test_every_truncation_is_noticed() -> None:
    data = sample().to_bytes()
    for size in range(0, len(data), 7):
        with pytest.raises(CacheError, match="IG601"):
            Program.from_bytes(data[:size])
    with pytest.raises(CacheError, match=r"has \d+ bytes where"):
        Program.from_bytes(data + b"x")


def test_every_altered_byte_is_noticed() -> None:
    data = bytearray(sample().to_bytes())
    for at in range(len(data)):
        data[at] ^= 1
        with pytest.raises(CacheError, match="IG601"):
            Program.from_bytes(bytes(data))
        data[at] ^= 1


def test_other_versions_are_named() -> None:
    data = bytearray(sample().to_bytes())
    data[8] = 99
    with pytest.raises(CacheError, match="format version 99"):
        Program.from_bytes(bytes(data))
    with pytest.raises(CacheError, match="not a stored program"):
        Program.from_bytes(b"x" * 100)


def test_call(programs: Any) -> None:
    executable = programs.sum([(3,), ()], 2, 3, workspace=100, cost=1e9)
    x, s, y, z = np.array([1.0, 2.0, 3.0]), np.array(0.5), np.empty(3), np.empty(3)
    before = pool.stats()["allocated"]
    executable.call([a.__array_interface__["data"][0] for a in (x, s, y, z)])
    assert y.tolist() == [1.5, 2.5, 3.5] and z.tolist() == [3.0, 5.0, 7.0]
    assert pool.stats()["allocated"] == before
    assert executable.releases_gil and not programs.sum([(3,)], 1, 3).releases_gil


def test_a_program_survives_storage(programs: Any) -> None:
    original = programs.sum([(2,)], 1, 2).program
    executable = Executable(Program.from_bytes(original.to_bytes()))
    x, y = np.array([1.0, 2.0]), np.empty(2)
    executable.call([x.__array_interface__["data"][0], y.__array_interface__["data"][0]])
    assert y.tolist() == [1.0, 2.0]


def test_refusals(programs: Any) -> None:
    executable = programs.sum([(3,)], 1, 3, status=7)
    x, y = np.ones(3), np.empty(3)
    pointers = [a.__array_interface__["data"][0] for a in (x, y)]
    with pytest.raises(BuildError, match=r"\[IG501\] the compiled program 'sum' reported error 7"):
        executable.call(pointers)
    with pytest.raises(BuildError, match=r"\[IG503\] program 'sum' takes 2 buffers and 0 dims; it was given 1 and 1"):
        executable.call(pointers[:1], [5])
    with pytest.raises(BuildError, match="defines no symbol 'missing'"):
        Executable(dataclasses.replace(executable.program, entry="missing"))
