"""Builds contraction kernels, compiles them for a target, and runs their units in any order through ctypes."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ingot.compiler.codegen.contract import emit_contract, tile_contract
from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function, Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.dims import Dim, Quotient
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Contract, Kernel
from ingot.runtime.objects import load

Array = np.ndarray[Any, np.dtype[Any]]
_machines: dict[str, Any] = {}


def sizes_from_frame(slots: dict[str, int]) -> Callable[[Function], Callable[[Size], Reg]]:
    """Named sizes lie in the frame behind the pointers, at these slots."""

    def of(f: Function) -> Callable[[Size], Reg]:
        def size(value: Size) -> Reg:
            if isinstance(value, int):
                return f.const("i64", value)
            total = f.const("i64", 0)
            for monomial, coefficient in value.terms:
                term = f.const("i64", coefficient)
                for atom in monomial:
                    if isinstance(atom, Quotient):
                        factor = f.sdiv(size(atom.numerator), f.const("i64", atom.divisor))
                    else:
                        place = f.offset(f.params[0], 8 * slots[atom.name])
                        factor = f.load(place, "i64", pure=True)
                    term = f.mul(term, factor)
                total = f.add(total, term)
            return total

        return size

    return of


def machine(target: Target) -> Any:
    if target.name not in _machines:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        _machines[target.name] = llvm.Target.from_triple(target.triple).create_target_machine(
            target.cpu, target.feature_string, opt=2, reloc="pic", codemodel="small"
        )
    return _machines[target.name]


class Compiled:
    """A kernel as machine code of this process."""

    def __init__(self, kernel: Kernel, target: Target, dims: dict[str, int] | None = None) -> None:
        self.dims = dims or {}
        slots = {name: len(kernel.buffers) + 1 + i for i, name in enumerate(self.dims)}
        module = Module(target.triple)
        self.emitted: Emitted = emit_contract(module, target, kernel, sizes_from_frame(slots))
        parameters = "ptr %frame, i64 %lo, i64 %hi, i64 %thread"
        module.functions.append(f"define void @run({parameters}) {{ call void @{kernel.name}({parameters}) ret void }}")
        self.text = module.text()
        self.object = machine(target).emit_object(llvm.parse_assembly(self.text))
        self.loaded = load(self.object)
        self.run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 3)(self.loaded.symbols["run"])

    @property
    def units(self) -> int:
        units = self.emitted.units
        return units if isinstance(units, int) else units.evaluate(self.dims)

    def frame(self, pointers: Sequence[int], threads: int) -> tuple[Any, Array]:
        scratch = np.full(self.emitted.scratch * threads + 128, 0xFF, np.uint8)
        base = -(-scratch.ctypes.data // 64) * 64
        words = [*pointers, base, *self.dims.values()]
        return (ctypes.c_int64 * len(words))(*words), scratch

    def __call__(self, arrays: Sequence[Array], chunks: Sequence[tuple[int, int, int]] | None = None) -> None:
        """Run with the first element of each array; `chunks` are (lo, hi, thread)."""
        chunks = chunks or [(0, self.units, 0)]
        threads = 1 + max((t for _, _, t in chunks), default=0)
        frame, scratch = self.frame([a.ctypes.data for a in arrays], threads)
        for lo, hi, thread in chunks:
            self.run(ctypes.addressof(frame), lo, hi, thread)
        del scratch


def random_chunks(rng: np.random.Generator, units: int, threads: int = 3) -> list[tuple[int, int, int]]:
    """A random split of the units into chunks, in random order, on random threads."""
    cuts = sorted({0, units, *rng.integers(0, units + 1, min(units, 4)).tolist()})
    chunks = [(lo, hi, int(rng.integers(threads))) for lo, hi in itertools.pairwise(cuts)]
    return [chunks[i] for i in rng.permutation(len(chunks))]


def tiled(contract: Contract, target: Target) -> Contract:
    return tile_contract(contract, target)


__all__ = ["Array", "Compiled", "Dim", "random_chunks", "tiled"]
