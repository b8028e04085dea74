"""What a library offers: its functions, their C parameters, and where the tensors behind them live.

A function's inputs are of two sorts. Arguments become C parameters. Captured tensors (weights, statistics, moments) do
not: with weights inside, constant ones are read-only data of the object and mutated ones live in a block `state` that
the caller owns; with weights beside, all of them are reached through a struct of pointers into a safetensors file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ingot.compiler.codegen.target import Target
from ingot.compiler.dims import Symbol
from ingot.compiler.ir import Size
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError
from ingot.runtime.program import Extent, Program, Slot

Weights = Literal["inside", "beside"]
ALIGNMENT = 64  # of the state block, of every tensor in it, and of the workspace; a cache line
STATUS = {
    "OK": (0, "success"),
    "E_POINTER": (-1, "a pointer that must not be NULL is NULL"),
    "E_SIZE": (-2, "a size is outside its range, or not a multiple of what the header states"),
    "E_ALIGNMENT": (-3, "memory is not aligned as the header states"),
    "E_WEIGHTS": (-4, "the file of weights is not the one that belongs to this library"),
    "E_PROCESSOR": (-5, "the processor lacks instructions that the library needs"),
}
FAILED = "the compiled code reported a failed run-time check"

# C99 and C++ keywords, and names that the generated functions use themselves.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const constexpr
        const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern false float
        for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
        protected public register reinterpret_cast restrict return short signed sizeof static static_assert static_cast
        struct switch template this thread_local throw true try typedef typeid typename union unsigned using virtual
        void volatile wchar_t while xor xor_eq
        state weights workspace context
        """,
    )
)


def identifier(name: str) -> str:
    """A C identifier that reads like `name`."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "value"
    return f"_{text}" if text[0].isdigit() else f"{text}_" if text in _RESERVED else text


def distinct(names: Iterable[str]) -> list[str]:
    """C identifiers for names in order, numbered where two would be equal."""
    taken: set[str] = set()
    chosen: list[str] = []
    for name in names:
        base = candidate = identifier(name)
        count = 1
        while candidate in taken:
            count += 1
            candidate = f"{base}_{count}"
        taken.add(candidate)
        chosen.append(candidate)
    return chosen


def library_name(name: str) -> str:
    """`name`, if it can prefix C names and file names. Raises SpecError (IG705)."""
    if identifier(name) != name:
        raise SpecError(
            "IG705",
            f"{name!r} cannot name a library: its functions are called {name}_...",
            fix=f'name="{identifier(name)}" (on the command line: --name {identifier(name)})',
        )
    return name


@dataclass(frozen=True)
class Captured:
    """A tensor that functions use without it being an argument; `data` is its contents in C order, little-endian."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Function:
    """One function of a library: a compiled program with the LLVM text that defines its entry.

    `captured` maps positions of program inputs to names of captured tensors; the other inputs are arguments.
    `workspace` is in bytes and may depend on named sizes, whose ranges `symbols` tells.
    """

    name: str
    program: Program
    llvm: str
    captured: Mapping[int, str]
    workspace: Size = 0
    symbols: tuple[Symbol, ...] = ()

    @cached_property
    def aliased(self) -> dict[int, int]:
        """Output -> the input whose memory it is written into."""
        return {output: source for source, output in self.program.aliases}

    @cached_property
    def mutated(self) -> frozenset[int]:
        return frozenset(self.aliased.values())


@dataclass(frozen=True)
class Parameter:
    """A tensor parameter of a C function; `constant` when the function only reads it."""

    name: str
    slot: Slot
    constant: bool


@dataclass(frozen=True)
class Signature:
    """A C function: sizes, tensors, and for each buffer of the program which parameter or captured tensor it is."""

    symbol: str
    sizes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    workspace_sizes: tuple[str, ...]  # what `symbol`_workspace_size takes: all sizes, or none
    buffers: tuple[Parameter | str, ...]

    @property
    def captured(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(b for b in self.buffers if isinstance(b, str)))


