"""Compiles one Scalar expression into a loop over arrays, calls it, and measures errors in units in the last place."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.scalar import Scalar
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.codegen.target import Target, host, named
from ingot.runtime.dtypes import DType

Array = NDArray[Any]
Body = Callable[..., Reg]

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
# Code of older instruction sets runs here too, so each is tested by its own code.
SETS: dict[str, Target] = {"host": host(), **{n: named(n) for n in ("x86-64", "x86-64-v2", "x86-64-v3")}}
LIBRARIES: list[llvm.ResourceTracker] = []  # code must outlive the pointers to it


def runs_here(target: Target) -> bool:
    return target.architecture == host().architecture and target.features <= host().features


def emit(body: Body, inputs: tuple[DType, ...], output: DType, target: Target, lanes: int) -> str:
    """LLVM text of `void k(inputs..., output, i64 n)`; n is a multiple of `lanes`."""
    module = Module(target.triple)
    params = [("ptr", f"a{i}") for i in range(len(inputs))] + [("ptr", "out"), ("i64", "n")]
    function = Function(module, "k", params, linkage="")
    scalar = Scalar(function, target)
    *pointers, out, count = function.params

    def step(i: Reg, _: list[Reg]) -> list[Reg]:
        loaded = [
            scalar.load(function.offset(p, i, d.itemsize), d, lanes) for p, d in zip(pointers, inputs, strict=True)
        ]
        scalar.store(body(scalar, *loaded), function.offset(out, i, output.itemsize), output)
        return []

    function.loop(0, count, lanes, step)
    function.finish()
    return module.text()


def object_code(text: str, target: Target) -> bytes:
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.feature_string, opt=2, reloc="pic", codemodel="small"
    )
    parsed = llvm.parse_assembly(text)
    parsed.verify()
    return bytes(machine.emit_object(parsed))


@functools.cache
def linker() -> llvm.LLJIT:
    return llvm.create_lljit_compiler(llvm.Target.from_default_triple().create_target_machine(jit=True))


def compile_kernel(
    body: Body, inputs: tuple[DType, ...], output: DType, target: Target, lanes: int
) -> Callable[..., Array]:
    """A function of NumPy arrays. Undefined symbols (library calls) fail to link."""
    code = object_code(emit(body, inputs, output, target, lanes), target)
    library = llvm.JITLibraryBuilder().add_object_img(code).export_symbol("k")
    tracker = library.link(linker(), f"kernel{len(LIBRARIES)}")
    LIBRARIES.append(tracker)
    entry = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(inputs) + 1), ctypes.c_int64)(tracker["k"])

    def call(*arrays: Array) -> Array:
        size = arrays[0].size
        padded = -(-size // lanes) * lanes
        held = []
        for array, dtype in zip(arrays, inputs, strict=True):
            whole = np.ones(padded, dtype.numpy)
            whole[:size] = array
            held.append(whole)
        result = np.empty(padded, output.numpy)
        entry(*(a.ctypes.data for a in held), result.ctypes.data, padded)
        return result[:size]

    return call


def ulp_errors(got: Array, exact: Array) -> Array:
    """|got - exact| in units of the last place of got's type; infinite where NaN, infinities or zero signs differ."""
    with np.errstate(all="ignore"):
        info = np.finfo(got.dtype)
        rounded = exact.astype(got.dtype)
        usable = np.isfinite(exact) & (exact != 0)
        _, exponent = np.frexp(np.where(usable, np.abs(exact), 1))
        unit = np.ldexp(np.ones_like(exact), np.maximum(exponent - 1, info.minexp) - info.nmant)
        error = np.abs(got.astype(exact.dtype) - exact) / unit
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        error = np.where(same, np.where(np.isfinite(error), np.minimum(error, 0.5), 0), error)
        zeros = (got == 0) & (rounded == 0) & (np.signbit(got) != np.signbit(rounded))
        # Next to overflow one side may round to infinity: that is one unit, not a wrong infinity.
        last = (np.isinf(got) != np.isinf(rounded)) & (np.abs(np.where(np.isinf(got), rounded, got)) == info.max)
        error = np.where(last & (np.signbit(got) == np.signbit(rounded)), 1.0, error)
        return np.where(zeros | np.isnan(error) | (np.isnan(got) != np.isnan(rounded)), np.inf, error)


def undefined_symbols(code: bytes) -> set[str]:
    """Names that an ELF object expects from outside, less the three that objects may use."""
    table, width, count = *struct.unpack_from("<Q", code, 40), *struct.unpack_from("<HH", code, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, table + i * width) for i in range(count)]
    names = set()
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for at in range(section[4] + 24, section[4] + section[5], 24):
            name, _, _, place, _, _ = struct.unpack_from("<IBBHQQ", code, at)
            if place == 0:
                names.add(code[strings + name : code.index(b"\0", strings + name)].decode())
    return names - {"memcpy", "memmove", "memset"}
