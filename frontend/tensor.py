"""Tensor: storage and layout, concrete or traced, with PyTorch's methods."""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ingot import autograd, core, creation, indexing, mutation
from ingot.core import TensorBase, array_of, is_traced, tensor_from_array, version_of
from ingot.functional import (
    arithmetic,
    conversion,
    gathering,
    inplace,
    joining,
    linalg,
    reductions,
    shaping,
    unary,
)
from ingot.functional.conversion import elements
from ingot.gate import detached
from ingot.modes import Defaults, modes
from ingot.printing import tensor_text
from ingot.promote import cast_to
from ingot.runtime import dispatch
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, GradError, ShapeError
from ingot.runtime.storage import Storage
from ingot.source_lines import user_line
from ingot.tape import needs_grad

# The class has methods of these names.
_int, _float, _bool = int, float, bool


class Size(tuple[Any, ...]):
    """A shape: a tuple that prints as ingot.Size([2, 3])."""

    __slots__ = ()

    def numel(self) -> Any:
        """The number of elements."""
        return functools.reduce(operator.mul, self, 1)

    def __repr__(self) -> str:
        return f"ingot.Size([{', '.join(map(str, self))}])"


class Device:
    """Where a tensor lives; the CPU."""

    __slots__ = ("index", "type")

    def __init__(self, type: str = "cpu", index: int | None = None) -> None:
        creation.check_device(type)
        self.type = "cpu"
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.type == other.type

    def __hash__(self) -> int:
        return hash(self.type)

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type='{self.type}')"


CPU = Device()


