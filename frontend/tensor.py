"""Tensor: storage and layout, concrete or traced, with PyTorch's methods."""

from __future__ import annotations

import functools
import operator
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ingot import composite, copying, core, creation, mutation
from ingot.autograd import hooks, walk
from ingot.composite_recording import record_call
from ingot.core import is_traced, version_of
from ingot.functional import arithmetic, joining, reductions, shaping
from ingot.functional.conversion import check_single, elements
from ingot.gate import detached
from ingot.handles import RemovableHandle
from ingot.limits import channels_last, contiguous_format, preserve_format, strided
from ingot.modes import Defaults, bump_epoch, modes
from ingot.printing import tensor_text
from ingot.promote import host_scalars
from ingot.runtime import dispatch
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, GradError, OperandError, ShapeError, SpecError, TraceError
from ingot.runtime.storage import Storage
from ingot.source_lines import user_line
from ingot.tape import needs_grad
from ingot.tensor_methods import TensorMethods

# The class has methods of these names.
_int = int
_float = float
_bool = bool


_item = tuple.__getitem__


class Size(tuple[Any, ...]):
    """A shape: a tuple that prints as ingot.Size([2, 3])."""

    __slots__ = ()

    def numel(self) -> Any:
        """The number of elements."""
        return functools.reduce(operator.mul, self, 1)

    def __getitem__(self, index: Any) -> Any:
        found = _item(self, index)
        return Size(found) if type(index) is slice else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, other))

    def __mul__(self, count: Any) -> Size:
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"ingot.Size([{', '.join(map(str, self))}])"


# The kinds of devices that PyTorch's programs name.
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hip", "xla", "mtia", "hpu", "vulkan", "meta", "privateuseone")


