"""Builds contraction kernels, compiles them for a target, and runs their units in any order through ctypes."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ingot.compiler.codegen.contract import emit_contract
from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.dims import Quotient
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Apply, Contract, Expr, Index, Kernel, Let, Literal, Load, Name, Position, Store
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


def assembly(kernel: Kernel, target: Target) -> str:
    module = Module(target.triple)
    emit_contract(module, target, kernel, sizes_from_frame({}))
    parameters = "ptr %frame, i64 %lo, i64 %hi, i64 %thread"
    module.functions.append(f"define void @run({parameters}) {{ call void @{kernel.name}({parameters}) ret void }}")
    return str(machine(target).emit_assembly(llvm.parse_assembly(module.text())))


def inner_loops(text: str) -> list[list[str]]:
    """Basic blocks that jump back to their own label."""
    loops: list[list[str]] = []
    label, block = "", list[str]()
    for line in text.splitlines():
        words = line.split()
        if line.startswith(".L") and words[0].endswith(":"):
            label, block = words[0][:-1], []
        elif words and words[0].startswith("j"):
            if words[-1] == label:
                loops.append(block)
            label, block = "", []
        else:
            block.append(line)
    return loops


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
        offset = -scratch.ctypes.data % 64 + self.emitted.scratch * threads
        assert (scratch[offset:] == 0xFF).all(), "written past the scratch area"


def random_chunks(rng: np.random.Generator, units: int, threads: int = 3) -> list[tuple[int, int, int]]:
    """A random split of the units into chunks, in random order, on random threads."""
    cuts = sorted({0, units, *rng.integers(0, units + 1, min(units, 4)).tolist()})
    chunks = [(lo, hi, int(rng.integers(threads))) for lo, hi in itertools.pairwise(cuts)]
    return [chunks[i] for i in rng.permutation(len(chunks))]


# ---- the meaning, in float64


def index_array(index: Index, grid: Mapping[str, Array], buffers: Sequence[Array], dims: Mapping[str, int]) -> Array:
    at: Array = np.asarray(number(index.offset, dims))
    for axis, stride in index.terms:
        at = at + grid[axis] * number(stride, dims)
    for expr, stride in index.computed:
        at = at + evaluate(expr, grid, buffers, dims).astype(np.int64) * number(stride, dims)
    return at


def number(size: Size, dims: Mapping[str, int]) -> int:
    return size if isinstance(size, int) else size.evaluate(dims)


def evaluate(
    expr: Expr,
    grid: Mapping[str, Array],
    buffers: Sequence[Array],
    dims: Mapping[str, int],
    names: Mapping[str, Array] | None = None,
) -> Array:
    """An expression on a grid of axes, floating point in float64."""
    match expr:
        case Literal(dtype, value):
            return np.asarray(value, np.float64 if dtype.kind == "f" else dtype.numpy)
        case Name(name):
            return (names or {})[name]
        case Position(index, _):
            return index_array(index, grid, buffers, dims)
        case Load(buffer, index, _, when):
            at = index_array(index, grid, buffers, dims)
            on = np.asarray(True) if when is None else evaluate(when, grid, buffers, dims, names)
            at, on = np.broadcast_arrays(at, on)
            out = np.zeros(at.shape, buffers[buffer].dtype)
            out[on] = buffers[buffer][at[on]]
            return out.astype(np.float64) if expr.dtype.kind == "f" else out
        case Apply(op, args, dtype, attrs):
            values = [evaluate(a, grid, buffers, dims, names) for a in args]
            options = dict(attrs)
            if op.name == "cast":
                return values[0].astype(np.float64 if dtype.kind == "f" else dtype.numpy)
            return np.asarray(op.eval(*np.broadcast_arrays(*values), **options))


def reference(kernel: Kernel, buffers: Sequence[Array], dims: Mapping[str, int] | None = None) -> list[Array]:
    """What the buffers hold afterwards; sums in float64 (integers wrap)."""
    sizes = dims or {}
    (contract,) = kernel.body
    assert isinstance(contract, Contract)
    parts = [contract.batch, contract.m, contract.n, contract.k]
    axes = [(axis, number(extent, sizes)) for part in parts for axis, extent in part]
    grid = {}
    for i, (axis, extent) in enumerate(axes):
        shape = [1] * len(axes)
        shape[i] = extent
        grid[axis] = np.arange(extent).reshape(shape)
    counts = [math.prod(number(e, sizes) for _, e in part) for part in parts]
    full = [e for _, e in axes]
    spans = np.cumsum([0] + [len(p) for p in parts])

    def operand(expr: Expr, present: tuple[int, ...]) -> Array:
        wanted = [e if any(spans[p] <= i < spans[p + 1] for p in present) else 1 for i, e in enumerate(full)]
        value = np.broadcast_to(evaluate(expr, grid, buffers, sizes), wanted)
        if contract.dtype.kind in "iu":
            value = value.astype(contract.dtype.numpy)
        return value.reshape([counts[p] for p in present])

    a, b = operand(contract.a, (0, 1, 3)), operand(contract.b, (0, 2, 3))
    sums = np.matmul(a, b.swapaxes(1, 2)).reshape(list(full[: spans[3]]) + [1] * len(contract.k))
    outputs = [buffer.copy() for buffer in buffers]
    names = {contract.name: sums}
    for stmt in contract.epilogue:
        match stmt:
            case Let(name, expr):
                names[name] = evaluate(expr, grid, buffers, sizes, names)
            case Store(buffer, index, expr, when):
                value = evaluate(expr, grid, buffers, sizes, names)
                at, value = np.broadcast_arrays(index_array(index, grid, buffers, sizes), value)
                on = np.broadcast_to(
                    np.asarray(True) if when is None else evaluate(when, grid, buffers, sizes, names), at.shape
                )
                outputs[buffer][at[on]] = value[on].astype(outputs[buffer].dtype)
            case _:
                raise AssertionError(stmt)
    return outputs


def check(
    kernel: Kernel,
    target: Target,
    buffers: Sequence[Array],
    rng: np.random.Generator,
    *,
    dims: dict[str, int] | None = None,
    tolerance: float = 1e-5,
    compiled: Compiled | None = None,
) -> Compiled:
    """Compile, run in random chunks, compare every buffer with the reference: what is not stored to must not change."""
    expected = reference(kernel, buffers, dims)
    compiled = compiled or Compiled(kernel, target, dims)
    compiled.dims = dims or {}
    actual = [buffer.copy() for buffer in buffers]
    compiled(actual, random_chunks(rng, compiled.units))
    at_once = [buffer.copy() for buffer in buffers]
    compiled(at_once)
    for i, (want, got, whole) in enumerate(zip(expected, actual, at_once, strict=True)):
        assert got.tobytes() == whole.tobytes(), f"buffer {i} depends on how the units are split"
        if want.dtype.kind in "iub":
            np.testing.assert_array_equal(got, want, err_msg=f"buffer {i}")
        else:
            wide, narrow = want.astype(np.float64), got.astype(np.float64)
            np.testing.assert_allclose(narrow, wide, rtol=tolerance, atol=tolerance, err_msg=f"buffer {i}")
    return compiled


__all__ = ["Array", "Compiled", "assembly", "check", "inner_loops", "random_chunks", "reference"]