@dataclass(frozen=True)
class Library:
    """Everything that the files of a library are made from."""

    name: str
    target: Target
    functions: tuple[Function, ...]
    captured: tuple[Captured, ...] = ()
    weights: Weights = "inside"

    @cached_property
    def by_name(self) -> dict[str, Captured]:
        return {tensor.name: tensor for tensor in self.captured}

    @cached_property
    def mutated(self) -> frozenset[str]:
        """Captured tensors that some function writes."""
        return frozenset(f.captured[i] for f in self.functions for i in f.mutated if i in f.captured)

    @cached_property
    def fields(self) -> dict[str, str]:
        """Captured tensor -> its C identifier."""
        return dict(zip(self.by_name, distinct(self.by_name), strict=True))

    @cached_property
    def state(self) -> dict[str, int]:
        """Captured tensors in the caller's state block -> their offset in bytes."""
        offsets: dict[str, int] = {}
        end = 0
        for tensor in self.captured:
            if self.weights == "inside" and tensor.name in self.mutated:
                offsets[tensor.name] = end
                end += -(-len(tensor.data) // ALIGNMENT) * ALIGNMENT
        return offsets

    @cached_property
    def state_bytes(self) -> int:
        if not self.state:
            return 0
        last = max(self.state, key=lambda name: self.state[name])
        return self.state[last] + -(-len(self.by_name[last].data) // ALIGNMENT) * ALIGNMENT

    def symbol(self, function: Function) -> str:
        """The C name: the library's name and the function's, or one of them where they are the same."""
        own = identifier(function.name)
        return self.name if own == self.name else f"{self.name}_{own}"

    @cached_property
    def signatures(self) -> tuple[Signature, ...]:
        return tuple(self._signature(f) for f in self.functions)

    def _signature(self, function: Function) -> Signature:
        program = function.program
        arguments = [i for i in range(len(program.inputs)) if i not in function.captured]
        results = [j for j in range(len(program.outputs)) if j not in function.aliased]
        slots = [*(program.inputs[i] for i in arguments), *(program.outputs[j] for j in results)]
        names = distinct([*program.dims, *(slot.name for slot in slots)])
        sizes = tuple(names[: len(program.dims)])
        constant = [i not in function.mutated for i in arguments] + [False] * len(results)
        parameters = tuple(map(Parameter, names[len(sizes) :], slots, constant))
        of_input: dict[int, Parameter | str] = {
            **function.captured,
            **dict(zip(arguments, parameters, strict=False)),
        }
        of_output = dict(zip(results, parameters[len(arguments) :], strict=True))
        buffers = [of_input[i] for i in range(len(program.inputs))] + [
            of_input[function.aliased[j]] if j in function.aliased else of_output[j]
            for j in range(len(program.outputs))
        ]
        workspace_sizes = () if isinstance(function.workspace, int) else sizes
        return Signature(self.symbol(function), sizes, parameters, workspace_sizes, tuple(buffers))

    @cached_property
    def exports(self) -> tuple[str, ...]:
        """Every symbol that the header declares, in its order."""
        names = [f"{self.name}_error", f"{self.name}_check_processor"]
        if self.state:
            names += [f"{self.name}_state_size", f"{self.name}_state_init"]
        if self.weights == "beside" and self.captured:
            names.append(f"{self.name}_bind")
        for signature in self.signatures:
            names += [f"{signature.symbol}_workspace_size", signature.symbol]
        return tuple(names)


def check(library: Library) -> None:
    """Raises SpecError (IG705) where two functions would have the same C name."""
    seen: dict[str, str] = {}
    for name in library.exports:
        if name in seen:
            raise SpecError(
                "IG705",
                f"two functions of the library {library.name} would both be called {name} in C",
                fix="give one of the Python functions another name",
            )
        seen[name] = name


def describe(dtype: DType, shape: Sequence[Extent]) -> str:
    """f32[b,64], as specs are written."""
    return f"{dtype.short}[{','.join(map(str, shape))}]"