class Tensor(TensorBase):
    """An array of elements of one dtype, which operations combine, record and differentiate.

    Made by `ingot.tensor`, `ingot.zeros`, ...; views share memory, and in-place methods (`add_`) write to it.
    """

    __slots__ = ()

    # NumPy's operators leave the other operand to ours.
    __array_priority__ = 1000

    def __new__(cls, data: Any = ()) -> Tensor:
        return creation.tensor(data, dtype=Defaults.dtype)

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
    def grad(self) -> Tensor | None:
        """The accumulated gradient; None before the first `backward`."""
        trace = modes.trace
        if trace is not None and not is_traced(self):
            return trace.grad_of(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and (value._layout.shape != self._layout.shape):
            raise ShapeError(
                "IG310",
                f"assigned grad has data of a different size: {list(value._layout.shape)} for a tensor of "
                f"{list(self._layout.shape)}",
                where=user_line(),
            )
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
            before, modes.grad = modes.grad, False
            try:
                mutation.assign(self, cast_to(value, self._layout.dtype))
            finally:
                modes.grad = before
            return
        self._layout, self._storage, self._offset = value._layout, value._storage, value._offset

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return shaping.permute(self, tuple(reversed(range(self._layout.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shaping.transpose(self, -2, -1)

    H = T
    mH = mT

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

    def is_contiguous(self) -> _bool:
        """Whether the elements lie in row-major order."""
        return self._layout.contiguous

    def is_floating_point(self) -> _bool:
        """Whether the dtype is a floating one."""
        return self._layout.dtype.is_floating_point

    def is_complex(self) -> _bool:
        """False: there are no complex dtypes."""
        return False

    is_cuda = False
    is_sparse = False
    layout = "strided"

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
        return int(self.item())

    def __float__(self) -> _float:
        elements(self, "float()")
        return float(self.item())

    def __index__(self) -> _int:
        elements(self, "an index or a size")
        if self._layout.dtype.is_floating_point or self._layout.numel != 1:
            raise DTypeError(
                "IG239",
                "only integer tensors of a single element can be converted to an index, not "
                f"{self._layout!r}",
                where=user_line(),
            )
        return int(self.item())

    def __len__(self) -> _int:
        if self._layout.ndim == 0:
            raise ShapeError("IG240", "len() of a 0-d tensor", where=user_line())
        return self._layout.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if modes.trace is not None:
            elements(self, "iteration")
        if self._layout.ndim == 0:
            raise ShapeError("IG240", "iteration over a 0-d tensor", where=user_line())
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
        return object.__format__(self, spec) if spec else repr(self)

    def __copy__(self) -> Tensor:
        return detached(self) if self._node is None else self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if self._node is not None:
            raise GradError(
                "IG312",
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol",
                where=user_line(),
                fix="copy.deepcopy(x.detach())",
            )
        made = tensor_from_array(np.array(array_of(self), order="C", copy=True))
        copied: Tensor = core.new_tensor(made._layout, made._storage, 0, type(self))
        copied._requires_grad = self._requires_grad
        copied._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuilt, (type(self), array_of(self).copy(), self._requires_grad)

    # ---- the tape

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: _bool | None = None,
        create_graph: _bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the derivatives of this tensor to the `.grad` of the leaves it depends on."""
        autograd.backward(self, None if gradient is None else [gradient], retain_graph, create_graph, inputs)

    def requires_grad_(self, requires_grad: _bool = True) -> Tensor:
        """Make the tensor a leaf that `backward` computes a gradient for. Raises GradError (IG313) for integers."""
        if requires_grad and not self._layout.dtype.is_floating_point:
            raise GradError(
                "IG313",
                f"only Tensors of floating point dtype can require gradients, not {self._layout.dtype}",
                where=user_line(),
                fix="x.float().requires_grad_()",
            )
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
        return self

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        return detached(self)

    def detach_(self) -> Tensor:
        """Take this tensor off the tape."""
        if modes.trace is not None:
            modes.trace.remember(self)
        self._node = None
        self._requires_grad = False
        if self._view is not None:
            self._view.parent = None
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf in `.grad`."""
        if not needs_grad(self):
            raise GradError(
                "IG303", "can't retain_grad on Tensor that has requires_grad=False", where=user_line()
            )
        if self._node is not None:
            self._node.retained = weakref.ref(self)

    @property
    def retains_grad(self) -> _bool:
        """Whether `retain_grad` was asked for."""
        return self._node is not None and self._node.retained is not None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `hook` with the gradient in `backward`; it may return another. Returns what removes it."""
        return autograd.tensor_hook(self, hook)

    # ---- operators

    __add__ = __radd__ = arithmetic.add
    __sub__ = arithmetic.sub
    __rsub__ = arithmetic.rsub
    __mul__ = __rmul__ = arithmetic.mul
    __truediv__ = arithmetic.div
    __rtruediv__ = arithmetic.rdiv
    __floordiv__ = arithmetic.floor_divide
    __rfloordiv__ = arithmetic.rfloor_divide
    __mod__ = arithmetic.remainder
    __rmod__ = arithmetic.rremainder
    __pow__ = arithmetic.pow
    __rpow__ = arithmetic.rpow
    __matmul__ = linalg.matmul
    __rmatmul__ = linalg.rmatmul
    __neg__ = unary.neg
    __pos__ = unary.positive
    __abs__ = unary.abs
    __invert__ = unary.bitwise_not
    __and__ = __rand__ = arithmetic.bitwise_and
    __or__ = __ror__ = arithmetic.bitwise_or
    __xor__ = __rxor__ = arithmetic.bitwise_xor
    __lshift__ = arithmetic.bitwise_left_shift
    __rshift__ = arithmetic.bitwise_right_shift
    __eq__ = arithmetic.equals  # type: ignore[assignment]
    __ne__ = arithmetic.differs  # type: ignore[assignment]
    __lt__ = arithmetic.lt
    __le__ = arithmetic.le
    __gt__ = arithmetic.gt
    __ge__ = arithmetic.ge
    __iadd__ = inplace.add_
    __isub__ = inplace.sub_
    __imul__ = inplace.mul_
    __itruediv__ = inplace.div_
    __ifloordiv__ = inplace.floor_divide_
    __imod__ = inplace.remainder_
    __ipow__ = inplace.pow_
    __iand__ = inplace.bitwise_and_
    __ior__ = inplace.bitwise_or_
    __ixor__ = inplace.bitwise_xor_
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    index_put = indexing.index_put

    # ---- arithmetic, comparison, logic

    add = arithmetic.add
    sub = arithmetic.sub
    subtract = arithmetic.subtract
    mul = arithmetic.mul
    multiply = arithmetic.multiply
    div = arithmetic.div
    divide = arithmetic.divide
    true_divide = arithmetic.true_divide
    floor_divide = arithmetic.floor_divide
    remainder = arithmetic.remainder
    fmod = arithmetic.fmod
    pow = arithmetic.pow
    atan2 = arithmetic.atan2
    arctan2 = arithmetic.arctan2
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    fmax = arithmetic.fmax
    fmin = arithmetic.fmin
    eq = arithmetic.eq
    ne = arithmetic.ne
    lt = arithmetic.lt
    le = arithmetic.le
    gt = arithmetic.gt
    ge = arithmetic.ge
    greater = arithmetic.greater
    greater_equal = arithmetic.greater_equal
    less = arithmetic.less
    less_equal = arithmetic.less_equal
    not_equal = arithmetic.not_equal
    bitwise_and = arithmetic.bitwise_and
    bitwise_or = arithmetic.bitwise_or
    bitwise_xor = arithmetic.bitwise_xor
    bitwise_left_shift = arithmetic.bitwise_left_shift
    bitwise_right_shift = arithmetic.bitwise_right_shift
    logical_and = arithmetic.logical_and
    logical_or = arithmetic.logical_or
    logical_xor = arithmetic.logical_xor
    masked_fill = arithmetic.masked_fill
    addcmul = arithmetic.addcmul
    addcdiv = arithmetic.addcdiv
    lerp = arithmetic.lerp
    isclose = arithmetic.isclose
    allclose = arithmetic.allclose
    equal = arithmetic.equal
    logaddexp = arithmetic.logaddexp
    hypot = arithmetic.hypot
    xlogy = arithmetic.xlogy
    rad2deg = arithmetic.rad2deg
    deg2rad = arithmetic.deg2rad

    # ---- functions of one tensor

    abs = unary.abs
    absolute = unary.absolute
    neg = unary.neg
    negative = unary.negative
    positive = unary.positive
    sign = unary.sign
    sgn = unary.sgn
    exp = unary.exp
    exp2 = unary.exp2
    expm1 = unary.expm1
    log = unary.log
    log1p = unary.log1p
    log2 = unary.log2
    log10 = unary.log10
    sqrt = unary.sqrt
    rsqrt = unary.rsqrt
    square = unary.square
    sin = unary.sin
    cos = unary.cos
    tan = unary.tan
    asin = unary.asin
    acos = unary.acos
    atan = unary.atan
    sinh = unary.sinh
    cosh = unary.cosh
    tanh = unary.tanh
    asinh = unary.asinh
    acosh = unary.acosh
    atanh = unary.atanh
    arcsin = unary.arcsin
    arccos = unary.arccos
    arctan = unary.arctan
    arcsinh = unary.arcsinh
    arccosh = unary.arccosh
    arctanh = unary.arctanh
    erf = unary.erf
    erfc = unary.erfc
    erfinv = unary.erfinv
    sigmoid = unary.sigmoid
    floor = unary.floor
    ceil = unary.ceil
    round = unary.round
    trunc = unary.trunc
    fix = unary.fix
    frac = unary.frac
    logit = unary.logit
    isnan = unary.isnan
    isinf = unary.isinf
    isfinite = unary.isfinite
    lgamma = unary.lgamma
    digamma = unary.digamma
    reciprocal = unary.reciprocal
    logical_not = unary.logical_not
    bitwise_not = unary.bitwise_not
    nan_to_num = unary.nan_to_num
    clamp = unary.clamp
    clip = unary.clip
    clamp_min = unary.clamp_min
    clamp_max = unary.clamp_max

    # ---- reductions

    sum = reductions.sum
    nansum = reductions.nansum
    prod = reductions.prod
    mean = reductions.mean
    amax = reductions.amax
    amin = reductions.amin
    aminmax = reductions.aminmax
    max = reductions.max
    min = reductions.min
    argmax = reductions.argmax
    argmin = reductions.argmin
    any = reductions.any
    all = reductions.all
    count_nonzero = reductions.count_nonzero
    var = reductions.var
    std = reductions.std
    norm = reductions.norm
    logsumexp = reductions.logsumexp
    cumsum = reductions.cumsum
    cumprod = reductions.cumprod
    cummax = reductions.cummax
    cummin = reductions.cummin
    diff = reductions.diff
    median = reductions.median

    # ---- views

    view = shaping.view
    view_as = shaping.view_as
    reshape = shaping.reshape
    reshape_as = shaping.reshape_as
    contiguous = shaping.contiguous
    permute = shaping.permute
    transpose = shaping.transpose
    swapaxes = shaping.swapaxes
    swapdims = shaping.swapdims
    t = shaping.t
    movedim = shaping.movedim
    moveaxis = shaping.moveaxis
    expand = shaping.expand
    expand_as = shaping.expand_as
    broadcast_to = shaping.broadcast_to
    unsqueeze = shaping.unsqueeze
    squeeze = shaping.squeeze
    flatten = shaping.flatten
    ravel = shaping.ravel
    unflatten = shaping.unflatten
    narrow = shaping.narrow
    select = shaping.select
    unbind = shaping.unbind
    diagonal = shaping.diagonal

    # ---- joining and splitting

    split = joining.split
    split_with_sizes = joining.split_with_sizes
    chunk = joining.chunk
    tensor_split = joining.tensor_split
    repeat = joining.repeat
    tile = joining.tile
    repeat_interleave = joining.repeat_interleave
    flip = joining.flip
    fliplr = joining.fliplr
    flipud = joining.flipud
    roll = joining.roll
    rot90 = joining.rot90
    tril = joining.tril
    triu = joining.triu

    # ---- products

    matmul = linalg.matmul
    mm = linalg.mm
    bmm = linalg.bmm
    mv = linalg.mv
    dot = linalg.dot
    outer = linalg.outer
    ger = linalg.ger
    addmm = linalg.addmm
    addmv = linalg.addmv
    baddbmm = linalg.baddbmm
    trace = linalg.trace

    # ---- gathering, scattering, sorting

    gather = gathering.gather
    take_along_dim = gathering.take_along_dim
    scatter = gathering.scatter
    scatter_add = gathering.scatter_add
    scatter_reduce = gathering.scatter_reduce
    index_select = gathering.index_select
    index_add = gathering.index_add
    index_copy = gathering.index_copy
    index_fill = gathering.index_fill
    take = gathering.take
    nonzero = gathering.nonzero
    masked_select = gathering.masked_select
    masked_scatter = gathering.masked_scatter
    sort = gathering.sort
    argsort = gathering.argsort
    msort = gathering.msort
    topk = gathering.topk
    kthvalue = gathering.kthvalue
    bincount = gathering.bincount
    unique = gathering.unique
    histc = gathering.histc

    # ---- conversions

    item = conversion.item
    tolist = conversion.tolist
    numpy = conversion.numpy
    clone = conversion.clone
    to = conversion.to
    type_as = conversion.type_as
    cpu = conversion.cpu
    new_tensor = conversion.new_tensor
    new_zeros = conversion.new_zeros
    new_ones = conversion.new_ones
    new_empty = conversion.new_empty
    new_full = conversion.new_full
    type = conversion.type
    float = conversion.to_float
    double = conversion.to_double
    half = conversion.to_half
    bfloat16 = conversion.to_bfloat16
    long = conversion.to_long
    int = conversion.to_int
    short = conversion.to_short
    char = conversion.to_char
    byte = conversion.to_byte
    bool = conversion.to_bool

    # ---- in place

    add_ = inplace.add_
    sub_ = inplace.sub_
    mul_ = inplace.mul_
    div_ = inplace.div_
    floor_divide_ = inplace.floor_divide_
    remainder_ = inplace.remainder_
    fmod_ = inplace.fmod_
    pow_ = inplace.pow_
    addcmul_ = inplace.addcmul_
    addcdiv_ = inplace.addcdiv_
    lerp_ = inplace.lerp_
    masked_fill_ = inplace.masked_fill_
    eq_ = inplace.eq_
    ne_ = inplace.ne_
    lt_ = inplace.lt_
    le_ = inplace.le_
    gt_ = inplace.gt_
    ge_ = inplace.ge_
    bitwise_and_ = inplace.bitwise_and_
    bitwise_or_ = inplace.bitwise_or_
    bitwise_xor_ = inplace.bitwise_xor_
    bitwise_left_shift_ = inplace.bitwise_left_shift_
    bitwise_right_shift_ = inplace.bitwise_right_shift_
    logical_and_ = inplace.logical_and_
    logical_or_ = inplace.logical_or_
    logical_xor_ = inplace.logical_xor_
    abs_ = inplace.abs_
    neg_ = inplace.neg_
    sign_ = inplace.sign_
    exp_ = inplace.exp_
    expm1_ = inplace.expm1_
    log_ = inplace.log_
    log1p_ = inplace.log1p_
    log2_ = inplace.log2_
    sqrt_ = inplace.sqrt_
    rsqrt_ = inplace.rsqrt_
    square_ = inplace.square_
    sin_ = inplace.sin_
    cos_ = inplace.cos_
    tan_ = inplace.tan_
    tanh_ = inplace.tanh_
    erf_ = inplace.erf_
    erfinv_ = inplace.erfinv_
    sigmoid_ = inplace.sigmoid_
    floor_ = inplace.floor_
    ceil_ = inplace.ceil_
    trunc_ = inplace.trunc_
    round_ = inplace.round_
    reciprocal_ = inplace.reciprocal_
    clamp_ = inplace.clamp_
    clamp_min_ = inplace.clamp_min_
    clamp_max_ = inplace.clamp_max_
    nan_to_num_ = inplace.nan_to_num_
    logical_not_ = inplace.logical_not_
    bitwise_not_ = inplace.bitwise_not_
    cumsum_ = inplace.cumsum_
    cumprod_ = inplace.cumprod_
    tril_ = inplace.tril_
    triu_ = inplace.triu_
    scatter_ = inplace.scatter_
    scatter_add_ = inplace.scatter_add_
    scatter_reduce_ = inplace.scatter_reduce_
    index_add_ = inplace.index_add_
    index_copy_ = inplace.index_copy_
    index_fill_ = inplace.index_fill_
    masked_scatter_ = inplace.masked_scatter_
    index_put_ = inplace.index_put_
    fill_ = inplace.fill_
    zero_ = inplace.zero_
    copy_ = inplace.copy_

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor's elements where the condition holds, else those of `other`."""
        chosen: Tensor = arithmetic.where(condition, self, other)
        return chosen


core.tensor_class[0] = Tensor


def _rebuilt(kind: type[Tensor], array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    """Unpickle a tensor."""
    made = tensor_from_array(array)
    tensor: Tensor = core.new_tensor(made._layout, made._storage, 0, kind)
    tensor._requires_grad = requires_grad
    return tensor


dispatch.install(
    (Tensor,),
    Storage,
    slots={"layout": "_layout", "storage": "_storage", "offset": "_offset"},
    defaults={"_requires_grad": False, "_grad": None, "_node": None, "_view": None},
)
