"""A reader of pickles that runs nothing: an interpreter of pickle's operations over a table of allowed names.

The operations are those of pickletools' documentation that protocols 2 to 5 write for plain data. An operation that
calls (REDUCE, NEWOBJ, BUILD) asks `safe`, so a file can only make tensors, plain containers and objects of classes
that the user has allowed. Every length is checked against the bytes at hand before anything is made of it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from ingot.runtime.errors import IngotError
from ingot.serialization import safe
from ingot.serialization.errors import damaged
from ingot.serialization.rebuild import Global
from ingot.tensor import Tensor

# Errors that bytes which are no pickle lead to.
_FAULTS = (
    LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, RecursionError, struct.error
)  # fmt: skip


class _Mark:
    """Where a run of stack entries begins."""


_MARK = _Mark()


class Unpickler:
    """Reads one object from `data`, beginning at `at`; afterwards `at` is behind it.

    `persistent` makes the object of a persistent id, which is how tensors name their storages.
    """

    def __init__(self, data: bytes, persistent: Callable[[Any], Any], at: int = 0) -> None:
        self.data = data
        self.at = at
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object. Raises CheckpointError (IG406), UnsafeGlobalError (IG407)."""
        try:
            return self._run()
        except IngotError:
            raise
        except _FAULTS as error:
            raise damaged(f"its pickle cannot be read at byte {self.at} ({type(error).__name__}: {error})") from None

    def _run(self) -> Any:
        data, operations, size = self.data, _OPERATIONS, len(self.data)
        while self.at < size:
            code = data[self.at]
            self.at += 1
            if code == _STOP:
                return self.pop()
            operation = operations.get(code)
            if operation is None:
                raise damaged(f"its pickle has an operation {bytes([code])!r} at byte {self.at - 1} that is not read")
            operation(self)
        raise damaged("its pickle ends too early")

    # ---- bytes

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count < 0 or self.at + count > len(self.data):
            raise damaged("its pickle ends too early")
        start = self.at
        self.at += count
        return self.data[start : self.at]

    def number(self, form: str) -> Any:
        """The next number, in a format of struct's."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """The next text that ends with a line break."""
        end = self.data.index(b"\n", self.at)
        text = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return text

    # ---- the stack

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the value off the stack; a mark is none."""
        value = self.stack.pop()
        if value is _MARK:
            raise damaged("its pickle takes a mark for a value")
        return value

    def marked(self) -> list[Any]:
        """Take the values above the last mark off the stack."""
        stack = self.stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is _MARK:
                values = stack[place + 1 :]
                del stack[place:]
                return values
        raise damaged("its pickle has no mark where one is needed")

    def pairs_into(self, flat: list[Any]) -> None:
        """Put keys and values into the dict on the stack."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(flat) % 2:
            raise damaged("its pickle sets keys of what is no dict")
        for place in range(0, len(flat), 2):
            target[safe.key_of(flat[place])] = flat[place + 1]

    def values_into(self, values: list[Any]) -> None:
        """Put values into the list on the stack."""
        target = self.stack[-1]
        if not isinstance(target, list) and not type(target).__name__ == "deque":
            raise damaged("its pickle appends to what is no list")
        target.extend(values)

    def keys_into(self, values: list[Any]) -> None:
        """Put values into the set on the stack."""
        target = self.stack[-1]
        if not isinstance(target, set):
            raise damaged("its pickle adds to what is no set")
        target.update(safe.key_of(value) for value in values)

    def remember(self, place: int) -> None:
        """Give the value on the stack a number."""
        self.memo[place] = self.stack[-1]

    # ---- names and calls

    def name(self, module: str, name: str) -> None:
        """Put what a name stands for on the stack."""
        self.push(safe.find(module, name))

    def stack_name(self) -> None:
        """STACK_GLOBAL."""
        name, module = self.pop(), self.pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise damaged("its pickle has a name that is no text")
        self.name(module, name)

    def reduce(self) -> None:
        """REDUCE."""
        args, function = self.pop(), self.pop()
        self.push(safe.call(function, args))

    def new(self, with_keywords: bool) -> None:
        """NEWOBJ: an object of a class that the user has allowed, without calling its `__init__`."""
        keywords = self.pop() if with_keywords else {}
        args, kind = self.pop(), self.pop()
        if isinstance(kind, Global) and not keywords:
            self.push(safe.call(kind, args))
            return
        if not (isinstance(kind, type) and safe.is_allowed(kind)):
            raise damaged(f"its pickle makes an object of {kind!r:.60}")
        self.push(kind.__new__(kind, *args, **keywords))

    def build(self) -> None:
        """BUILD: give the object on the stack its state."""
        state, target = self.pop(), self.stack[-1]
        if type(target) is np.dtype or isinstance(target, np.dtype):
            safe.set_dtype(target, state)
        elif type(target) is np.ndarray:
            safe.set_array(target, state)
        elif safe.is_allowed(type(target)):
            _give_state(target, state)
        elif isinstance(target, dict) and type(target) is not dict and isinstance(state, dict):
            # A state_dict carries `_metadata`.
            target.__dict__.update((_text(key), value) for key, value in state.items())
        elif isinstance(target, Tensor):
            raise damaged("its pickle gives a tensor a state")
        else:
            raise damaged(f"its pickle gives a {type(target).__name__} a state")


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise damaged("an attribute's name is no text")
    return key


def _give_state(target: Any, state: Any) -> None:
    """As pickle does: `__setstate__`, else attributes."""
    if hasattr(type(target), "__setstate__"):
        target.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    for key, value in (state or {}).items():
        target.__dict__[_text(key)] = value
    for key, value in (slots or {}).items():
        setattr(target, _text(key), value)


_STOP = ord(".")
_Operation = Callable[[Unpickler], None]


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _py2_text(data: bytes) -> str:
    return data.decode("utf-8")


def _tuple_of(count: int) -> _Operation:
    def make(u: Unpickler) -> None:
        parts = tuple(u.pop() for _ in range(count))
        u.push(parts[::-1])

    return make


_OPERATIONS: dict[int, _Operation] = {
    ord(code): operation
    for code, operation in {
        "\x80": lambda u: _protocol(u.number("<B")),
        "\x95": lambda u: u.number("<Q"),
        "(": lambda u: u.push(_MARK),
        "0": lambda u: u.stack.pop(),
        "1": lambda u: u.marked(),
        "2": lambda u: u.push(u.stack[-1]),
        "N": lambda u: u.push(None),
        "\x88": lambda u: u.push(True),
        "\x89": lambda u: u.push(False),
        "J": lambda u: u.push(u.number("<i")),
        "K": lambda u: u.push(u.number("<B")),
        "M": lambda u: u.push(u.number("<H")),
        "\x8a": lambda u: u.push(_little(u.take(u.number("<B")))),
        "\x8b": lambda u: u.push(_little(u.take(u.number("<i")))),
        "G": lambda u: u.push(u.number(">d")),
        "X": lambda u: u.push(u.take(u.number("<I")).decode("utf-8", "surrogatepass")),
        "\x8c": lambda u: u.push(u.take(u.number("<B")).decode("utf-8", "surrogatepass")),
        "\x8d": lambda u: u.push(u.take(u.number("<Q")).decode("utf-8", "surrogatepass")),
        "T": lambda u: u.push(_py2_text(u.take(u.number("<i")))),
        "U": lambda u: u.push(_py2_text(u.take(u.number("<B")))),
        "B": lambda u: u.push(u.take(u.number("<I"))),
        "C": lambda u: u.push(u.take(u.number("<B"))),
        "\x8e": lambda u: u.push(u.take(u.number("<Q"))),
        "\x96": lambda u: u.push(bytearray(u.take(u.number("<Q")))),
        "]": lambda u: u.push([]),
        ")": lambda u: u.push(()),
        "}": lambda u: u.push({}),
        "\x8f": lambda u: u.push(set()),
        "l": lambda u: u.push(u.marked()),
        "t": lambda u: u.push(tuple(u.marked())),
        "\x85": _tuple_of(1),
        "\x86": _tuple_of(2),
        "\x87": _tuple_of(3),
        "\x91": lambda u: u.push(frozenset(safe.key_of(value) for value in u.marked())),
        "a": lambda u: u.values_into([u.pop()]),
        "e": lambda u: u.values_into(u.marked()),
        "s": lambda u: u.pairs_into([u.pop(), u.pop()][::-1]),
        "u": lambda u: u.pairs_into(u.marked()),
        "\x90": lambda u: u.keys_into(u.marked()),
        "q": lambda u: u.remember(u.number("<B")),
        "r": lambda u: u.remember(u.number("<I")),
        "\x94": lambda u: u.remember(len(u.memo)),
        "h": lambda u: u.push(u.memo[u.number("<B")]),
        "j": lambda u: u.push(u.memo[u.number("<I")]),
        "c": lambda u: u.name(u.line(), u.line()),
        "\x93": lambda u: u.stack_name(),
        "R": lambda u: u.reduce(),
        "\x81": lambda u: u.new(False),
        "\x92": lambda u: u.new(True),
        "b": lambda u: u.build(),
        "Q": lambda u: u.push(u.persistent(u.pop())),
    }.items()
}  # fmt: skip


def _protocol(number: int) -> None:
    if not 2 <= number <= 5:
        raise damaged(f"its pickle is of protocol {number}; 2 to 5 are read")
