"""What eager code does most, natively: objects made with their slots filled, and arithmetic on two small tensors.

A NativePlan is what such a built-in function works by; it holds every object whose address is in its words.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

if TYPE_CHECKING:
    from ingot.runtime.native import NativeRuntime

_METH_FASTCALL, _METH_FASTCALL_KEYWORDS = 0x80, 0x82

# Operations that every processor and NumPy compute to the same bits, by the kind of dtype: LLVM's instructions.
INSTRUCTIONS: dict[str, dict[str, str]] = {
    "add": {"f": "fadd", "i": "add"},
    "sub": {"f": "fsub", "i": "sub"},
    "mul": {"f": "fmul", "i": "mul"},
    "div": {"f": "fdiv"},
}
_TYPES: dict[DType, tuple[str, str]] = {
    dtypes.float32: ("f", "float"),
    dtypes.float64: ("f", "double"),
    dtypes.int32: ("i", "i32"),
    dtypes.int64: ("i", "i64"),
}
# Beyond this many elements NumPy is as fast, and lets other threads run meanwhile.
LARGEST = 1 << 14


def kernel_name(operation: str, dtype: DType) -> str | None:
    """The native function for an operation on this dtype; None if there is none."""
    kind, type_ = _TYPES.get(dtype, ("", ""))
    return f"operator_{operation}_{type_}" if kind in INSTRUCTIONS[operation] else None


def kernels() -> str:
    """LLVM IR of all kernels: (left, right, result, elements)."""
    texts = []
    for operation, by_kind in INSTRUCTIONS.items():
        for dtype, (kind, type_) in _TYPES.items():
            if kind in by_kind:
                texts.append(_kernel(f"operator_{operation}_{type_}", by_kind[kind], type_, dtype.itemsize))
    return "\n".join(texts)


def _kernel(name: str, instruction: str, type_: str, align: int) -> str:
    return f"""define void @{name}(ptr %a, ptr %b, ptr noalias %result, i64 %count) {{
entry:
  %nothing = icmp eq i64 %count, 0
  br i1 %nothing, label %end, label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %next ]
  %a_cell = getelementptr inbounds {type_}, ptr %a, i64 %i
  %x = load {type_}, ptr %a_cell, align {align}
  %b_cell = getelementptr inbounds {type_}, ptr %b, i64 %i
  %y = load {type_}, ptr %b_cell, align {align}
  %z = {instruction} {type_} %x, %y
  %cell = getelementptr inbounds {type_}, ptr %result, i64 %i
  store {type_} %z, ptr %cell, align {align}
  %i1 = add nuw nsw i64 %i, 1
  %done = icmp eq i64 %i1, %count
  br i1 %done, label %end, label %next
end:
  ret void
}}
"""


class Frontend(NamedTuple):
    """What operators must know of tensors: their classes; the slots that say whether a gradient flows to one, and (when
    not None) that `needs_grad` must be asked; where the trace of a thread is; `call(function, *arrays)`; and what makes
    a tensor of an array and its layout."""

    kinds: tuple[type, type]
    slots: tuple[str, str]
    needs_grad: Callable[[Any], bool]
    modes: object
    trace: str
    call: Callable[..., Any]
    fresh: Callable[[Any, Any], Any]


class NativePlan:
    """The self of a built-in function: its words, and what they refer to. The collector clears `address` first."""

    __slots__ = ("address", "kept")

    def __init__(self, words: Sequence[int], kept: Sequence[object]) -> None:
        memory = (ctypes.c_int64 * len(words))(*words)
        self.kept = (memory, *kept)
        self.address = ctypes.addressof(memory)


def _array(words: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * max(len(words), 1))(*words)


class NativeOperators:
    """Makes built-in functions. `slot_offsets` finds where a class keeps slots; `builtin` makes a function of code."""

    def __init__(
        self,
        runtime: NativeRuntime,
        slot_offsets: Callable[[type, tuple[str, ...]], dict[str, int]],
        builtin: Callable[[str, int, int, object], Callable[..., Any]],
    ) -> None:
        self.runtime = runtime
        self.slot_offsets = slot_offsets
        self.builtin = builtin
        runtime.set_word("plan_offset", slot_offsets(NativePlan, ("address",))["address"])

    def classes(self, layout: type, storage: type) -> None:
        """Tell native code where layouts keep their sizes, and storages the array as which they were seen last."""
        for prefix, kind, names in (
            ("layout", layout, ("numel", "nbytes", "itemsize")),
            ("storage", storage, ("seen", "seen_layout", "seen_offset")),
        ):
            for name, offset in self.slot_offsets(kind, names).items():
                self.runtime.set_word(f"{prefix}_{name}_offset", offset)

    def constructor(self, kind: type, names: tuple[str, ...], constants: Mapping[str, object]) -> Callable[..., Any]:
        """A function of the named slots' values that makes an object; the other slots get the constants."""
        offsets = self.slot_offsets(kind, (*names, *constants))
        places = _array([offsets[name] for name in names])
        pairs = _array([word for name, value in constants.items() for word in (offsets[name], id(value))])
        words = [id(kind), len(names), ctypes.addressof(places), len(constants), ctypes.addressof(pairs)]
        plan = NativePlan(words, (kind, places, pairs, tuple(constants.values())))
        return self.builtin(f"new_{kind.__name__}", self.runtime.address["construct"], _METH_FASTCALL, plan)

    def operator(
        self, table: dict[Any, Any], slow: Callable[..., Any], frontend: Frontend, on_arrays: bool = False
    ) -> Callable[..., Any]:
        """A function of two tensors. Every call that `table` does not serve goes to `slow`, as do tensors to which a
        gradient flows and all calls while a trace is made. `table` may grow.

        It maps a layout to a kernel; with `on_arrays`, a pair of layouts to a function of two arrays and the layout of
        the new array that it returns.
        """
        offsets = self.slot_offsets(frontend.kinds[0], frontend.slots)
        before = (table, slow, frontend.modes, frontend.trace, frontend.kinds[1])
        after = (False, frontend.needs_grad, frontend.call, frontend.fresh)
        words = [*map(id, before), *(offsets[name] for name in frontend.slots), *map(id, after)]
        plan = NativePlan(words, (*before, *after))
        code = self.runtime.address["operate_on_arrays" if on_arrays else "operate"]
        return self.builtin(slow.__name__, code, _METH_FASTCALL_KEYWORDS, plan)

    def kernel(self, operation: str, dtype: DType) -> int | None:
        """The address of a kernel."""
        name = kernel_name(operation, dtype)
        return None if name is None else self.runtime.address[name]
