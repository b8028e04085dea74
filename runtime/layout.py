"""Shape, stride and offset arithmetic on tuples, and the interned Layout. Strides and offsets are in elements."""

import math
import operator
import threading
from collections.abc import Sequence
from functools import lru_cache
from weakref import WeakValueDictionary

from ingot.runtime.dtypes import DType
from ingot.runtime.errors import AxisError, ShapeError

Shape = tuple[int, ...]


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides. As in PyTorch a size of 0 counts as 1."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def numel(shape: Shape) -> int:
    """The number of elements; 1 for ()."""
    return math.prod(shape)


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether elements lie in row-major order without gaps; strides of dimensions of size 1 do not matter."""
    if 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape under NumPy broadcasting. Raises ShapeError (IG201) with all shapes."""
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for axis, size in enumerate(shape, ndim - len(shape)):
            if size == 1 or size == result[axis]:
                continue
            if result[axis] != 1:
                raise ShapeError(
                    "IG201",
                    "shapes " + " and ".join(map(str, shapes)) + " cannot be broadcast together",
                    detail=[f"dimension {axis - ndim}: {result[axis]} against {size}"],
                )
            result[axis] = size
    return tuple(result)


def normalize_dim(dim: int, ndim: int) -> int:
    """`dim` counted from 0. Raises AxisError (IG202) outside [-ndim, ndim)."""
    if -ndim <= dim < ndim:
        return dim % ndim
    raise AxisError("IG202", f"dimension {dim} is out of range for a tensor with {ndim} dimensions")


def resolve_shape(new_shape: Sequence[int], count: int) -> Shape:
    """`new_shape` with at most one -1 replaced so that it has `count` elements. Raises ShapeError (IG203)."""
    unknown = [axis for axis, size in enumerate(new_shape) if size == -1]
    known = math.prod(size for size in new_shape if size != -1)
    if len(unknown) > 1 or any(size < -1 for size in new_shape):
        raise ShapeError("IG203", f"{tuple(new_shape)} is not a shape: sizes are not negative, and at most one is -1")
    if unknown:
        if known == 0 or count % known:
            raise ShapeError("IG203", f"shape {tuple(new_shape)} does not fit {count} elements")
        return tuple(count // known if size == -1 else size for size in new_shape)
    if known != count:
        raise ShapeError("IG203", f"shape {tuple(new_shape)} has {known} elements, the tensor has {count}")
    return tuple(new_shape)


def view_strides(shape: Shape, strides: Shape, new_shape: Shape) -> Shape | None:
    """Strides that show the same memory as `new_shape`, or None when only a copy can.

    PyTorch's rule (ATen/TensorUtils.cpp computeStride): neighbouring axes merge when
    strides[i] == strides[i + 1] * shape[i + 1], and each merged run may be split freely.
    Raises ShapeError (IG203) when the element counts differ.
    """
    if numel(shape) != numel(new_shape):
        raise ShapeError("IG203", f"shape {new_shape} has {numel(new_shape)} elements, {shape} has {numel(shape)}")
    if 0 in shape:
        return strides if shape == new_shape else contiguous_strides(new_shape)
    runs = _contiguous_runs(shape, strides)
    result: list[int] = []
    axis = len(new_shape) - 1
    for size, stride in reversed(runs):
        covered = 1
        while axis >= 0 and (covered < size or new_shape[axis] == 1):
            result.append(stride * covered)
            covered *= new_shape[axis]
            axis -= 1
        if covered != size:
            return None
    result.extend(1 for _ in range(axis + 1))
    return tuple(reversed(result))


def _contiguous_runs(shape: Shape, strides: Shape) -> list[tuple[int, int]]:
    """Merge axes that step through memory evenly: [(elements, innermost stride)], outermost first."""
    runs: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if runs and runs[-1][1] == stride * size:
            runs[-1] = (runs[-1][0] * size, stride)
        else:
            runs.append((size, stride))
    return runs or [(1, 1)]


def storage_extent(shape: Shape, strides: Shape, offset: int) -> tuple[int, int]:
    """The half-open range of storage elements that a view touches; (0, 0) when it is empty, wherever it points."""
    if 0 in shape:
        return 0, 0
    reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    return offset + sum(step for step in reach if step < 0), offset + sum(step for step in reach if step > 0) + 1


class Layout:
    """A dtype, a shape and strides in elements, interned: equal layouts are one object while any is in use.

    `Layout.of(dtype, shape)` gives the contiguous one.
    """

    __slots__ = (
        "__weakref__",
        "contiguous",
        "dtype",
        "itemsize",
        "nbytes",
        "ndim",
        "numel",
        "shape",
        "strides",
    )

    dtype: DType
    shape: Shape
    strides: Shape
    ndim: int
    numel: int
    nbytes: int
    itemsize: int
    contiguous: bool

    def __init__(self) -> None:
        raise TypeError("layouts are interned: use Layout.of(dtype, shape, strides)")

    @staticmethod
    def of(dtype: DType, shape: Shape, strides: Shape | None = None) -> "Layout":
        """The layout. `nbytes` is that of the elements alone. Raises ShapeError (IG202) for malformed input."""
        return _recent(dtype, shape, strides)

    def __repr__(self) -> str:
        size = ",".join(map(str, self.shape))
        steps = "" if self.contiguous else f" strides ({','.join(map(str, self.strides))})"
        return f"{self.dtype.short}[{size}]{steps}"

    def __reduce__(self) -> tuple[object, ...]:
        return Layout.of, (self.dtype, self.shape, self.strides)

    def __copy__(self) -> "Layout":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "Layout":
        return self


_interned: WeakValueDictionary[tuple[DType, Shape, Shape], Layout] = WeakValueDictionary()
_lock = threading.Lock()


# Keeps recently used layouts alive and answers repeated questions at C speed; identity rests on _interned alone.
@lru_cache(maxsize=2048)
def _recent(dtype: DType, shape: Shape, strides: Shape | None) -> Layout:
    shape = tuple(map(operator.index, shape))
    if any(size < 0 for size in shape):
        raise ShapeError("IG202", f"shape {shape} has a negative size")
    strides = contiguous_strides(shape) if strides is None else tuple(map(operator.index, strides))
    if len(strides) != len(shape):
        raise ShapeError(
            "IG202", f"{len(strides)} strides {strides} were given for the {len(shape)} dimensions of {shape}"
        )
    with _lock:
        layout = _interned.get((dtype, shape, strides))
        if layout is None:
            layout = _interned[dtype, shape, strides] = _make(dtype, shape, strides)
        return layout


def _make(dtype: DType, shape: Shape, strides: Shape) -> Layout:
    layout = Layout.__new__(Layout)
    layout.dtype = dtype
    layout.shape = shape
    layout.strides = strides
    layout.ndim = len(shape)
    layout.numel = numel(shape)
    layout.itemsize = dtype.itemsize
    layout.nbytes = layout.numel * dtype.itemsize
    layout.contiguous = is_contiguous(shape, strides)
    return layout
