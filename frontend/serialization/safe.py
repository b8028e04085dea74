"""What a checkpoint may name: a fixed table, and what the user has added to it.

Names that are not known never become objects: nothing is imported and nothing runs because a file says so.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ingot.serialization.errors import UnsafeGlobalError, damaged
from ingot.serialization.rebuild import FUNCTIONS, STORAGES, UNTYPED, Global, dtype_called
from ingot.tensor import Device, Parameter, Size, Tensor

# Element types by the names that NumPy pickles give them; no objects, texts and records.
_NUMPY_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16")

# Names of PyTorch's dtypes, of which ingot has some.
_TORCH_DTYPE = re.compile(r"bool|(q?u?int|b?float|complex|bits)\d\w*")

_user: dict[str, Any] = {}


def full_name(obj: Any) -> str:
    """module.name, as a checkpoint names the object."""
    return f"{obj.__module__}.{obj.__qualname__}"


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let checkpoints name these classes and functions, which they may then call.

    An entry is a class or function, or a pair of one and the full name that the file has for it:
    `(ingot.nn.Linear, "torch.nn.modules.linear.Linear")`.
    """
    for entry in safe_globals:
        if isinstance(entry, tuple):
            _user[entry[1]] = entry[0]
        else:
            _user[full_name(entry)] = entry


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` was given."""
    return [obj if full_name(obj) == name else (obj, name) for name, obj in _user.items()]


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` was given."""
    _user.clear()


class safe_globals:
    """Lets checkpoints name these classes and functions inside a `with`."""

    def __init__(self, safe_globals: Iterable[Any]) -> None:
        self._added = list(safe_globals)
        self._before: dict[str, Any] = {}

    def __enter__(self) -> None:
        self._before = dict(_user)
        add_safe_globals(self._added)

    def __exit__(self, *error: object) -> None:
        _user.clear()
        _user.update(self._before)


# ---- what is called for names of Python's and NumPy's, with arguments that a file cannot misuse


def key_of(value: Any, depth: int = 0) -> Any:
    """The value, if it can be a key: hashing runs nothing of the user's and does not nest deeply."""
    if isinstance(value, (str, int, float, bool, bytes, complex, type(None), np.generic, Tensor)):
        return value
    if isinstance(value, (tuple, frozenset)) and depth < 32:
        for part in value:
            key_of(part, depth + 1)
        return value
    if value in _CONSTANTS.values() or isinstance(value, Device) or type(value).__module__ != "builtins":
        return value
    raise damaged(f"a {type(value).__name__} is the key of a dict")


def _keys(values: Any) -> list[Any]:
    if not isinstance(values, (list, tuple)):
        raise damaged("a set is not made of a list")
    return [key_of(value) for value in values]


def _set(values: Any = ()) -> set[Any]:
    return set(_keys(values))


def _frozenset(values: Any = ()) -> frozenset[Any]:
    return frozenset(_keys(values))


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    return OrderedDict([(key_of(key), value) for key, value in pairs])


def _counter(counts: Any = None) -> Counter[Any]:
    if not isinstance(counts, (dict, type(None))):
        raise damaged("a Counter is not made of a dict")
    return Counter(counts)


def _defaultdict(factory: Any = None) -> defaultdict[Any, Any]:
    factory = set if factory is _SET else factory
    if factory is not None and factory not in _FACTORIES:
        raise damaged("a defaultdict has an unknown default")
    return defaultdict(factory)


def _deque(values: Any = (), limit: Any = None) -> deque[Any]:
    if not isinstance(values, (list, tuple)) or not isinstance(limit, (int, type(None))):
        raise damaged("a deque is not made of a list")
    return deque(values, limit)


def _complex(real: Any, imag: Any) -> complex:
    return complex(float(real), float(imag))


def _bytearray(data: Any = b"", encoding: Any = None) -> bytearray:
    if isinstance(data, str):
        return bytearray(_encoded(data, encoding))
    if not isinstance(data, bytes):
        raise damaged("a bytearray is not made of bytes")
    return bytearray(data)


def _no_bytes() -> bytes:
    """Protocol 2 writes b"" as a call."""
    return b""


def _encoded(text: Any, encoding: Any = None) -> bytes:
    """Protocol 2 has no bytes: they are texts of the same code points."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise damaged("bytes are not stored as latin1")
    return text.encode("latin-1")


def _range(*bounds: Any) -> range:
    return range(*(int(bound) for bound in bounds))


def _slice(*bounds: Any) -> slice:
    return slice(*bounds)


def _dtype(name: Any, align: Any = False, copy: Any = True) -> np.dtype[Any]:
    if not isinstance(name, str) or not _NUMPY_DTYPE.fullmatch(name):
        raise damaged(f"a NumPy dtype {name!r} is none of plain numbers")
    # A copy of its own, as the byte order is set later.
    made: np.dtype[Any] = np.dtype(name, False, True)
    return made


def set_dtype(dtype: np.dtype[Any], state: Any) -> None:
    """Give a NumPy dtype the byte order of its pickled state."""
    if not isinstance(state, tuple) or len(state) != 8 or state[2:] != (None, None, None, -1, -1, 0):
        raise damaged("a NumPy dtype is none of plain numbers")
    if state[1] not in ("<", ">", "|", "="):
        raise damaged(f"a NumPy dtype has byte order {state[1]!r}")
    dtype.__setstate__((3, state[1], None, None, None, -1, -1, 0))  # type: ignore[attr-defined]


def _array(kind: Any, shape: Any, code: Any) -> np.ndarray[Any, Any]:
    if kind is not np.ndarray:
        raise damaged("a NumPy array is of a class of its own")
    return np.empty(0, np.int8)


def set_array(array: np.ndarray[Any, Any], state: Any) -> None:
    """Give a NumPy array the contents of its pickled state: (version, shape, dtype, whether column-major, bytes)."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise damaged("a NumPy array has no contents")
    _, shape, dtype, columns, data = state
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(data, (bytes, bytearray)):
        raise damaged("a NumPy array is not made of bytes")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise damaged(f"a NumPy array has shape {shape!r}")
    set_state: Any = array.__setstate__
    set_state((1, shape, dtype, bool(columns), bytes(data)))


