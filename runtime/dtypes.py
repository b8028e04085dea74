"""The dtype table: interned element types, their names, and PyTorch's promotion lattice."""

from typing import TYPE_CHECKING, Any

from ingot.runtime.errors import DTypeError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np


class DType:
    """An element type. One object per type exists, so `is` compares.

    `kind` is 'b' bool, 'u' unsigned, 'i' signed, 'f' floating; `itemsize` is in bytes.
    """

    __slots__ = ("_numpy", "bits", "is_floating_point", "is_signed", "itemsize", "kind", "name", "short")

    name: str
    short: str
    itemsize: int
    kind: str
    bits: int
    is_floating_point: bool
    is_signed: bool
    _numpy: "np.dtype[Any] | None"

    # There are no complex dtypes.
    is_complex = False

    def __init__(self, name: str, short: str, itemsize: int, kind: str) -> None:
        self.name = name
        self.short = short
        self.itemsize = itemsize
        self.kind = kind
        self.bits = 8 * itemsize
        self.is_floating_point = kind == "f"
        self.is_signed = kind in "if"
        self._numpy = None

    @property
    def numpy(self) -> "np.dtype[Any]":
        """The NumPy dtype; bfloat16 is ml_dtypes'."""
        if self._numpy is None:
            self._numpy = _numpy_dtype(self.name)
        return self._numpy

    def __repr__(self) -> str:
        return f"ingot.{self.name}"

    def __reduce__(self) -> tuple[object, ...]:
        return by_name, (self.name,)

    def __copy__(self) -> "DType":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "DType":
        return self


def _numpy_dtype(name: str) -> "np.dtype[Any]":
    # Loaded here because neither package may load with `import ingot`.
    import numpy as np

    if name == "bfloat16":
        import ml_dtypes

        bfloat16_type: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16_type
    return np.dtype(name)


bool_ = DType("bool", "bool", 1, "b")
uint8 = DType("uint8", "u8", 1, "u")
int8 = DType("int8", "i8", 1, "i")
int16 = DType("int16", "i16", 2, "i")
int32 = DType("int32", "i32", 4, "i")
int64 = DType("int64", "i64", 8, "i")
uint32 = DType("uint32", "u32", 4, "u")
uint64 = DType("uint64", "u64", 8, "u")
float16 = DType("float16", "f16", 2, "f")
bfloat16 = DType("bfloat16", "bf16", 2, "f")
float32 = DType("float32", "f32", 4, "f")
float64 = DType("float64", "f64", 8, "f")

ALL: tuple[DType, ...] = (
    bool_,
    uint8,
    int8,
    int16,
    int32,
    int64,
    uint32,
    uint64,
    float16,
    bfloat16,
    float32,
    float64,
)

# Python's types as names of dtypes: `dtype=float` means float64, whatever the default dtype is.
OF_PYTHON: dict[object, DType] = {float: float64, int: int64, bool: bool_}

_BY_NAME = {dtype.name: dtype for dtype in ALL}
_BY_SHORT = {dtype.short: dtype for dtype in ALL}
# Filled as NumPy dtypes are seen, so that looking up a known one costs one dict access.
_BY_NUMPY: dict[Any, DType] = {}


def by_name(name: str) -> DType:
    """The dtype called "float32", "bool", ... Raises UnknownNameError (IG205)."""
    return _look_up(_BY_NAME, name)


def by_short(short: str) -> DType:
    """The dtype with short name "f32", "i64", "bool", ... Raises UnknownNameError (IG205)."""
    return _look_up(_BY_SHORT, short)


def _look_up(table: dict[str, DType], name: str) -> DType:
    if name in table:
        return table[name]
    raise UnknownNameError("IG205", f"there is no dtype {name!r}", detail=["known: " + ", ".join(table)])


def from_numpy(dtype: "np.dtype[Any] | type") -> DType:
    """The dtype of a NumPy dtype or scalar type, in native byte order. Raises DTypeError (IG205)."""
    found = _BY_NUMPY.get(dtype)
    if found is None:
        found = _BY_NUMPY[dtype] = _from_numpy(dtype)
    return found


def _from_numpy(dtype: "np.dtype[Any] | type") -> DType:
    import numpy as np

    given = np.dtype(dtype)
    if given.name in _BY_NAME and given.isnative:
        return _BY_NAME[given.name]
    why = "its byte order is not this machine's" if not given.isnative else "ingot has no such element type"
    raise DTypeError(
        "IG205",
        f"NumPy dtype {given} cannot be used: {why}",
        fix="convert the array first, for example array.astype(np.float32)",
    )


# PyTorch's c10/core/ScalarType.cpp `promoteTypes`, by kind: bool < integers < floats, any float beats any integer,
# uint8 meets a signed type in the next larger signed type, and the two half types meet in float32.
_SIGNED_ORDER = (int8, int16, int32, int64)
_WIDE_UNSIGNED = (uint32, uint64)


def promote(a: DType, b: DType) -> DType:
    """The common dtype of two tensors, by PyTorch's lattice. Raises DTypeError (IG204) where PyTorch has none."""
    if a is b or b is bool_:
        return a
    if a is bool_:
        return b
    if a.is_floating_point and b.is_floating_point:
        return _promote_floats(a, b)
    if a.is_floating_point or b.is_floating_point:
        return a if a.is_floating_point else b
    if a in _WIDE_UNSIGNED or b in _WIDE_UNSIGNED:
        raise DTypeError(
            "IG204",
            f"{a} and {b} have no common dtype",
            fix=f"convert one side, for example x.to({int64})",
        )
    if a is uint8 or b is uint8:
        signed = b if a is uint8 else a
        return int16 if signed is int8 else signed
    return max(a, b, key=_SIGNED_ORDER.index)


def _promote_floats(a: DType, b: DType) -> DType:
    if a.itemsize == b.itemsize:
        return float32
    return a if a.itemsize > b.itemsize else b
