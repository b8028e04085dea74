"""Order statistics, counts, covariances, and sums over steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingot.compiler.ops import cumulative
from ingot.compiler.ops import index as index_rows
from ingot.core import array_of, is_tensor, own_array, tensor_from_array
from ingot.functional.arithmetic import add, bitwise_xor, div, eq, ge, le, lerp, logical_and, mul, ne, sub, where
from ingot.functional.gathering import gather, needs_values, sort
from ingot.functional.joining import cat
from ingot.functional.reductions import Dims, ValuesAndIndices, axis_of, mean, positions, sum
from ingot.functional.searching import searchsorted
from ingot.functional.shaping import flatten, narrow, reshape, select, squeeze, unsqueeze
from ingot.functional.unary import floating, isnan, logical_not, nan_to_num
from ingot.gate import apply
from ingot.promote import cast_to, splat
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _last(input: Tensor, axis: int) -> Any:
    return input._layout.shape[axis] if input._layout.ndim else 1


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean of the elements that are not NaN."""
    x = input if dtype is None else cast_to(input, dtype)
    if not x._layout.dtype.is_floating_point:
        return mean(x, dim, keepdim)
    there = logical_not(isnan(x))
    total = sum(nan_to_num(x, 0.0, math.inf, -math.inf), dim, keepdim)
    return div(total, cast_to(sum(there, dim, keepdim), x._layout.dtype))


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median, NaN where an element is; with `dim`, a pair (values, indices)."""
    return _median(input, dim, keepdim, skip_nan=False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are not NaN; with `dim`, a pair (values, indices)."""
    return _median(input, dim, keepdim, skip_nan=True)