def _scalar(dtype: Any, data: Any) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(data, bytes):
        raise damaged("a NumPy number is not made of bytes")
    return np.frombuffer(data, dtype)[0]


_SET = Global("builtins", "set", _set)
_FACTORIES: tuple[type, ...] = (int, float, str, bool, list, dict, set, tuple)

# Names that stand for a value; calling one is not allowed.
_CONSTANTS: dict[str, Any] = {
    **{f"builtins.{kind.__name__}": kind for kind in _FACTORIES if kind is not set},
    "numpy.ndarray": np.ndarray,
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
}
_CALLED: dict[str, Any] = {
    "builtins.set": _SET,
    "builtins.frozenset": Global("builtins", "frozenset", _frozenset),
    "builtins.complex": Global("builtins", "complex", _complex),
    "builtins.bytearray": Global("builtins", "bytearray", _bytearray),
    "builtins.bytes": Global("builtins", "bytes", _no_bytes),
    "builtins.range": Global("builtins", "range", _range),
    "builtins.slice": Global("builtins", "slice", _slice),
    "collections.OrderedDict": Global("collections", "OrderedDict", _ordered),
    "collections.Counter": Global("collections", "Counter", _counter),
    "collections.defaultdict": Global("collections", "defaultdict", _defaultdict),
    "collections.deque": Global("collections", "deque", _deque),
    "_codecs.encode": Global("_codecs", "encode", _encoded),
    "numpy.dtype": Global("numpy", "dtype", _dtype),
    "numpy._core.multiarray._reconstruct": Global("numpy._core.multiarray", "_reconstruct", _array),
    "numpy._core.multiarray.scalar": Global("numpy._core.multiarray", "scalar", _scalar),
}
_STORAGE_CLASSES = {f"{kind.module}.{kind.name}": kind for kind in (UNTYPED, *STORAGES.values())}
_FUNCTIONS = {repr(function): function for function in FUNCTIONS}
# Python 2's names, which protocol 2 uses.
_RENAMED = {"long": "int", "unicode": "str", "xrange": "range"}


def find(module: str, name: str) -> Any:
    """What a checkpoint means by a name. Raises UnsafeGlobalError (IG407) for one that nobody has allowed."""
    full = f"{module}.{name}"
    if full in _user:
        return _user[full]
    known = _known(_renamed(module, name))
    if known is not None:
        return known
    if module == "torch" and _TORCH_DTYPE.fullmatch(name):
        return dtype_called(name)
    raise UnsafeGlobalError(
        "IG407",
        f"the checkpoint names {full}, which is not allowed: a file could run code through it",
        detail=["whether or not weights_only is given, only tensors and plain containers are read by themselves"],
        fix=f"ingot.serialization.add_safe_globals([{name}]), for a class of your own, or "
        f'[(YourClass, "{full}")], if you trust the file',
    )


def _renamed(module: str, name: str) -> str:
    if module == "__builtin__":
        return f"builtins.{_RENAMED.get(name, name)}"
    return f"{module}.{name}".replace("numpy.core.multiarray", "numpy._core.multiarray")


def _known(full: str) -> Any:
    # torch.cuda.FloatStorage is where the memory was; it is on the CPU here.
    storage = _STORAGE_CLASSES.get(full.replace("torch.cuda.", "torch."))
    return _CONSTANTS.get(full) or _CALLED.get(full) or _FUNCTIONS.get(full) or storage


def is_known(module: str, name: str) -> bool:
    """Whether a checkpoint may name it."""
    full = f"{module}.{name}"
    if full in _user or _known(_renamed(module, name)) is not None:
        return True
    return module == "torch" and _TORCH_DTYPE.fullmatch(name) is not None


def is_allowed(obj: Any) -> bool:
    """Whether the user has allowed this class or function."""
    return any(obj is known for known in _user.values())


def call(function: Any, args: Any) -> Any:
    """Call what a checkpoint names; only functions of the table, and the user's."""
    if not isinstance(args, tuple):
        raise damaged("a function is not given a tuple")
    if isinstance(function, Global) or is_allowed(function):
        called: Callable[..., Any] = function
        return called(*args)
    raise damaged(f"{function!r:.60} is called")


# What the pickler writes for classes of ingot's.
CLASS_NAMES: dict[Any, tuple[str, str]] = {
    Tensor: ("torch", "Tensor"),
    Parameter: ("torch.nn.parameter", "Parameter"),
    Size: ("torch", "Size"),
    Device: ("torch", "device"),
}