class Device:
    """Where a tensor lives. Other devices than the CPU can be named, not used. Raises SpecError (IG234) for no device.

    Given as "cuda", "cuda:1", ("cuda", 1), a number (of a GPU) or another Device. `with device:` changes nothing.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name, _, number = (f"cuda:{type}" if isinstance(type, int) else str(type)).partition(":")
        if name not in _DEVICES or (number and not number.isdecimal()):
            raise SpecError("IG234", f"there is no device {type!s}: {', '.join(_DEVICES)}", where=user_line())
        self.type = name
        self.index = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{number})"

    def __enter__(self) -> Device:
        creation.check_device(self)
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.type, self.index)


CPU = Device()


class Tensor(TensorMethods):
    """An array of elements of one dtype, which operations combine, record and differentiate.

    Made by `ingot.tensor`, `ingot.zeros`, ...; views share memory, and in-place methods (`add_`) write to it.
    """

    __slots__ = ()

    # NumPy's operators leave the other operand to ours.
    __array_priority__ = 1000

    def __new__(cls, *data: Any, device: Any = None) -> Tensor:
        creation.check_device(device)
        made = creation.constructed(data, Defaults.dtype)
        if cls is not Tensor:
            made = core.new_tensor(made._layout, made._storage, made._offset, cls)
        return made

    # ---- what a tensor is

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self._layout.shape)

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self._layout.dtype

    @property
    def ndim(self) -> _int:
        """The number of dimensions."""
        return self._layout.ndim

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return CPU

    @property
    def itemsize(self) -> _int:
        """Bytes per element."""
        return self._layout.itemsize

    @property
    def nbytes(self) -> _int:
        """Bytes of all elements."""
        return self._layout.nbytes

    @property
    def requires_grad(self) -> _bool:
        """Whether `backward` computes a gradient for this tensor."""
        return needs_grad(self)

    @requires_grad.setter
    def requires_grad(self, value: _bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> _bool:
        """Whether the tensor was made by the user and not by recorded operations."""
        return not needs_grad(self) or self._node is None

    @property
    def grad_fn(self) -> Any:
        """The operation on the tape that made the tensor; None for a leaf."""
        needs_grad(self)
        return self._node

    @property
    def grad(self) -> Any:
        """The accumulated gradient, a Tensor; None before the first `backward`."""
        trace = modes.trace
        if trace is not None and not is_traced(self):
            return trace.grad_of(self)
        if self._grad is None and self._node is not None and self._node.retained is None and needs_grad(self):
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(); x.retain_grad() keeps it",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            hooks.check_gradient(self, value)
        trace = modes.trace
        if trace is not None and not is_traced(self):
            trace.set_grad(self, value)
        else:
            self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def data(self) -> Tensor:
        """The same memory, off the tape."""
        return detached(self)

    @data.setter
    def data(self, value: Tensor) -> None:
        if modes.trace is not None:
            self._show_in_trace(value)
            return
        self._layout, self._storage, self._offset = value._layout, value._storage, value._offset
        if id(self) in core.captured_tensors:
            bump_epoch()

    def _show_in_trace(self, value: Tensor) -> None:
        """`data = value` in compiled code: a tensor made there shows the other memory; what lies outside is written.

        Raises TraceError (IG189) for a tensor from outside and a value of another dtype or shape.
        """
        storage = self._storage
        if type(storage) is core.TracedStorage and storage.origin is None and storage.trace is modes.trace:
            other = detached(value)
            self._layout, self._storage, self._offset, self._view = (
                other._layout,
                other._storage,
                other._offset,
                other._view,
            )
            return
        own, given = self._layout, value._layout
        if given.dtype is not own.dtype or given.shape != own.shape:
            raise TraceError(
                "IG189",
                "a tensor from outside of compiled code keeps its dtype and shape there: it was given data of dtype "
                f"{given.dtype} and shape {list(given.shape)}",
                where=user_line(),
                detail=[f"it has dtype {own.dtype} and shape {list(own.shape)}"],
                fix="module.to(dtype) or tensor.data = value before the compiled function is called",
            )
        before, modes.grad = modes.grad, False
        try:
            mutation.assign(self, value)
        finally:
            modes.grad = before

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return shaping.permute(self, tuple(reversed(range(self._layout.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shaping.transpose(self, -2, -1)

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix."""
        if self._layout.ndim not in (0, 2):
            raise ShapeError(
                "IG222",
                f"tensor.H is only supported on matrices (2-D tensors). Got {self._layout.ndim}-D tensor.",
                where=user_line(),
                fix="x.mH",
            )
        return self.T

    mH = mT

    def adjoint(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shaping.transpose(self, -2, -1)

    @property
    def _version(self) -> _int:
        """How often the memory was written to in place."""
        return version_of(self._storage)

    def dim(self) -> _int:
        """The number of dimensions."""
        return self._layout.ndim

    ndimension = dim

    def size(self, dim: _int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self._layout.shape[reductions.axis_of(self, dim)]

    def numel(self) -> Any:
        """The number of elements."""
        return self._layout.numel

    nelement = numel

    def element_size(self) -> _int:
        """Bytes per element."""
        return self._layout.itemsize

    def stride(self, dim: _int | None = None) -> Any:
        """The steps in memory between neighbours, in elements: of all dimensions, or of one."""
        return self._layout.strides if dim is None else self._layout.strides[reductions.axis_of(self, dim)]

    def storage_offset(self) -> _int:
        """Where in the storage the first element is, in elements."""
        return self._offset

    def data_ptr(self) -> _int:
        """The address of the first element."""
        elements(self, "data_ptr()")
        return self._storage.data_ptr() + self._offset * self._layout.itemsize  # type: ignore[union-attr]

    def is_contiguous(self, memory_format: Any = contiguous_format) -> _bool:
        """Whether the elements lie in row-major order (or with the second dimension last, for channels_last)."""
        if memory_format is contiguous_format or memory_format is preserve_format:
            return self._layout.contiguous
        layout = self._layout
        if layout.ndim != (4 if memory_format is channels_last else 5):
            return False
        order = (0, *range(2, layout.ndim), 1)
        moved = core.layout_of(layout.dtype, tuple(layout.shape[i] for i in order))
        return moved.strides == tuple(layout.strides[i] for i in order)

    def is_floating_point(self) -> _bool:
        """Whether the dtype is a floating one."""
        return self._layout.dtype.is_floating_point

    def is_complex(self) -> _bool:
        """False: there are no complex dtypes."""
        return False

    is_cpu = True
    is_cuda = is_xpu = is_mps = is_xla = is_meta = is_mkldnn = is_vulkan = is_ipu = is_maia = is_mtia = False
    is_sparse = is_sparse_csr = is_quantized = is_nested = False
    layout = strided
    name = None
    output_nr = 0
    volatile = False

    @property
    def real(self) -> Tensor:
        """The tensor itself: there are no complex dtypes."""
        return self

    @property
    def imag(self) -> Tensor:
        """Raises OperandError (IG347): there are no complex dtypes."""
        raise OperandError("IG347", "imag is not implemented for tensors with non-complex dtypes.", where=user_line())

    # ---- Python's protocols

    def __array__(self, dtype: Any = None, copy: _bool | None = None) -> np.ndarray[Any, Any]:
        elements(self, "a NumPy function")
        array = self.numpy()
        if copy:
            return np.array(array, dtype=dtype)
        return array if dtype is None else array.astype(dtype, copy=False)

    def __bool__(self) -> _bool:
        array = elements(self, "bool()")
        if self._layout.numel != 1:
            raise ShapeError(
                "IG238",
                "Boolean value of Tensor with more than one value is ambiguous"
                if self._layout.numel
                else "Boolean value of Tensor with no values is ambiguous",
                where=user_line(),
                fix="x.any() or x.all()",
            )
        return bool(array.item())

    def __int__(self) -> _int:
        elements(self, "int()")
        check_single(self)
        return int(self.item())

    def __float__(self) -> _float:
        elements(self, "float()")
        check_single(self)
        return float(self.item())

    def __index__(self) -> _int:
        elements(self, "an index or a size")
        if self._layout.dtype.is_floating_point or self._layout.numel != 1:
            raise DTypeError(
                "IG239",
                f"only integer tensors of a single element can be converted to an index, not {self._layout!r}",
                where=user_line(),
            )
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(float(self))

    def __reversed__(self) -> Tensor:
        """The rows in reverse order."""
        reverse: Tensor = joining.flip(self, (0,)) if self._layout.ndim else self
        return reverse

    def __delitem__(self, key: Any) -> None:
        raise DTypeError("IG214", "Tensor does not support deleting items", where=user_line(), fix="cat of the rest")

    def as_subclass(self, cls: Any) -> Any:
        """The same memory and place on the tape as an object of a subclass."""
        made = core.new_tensor(self._layout, self._storage, self._offset, cls)
        made._requires_grad, made._node, made._view = needs_grad(self), self._node, self._view
        return made

    def __len__(self) -> _int:
        if self._layout.ndim == 0:
            raise DTypeError("IG240", "len() of a 0-d tensor", where=user_line())
        return self._layout.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._layout.ndim == 0:
            raise DTypeError("IG240", "iteration over a 0-d tensor", where=user_line())
        return iter(shaping.unbind(self, 0))

    def __contains__(self, element: Any) -> _bool:
        return bool(arithmetic.eq(self, element).any())

    def __hash__(self) -> _int:
        return id(self)

    def __repr__(self) -> str:
        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        if self._layout.ndim == 0 and not is_traced(self):
            return format(self.item(), spec)
        if spec and is_traced(self):
            elements(self, "a formatted text")
        return object.__format__(self, spec) if spec else repr(self)

    def __copy__(self) -> Tensor:
        if self._node is not None:
            return self
        made = core.new_tensor(self._layout, self._storage, self._offset, type(self))
        made._view, made._requires_grad = detached(self)._view, self._requires_grad
        return made  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copying.deep_copied(self, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return copying.reduced(self)

    # ---- the tape

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: _bool | None = None,
        create_graph: _bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the derivatives of this tensor to the `.grad` of the leaves it depends on."""
        given = None if gradient is None else [gradient]
        walk.backward(self, given, retain_graph, create_graph, inputs=inputs)

    def requires_grad_(self, requires_grad: _bool = True) -> Tensor:
        """Make the tensor a leaf that `backward` computes a gradient for. Raises GradError (IG313) for integers."""
        if requires_grad:
            hooks.check_floating(self)
        if not requires_grad and self._node is not None:
            raise GradError(
                "IG314",
                "you can only change requires_grad flags of leaf variables",
                where=user_line(),
                fix="x = x.detach()",
            )
        if self._node is None and requires_grad is not self._requires_grad:
            trace = modes.trace
            if trace is not None:
                trace.remember(self)
            self._requires_grad = requires_grad
            if requires_grad and self._view is not None:
                # A leaf of its own, whatever happens to what it is a view of.
                self._view.parent = None
            if id(self) in core.captured_tensors:
                bump_epoch()
        return self

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        return detached(self)

    def detach_(self) -> Tensor:
        """Take this tensor off the tape. Raises GradError (IG314) for a view."""
        if needs_grad(self) and self._view is not None and self._view.parent is not None:
            raise GradError(
                "IG314",
                "Can't detach views in-place. Use detach() instead.",
                where=user_line(),
                detail=[f"the view is {self._layout!r}"],
                fix="x = x.detach()",
            )
        if modes.trace is not None:
            modes.trace.remember(self)
        self._node = None
        self._requires_grad = False
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf in `.grad`."""
        if not needs_grad(self):
            raise GradError(
                "IG303",
                "can't retain_grad on Tensor that has requires_grad=False",
                where=user_line(),
                detail=[f"it is {self._layout!r}"],
                fix="x.requires_grad_() before the computation",
            )
        if self._node is not None:
            self._node.retained = weakref.ref(self)

    @property
    def retains_grad(self) -> _bool:
        """Whether `retain_grad` was asked for."""
        return self._node is not None and self._node.retained is not None

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook` with the gradient in `backward`; it may return another. Returns what removes it."""
        return hooks.tensor_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook` with this leaf once `backward` has added to its `.grad`. Returns what removes it."""
        return hooks.post_accumulate_hook(self, hook)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor's elements where the condition holds, else those of `other`."""
        chosen: Tensor = arithmetic.where(condition, self, other)
        return chosen


class Parameter(Tensor):
    """A tensor that a module owns and an optimiser updates; a leaf that requires grad unless told otherwise.

    It can have attributes of the user's own, as other tensors cannot.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: _bool = True) -> Parameter:
        if data is None:
            data = creation.empty(0)
        if requires_grad:
            hooks.check_floating(data)
        made: Parameter = core.new_tensor(data._layout, data._storage, data._offset, cls)
        made._view = data.detach()._view
        made._requires_grad = requires_grad
        return made

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class HostScalar(Tensor):
    """A traced float64 scalar that stands for a Python number read at every call; it promotes as Python floats do."""

    __slots__ = ()


core.tensor_class[0] = Tensor
composite.tensor_kinds.update((Tensor, Parameter))
composite.recorders.append(record_call)
host_scalars.append(HostScalar)


dispatch.install(
    (Tensor, Parameter),
    Storage,
    slots={"layout": "_layout", "storage": "_storage", "offset": "_offset"},
    defaults={"_requires_grad": False, "_grad": None, "_node": None, "_view": None},
)