def _median(input: Tensor, dim: int | None, keepdim: bool, skip_nan: bool) -> Any:
    if dim is None:
        if input._layout.numel == 0:
            return splat(math.nan, input._layout.dtype)
        return _median(flatten(input), 0, False, skip_nan).values
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return ValuesAndIndices(*sort(input))
    values, indices = sort(input, axis, stable=True)
    size = _last(input, axis)
    if not input._layout.dtype.is_floating_point:
        middle = (size - 1) // 2
        picked = ValuesAndIndices(narrow(values, axis, middle, 1), narrow(indices, axis, middle, 1))
    else:
        # NaN is sorted to the end.
        known = sum(logical_not(isnan(input)), axis, True)
        place = div(sub(known, 1), 2, rounding_mode="floor").clamp(0)
        if not skip_nan:
            place = where(eq(known, size), place, known)
        picked = ValuesAndIndices(gather(values, axis, place), gather(indices, axis, place))
    return picked if keepdim else ValuesAndIndices(squeeze(picked[0], axis), squeeze(picked[1], axis))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """(the smallest of the most frequent elements along `dim`, the index of its last occurrence)."""
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return ValuesAndIndices(*sort(input))
    values, indices = sort(input, axis, stable=True)
    size = _last(input, axis)
    counter = positions(input, axis)
    if isinstance(size, int) and size < 2:
        fresh = eq(counter, 0)
    else:
        changed = ne(narrow(values, axis, 1, size - 1), narrow(values, axis, 0, size - 1))
        fresh = cat([eq(narrow(counter, axis, 0, 1), 0), changed], axis)
    # Where the run of equal elements starts, and how long it is so far.
    start = apply(cumulative.cummax, where(fresh, counter, mul(counter, 0)), axis=axis, reverse=False)
    place = sub(counter, start).argmax(axis, keepdim=True)
    picked = ValuesAndIndices(gather(values, axis, place), gather(indices, axis, place))
    return picked if keepdim else ValuesAndIndices(squeeze(picked[0], axis), squeeze(picked[1], axis))


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles (0 <= q <= 1, a number or a vector) along `dim`, NaN where an element is.

    `interpolation` between neighbours: "linear", "lower", "higher", "midpoint" or "nearest". Raises SpecError (IG217).
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles of the elements that are not NaN; see `quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip_nan: bool
) -> Tensor:
    if interpolation not in _INTERPOLATIONS:
        raise SpecError("IG217", f"{name}: interpolation is one of {_INTERPOLATIONS}", where=user_line())
    if not input._layout.dtype.is_floating_point:
        raise DTypeError("IG220", f"{name}() input tensor must be either float or double dtype", where=user_line())
    if not is_tensor(q) and not 0 <= q <= 1:
        raise SpecError("IG217", f"{name}() q must be in the range [0, 1] but got {q}", where=user_line())
    ndim = input._layout.ndim
    x = flatten(input) if dim is None else input
    axis = 0 if dim is None else axis_of(input, dim)
    rows = sort(x.movedim(axis, -1) if x._layout.ndim else x.reshape(1), -1).values
    size = rows._layout.shape[-1]
    known = sum(logical_not(isnan(rows)), -1, True)
    dtype = x._layout.dtype
    wanted = q if is_tensor(q) else splat(q, dtype, (1,))
    one = not is_tensor(q) or q._layout.ndim == 0
    last = cast_to(sub(known, 1).clamp(0), dtype) if skip_nan else splat(size - 1, dtype, known._layout.shape)
    rank = mul(last, wanted.reshape(-1))
    result = _between(rows, rank, interpolation)
    whole = eq(known, size) if not skip_nan else ne(known, 0)
    result = where(whole, result, math.nan).movedim(-1, 0)
    if dim is None and keepdim:
        result = reshape(result, (result._layout.shape[0], *(1,) * ndim))
    elif keepdim and ndim:
        result = unsqueeze(result, axis + 1)
    return select(result, 0, 0) if one else result


def _between(rows: Tensor, rank: Tensor, interpolation: str) -> Tensor:
    if interpolation == "nearest":
        return gather(rows, -1, rank.round().long())
    low, high = gather(rows, -1, rank.floor().long()), gather(rows, -1, rank.ceil().long())
    if interpolation in ("lower", "higher"):
        return low if interpolation == "lower" else high
    weight = (
        splat(0.5, rank._layout.dtype, rank._layout.shape) if interpolation == "midpoint" else sub(rank, rank.floor())
    )
    return lerp(low, high, weight)


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of variables (rows) over observations (columns), optionally weighted."""
    if input._layout.ndim > 2:
        raise ShapeError("IG202", "cov(): expected input to have two or fewer dimensions", where=user_line())
    x = floating(input).reshape(1, -1) if input._layout.ndim < 2 else floating(input)
    count = x._layout.shape[1]
    weights = fweights
    if aweights is not None:
        weights = aweights if fweights is None else mul(aweights, fweights)
    if weights is None:
        centred = sub(x, mean(x, 1, True))
        freedom: Any = max(count - correction, 0)
        covariances = div(centred.matmul(centred.mT), freedom)
    else:
        total = sum(weights)
        centred = sub(x, div(sum(mul(x, weights), 1, True), total))
        spent = correction if aweights is None else div(mul(sum(mul(weights, aweights)), correction), total)
        covariances = div(mul(centred, weights).matmul(centred.mT), sub(total, spent).clamp(min=0))
    return covariances.reshape(()) if input._layout.ndim < 2 else covariances


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables (rows) over observations (columns), within [-1, 1]."""
    covariances = cov(input)
    if covariances._layout.ndim == 0:
        return div(covariances, covariances)
    deviation = covariances.diagonal().sqrt()
    return div(div(covariances, unsqueeze(deviation, 1)), unsqueeze(deviation, 0)).clamp(-1, 1)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often (or with which total weight) each value occurs. Raises DTypeError (IG215) for what is no count."""
    needs_values(input, "bincount()", "zeros(n).index_add(0, x, weights)")
    array = array_of(input)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and array.min() < 0):
        raise DTypeError(
            "IG215",
            "bincount only supports 1-d non-negative integral inputs.",
            where=user_line(),
            detail=[f"given: {input._layout!r}"],
        )
    size = max(minlength, int(array.max()) + 1 if array.size else 0)
    if weights is None:
        updates = splat(1, dtypes.int64, input._layout.shape)
    else:
        updates = weights if weights._layout.dtype is dtypes.float32 else cast_to(weights, dtypes.float64)
    zero = splat(0, updates._layout.dtype, (size,))
    return apply(index_rows.put, zero, cast_to(input, dtypes.int64), updates, axis=0, mode="add")


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of `bins` equal parts of [min, max] (of what the elements span, if equal)."""
    x = flatten(input)
    dtype = x._layout.dtype
    low, high = (x.min(), x.max()) if min == max else (splat(min, dtype), splat(max, dtype))
    if min == max:
        flat = eq(low, high)
        low, high = where(flat, sub(low, 1), low), where(flat, add(high, 1), high)
    place = div(mul(sub(x, low), bins), sub(high, low)).floor().clamp(0, bins - 1).long()
    inside = cast_to(logical_and(ge(x, low), le(x, high)), dtype)
    return apply(index_rows.put, splat(0, dtype, (bins,)), place, inside, axis=0, mode="add")


class Histogram(NamedTuple):
    """The result of histogram."""

    hist: Tensor
    bin_edges: Tensor


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """The weight of the elements in each bin, and the edges; the last bin holds its upper edge."""
    x = flatten(input).detach()
    dtype = x._layout.dtype
    if isinstance(bins, int):
        if range is None:
            needs_values(input, "histogram() without a range", "range=(low, high)")
            low, high = (float(x.min()), float(x.max())) if x._layout.numel else (0.0, 0.0)
        else:
            low, high = range
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges = tensor_from_array(own_array(np.linspace(low, high, bins + 1).astype(dtype.numpy)))
    else:
        edges = bins
    count = edges._layout.shape[0] - 1
    place = sub(searchsorted(edges, x, right=True), 1)
    place = where(eq(x, select(edges, 0, count)), count - 1, place)
    inside = logical_and(ge(place, 0), le(place, count - 1))
    amount = splat(1, dtype, x._layout.shape) if weight is None else flatten(weight)
    amount = where(inside, amount, 0.0)
    zero = splat(0, dtype, (count,))
    found = apply(index_rows.put, zero, place.clamp(0, count - 1), cast_to(amount, dtype), axis=0, mode="add")
    if density:
        found = div(found, mul(sum(found), sub(narrow(edges, 0, 1, count), narrow(edges, 0, 0, count))))
    return Histogram(found, edges)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The differences of neighbours along `dim`, taken `n` times; of bools, whether they differ."""
    axis = axis_of(input, dim)
    parts = [t for t in (prepend, input, append) if t is not None]
    x = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(n, _last(x, axis))):
        size = _last(x, axis)
        later, earlier = narrow(x, axis, 1, size - 1), narrow(x, axis, 0, size - 1)
        x = bitwise_xor(later, earlier) if x._layout.dtype.kind == "b" else sub(later, earlier)
    return x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral along `dim` by trapezoids, at the points `x` or `dx` apart."""
    return sum(_trapezoids(y, x, dx, dim), dim)


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integrals up to each point along `dim` by trapezoids."""
    return _trapezoids(y, x, dx, dim).cumsum(dim)


def _trapezoids(y: Tensor, x: Tensor | None, dx: float | None, dim: int) -> Tensor:
    axis = axis_of(y, dim)
    size = _last(y, axis)
    both = add(narrow(y, axis, 1, size - 1), narrow(y, axis, 0, size - 1))
    if x is None:
        return mul(both, (1.0 if dx is None else dx) / 2)
    if x._layout.ndim == 1:
        steps = diff(x)
        steps = reshape(steps, (-1, *(1,) * (y._layout.ndim - 1 - axis)))
    else:
        steps = diff(x, dim=dim)
    return div(mul(both, steps), 2)


def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """Derivatives along dimensions from neighbouring elements: central differences inside, one-sided at the ends.

    `spacing`: a number, one per dimension, or one vector of coordinates per dimension. numpy.gradient states the
    formulas for uneven coordinates.
    """
    if edge_order not in (1, 2):
        raise SpecError("IG217", f"torch.gradient only supports edge_order=1 and edge_order=2, not {edge_order}")
    axes = (
        list(range(input._layout.ndim))
        if dim is None
        else [axis_of(input, d) for d in ((dim,) if isinstance(dim, int) else dim)]
    )
    spacings = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(axes)
    return tuple(
        [_derivative(floating(input), axis, step, edge_order) for axis, step in zip(axes, spacings, strict=True)]
    )


def _derivative(x: Tensor, axis: int, spacing: Any, edge_order: int) -> Tensor:
    size = _last(x, axis)
    if is_tensor(spacing):
        steps = reshape(diff(spacing), (-1, *(1,) * (x._layout.ndim - 1 - axis)))
    else:
        steps = splat(float(spacing), x._layout.dtype, (size - 1, *(1,) * (x._layout.ndim - 1 - axis)))

    def at(first: int, count: int) -> Tensor:
        return narrow(x, axis, first, count)

    def step(first: int, count: int) -> Tensor:
        return narrow(steps, 0, first, count)

    before, after = step(0, size - 2), step(1, size - 2)
    inner = (
        at(2, size - 2) * (before / (after * (before + after)))
        + at(1, size - 2) * ((after - before) / (before * after))
        - at(0, size - 2) * (after / (before * (before + after)))
    )
    first = (at(1, 1) - at(0, 1)) / step(0, 1)
    final = (at(size - 1, 1) - at(size - 2, 1)) / step(size - 2, 1)
    if edge_order == 2:
        a, b = step(0, 1), step(1, 1)
        first = (
            at(0, 1) * (-(2 * a + b) / (a * (a + b))) + at(1, 1) * ((a + b) / (a * b)) - at(2, 1) * (a / (b * (a + b)))
        )
        a, b = step(size - 3, 1), step(size - 2, 1)
        final = (
            at(size - 3, 1) * (b / (a * (a + b)))
            - at(size - 2, 1) * ((a + b) / (a * b))
            + at(size - 1, 1) * ((2 * b + a) / (b * (a + b)))
        )
    return cat([first, inner, final], axis)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is one of the test elements (with `invert`: is none)."""
    values = elements if is_tensor(elements) else _number(elements)
    tests = flatten(test_elements if is_tensor(test_elements) else _number(test_elements))
    found = eq(unsqueeze(values, -1), tests).any(-1)
    return logical_not(found) if invert else found


def _number(value: Any) -> Tensor:
    return splat(value, dtypes.int64 if isinstance(value, int) else dtypes.float32)
