"""Rows of a table looked up by index: one by one, and combined in bags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import source
from ingot.core import array_of, is_traced
from ingot.creation import ones_like, zeros_like
from ingot.functional.arithmetic import div, mul, where
from ingot.functional.gathering import index_select
from ingot.functional.matrix_norms import vector_norm
from ingot.functional.reductions import cumsum, sum
from ingot.functional.reductions import max as largest
from ingot.gate import apply
from ingot.modes import modes, no_grad
from ingot.mutation import assign
from ingot.promote import cast_to, expand_to, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import AssertedError, OperandError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

_NONE = -float("inf")


def _padding_row(padding_idx: int | None, count: Any) -> int | None:
    """The padding row counted from 0. Raises AssertedError (IG217) for one outside of the table."""
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise AssertedError("IG217", "Padding_idx must be within num_embeddings", where=user_line())
    found: int = padding_idx % count
    return found


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` [n, d] at the indices; the row `padding_idx` gets no gradient.

    `max_norm`: rows that are looked up and have a larger norm are shortened to it first, in place.
    `scale_grad_by_freq`: the gradient of a row is divided by how often it is looked up. `sparse` changes nothing.
    Raises AssertedError (IG217) for a `padding_idx` outside the rows.
    """
    if weight._layout.ndim != 2:
        raise ShapeError("IG202", f"'weight' must be 2-D, got {list(weight._layout.shape)}", where=user_line())
    padding = _padding_row(padding_idx, weight._layout.shape[0])
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    looked_up = _scaled_rows(weight, input, scale_grad_by_freq)
    if padding is None:
        return looked_up
    masked = expand_to((input == padding).unsqueeze(-1), looked_up._layout.shape)
    return where(masked, looked_up.detach(), looked_up)


def rows_of(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """`ingot.embedding`, which takes the table first; without padding if `padding_idx` is negative."""
    padding = None if padding_idx < 0 else padding_idx
    return embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq)


def _scaled_rows(weight: Tensor, input: Tensor, by_frequency: bool) -> Tensor:
    """The rows; `by_frequency`: with gradients divided by how often a row is looked up."""
    looked_up = _rows(weight, input)
    if not by_frequency:
        return looked_up
    uses = zeros_like(weight.select(1, 0).detach()).index_add(0, input.reshape(-1), _ones_at(input, weight))
    share = _rows((1 / uses).unsqueeze(1), input)
    return looked_up * share + (looked_up * (1 - share)).detach()


def _ones_at(input: Tensor, weight: Tensor) -> Tensor:
    return ones_like(input.reshape(-1), dtype=weight._layout.dtype)


@no_grad()
def _shorten(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Rows at the indices with a norm above `max_norm` are scaled to it (aten's embedding_renorm_)."""
    sizes = vector_norm(weight, norm_type, 1, True)
    used = zeros_like(sizes).index_add(0, input.reshape(-1), _ones_at(input, weight).unsqueeze(1)) > 0
    assign(weight, weight * (max_norm / (sizes + 1e-7)).where((sizes > max_norm) & used, ones_like(sizes)))


def _rows(weight: Tensor, indices: Tensor) -> Tensor:
    flat = index_select(weight, 0, indices.reshape(-1))
    return flat.view((*indices._layout.shape, *weight._layout.shape[1:]))


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or largest elements of the rows of `weight` [n, d] in each bag; [bags, d]; 0 for an empty bag.

    input: indices [bags, size], or [total] with `offsets` [bags], where each bag begins (with `include_last_offset`
    also where the last one ends). `per_sample_weights`: factors in the shape of the input, for mode "sum" alone.
    Rows at `padding_idx` belong to no bag. Raises SpecError (IG217, IG321) and OperandError (IG321).
    """
    if mode not in ("sum", "mean", "max"):
        raise SpecError("IG217", f"mode has to be one of sum, mean or max, not {mode!r}", where=user_line())
    _check_bags(input, offsets, per_sample_weights, mode, include_last_offset)
    padding = _padding_row(padding_idx, weight._layout.shape[0])
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    rows = _scaled_rows(weight, input, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = mul(rows, per_sample_weights.unsqueeze(-1))
    counted = None if padding is None else (input != padding).unsqueeze(-1)
    if input._layout.ndim == 2:
        return _equal_bags(rows, counted, mode)
    assert offsets is not None
    return _bags(rows, counted, offsets, mode, include_last_offset)


def _check_bags(
    input: Tensor, offsets: Tensor | None, weights: Tensor | None, mode: str, include_last_offset: bool
) -> None:
    def fail(kind: type[SpecError] | type[OperandError] | type[ShapeError], what: str) -> None:
        raise kind("IG321", f"embedding_bag: {what}", where=user_line())

    if weights is not None and weights._layout.shape != input._layout.shape:
        fail(
            SpecError,
            f"expected per_sample_weights {list(weights._layout.shape)} in the shape of the input "
            f"{list(input._layout.shape)}",
        )
    if weights is not None and mode != "sum":
        fail(OperandError, f"per_sample_weights are for mode='sum', not {mode!r}")
    ndim = input._layout.ndim
    if ndim not in (1, 2):
        fail(SpecError, f"input has to be a 1D or 2D Tensor, but got Tensor of dimension {ndim}")
    if (offsets is None) != (ndim == 2):
        fail(SpecError, "offsets are needed for an input of 1 dimension, and cannot be given for one of 2")
    if offsets is None:
        return
    if offsets._layout.ndim != 1:
        fail(SpecError, "offsets has to be a 1D Tensor")
    if include_last_offset and offsets._layout.numel == 0:
        fail(OperandError, "include_last_offset: number of offsets should be at least 1")
    if modes.trace is None and not is_traced(offsets) and offsets._layout.numel:
        ends = array_of(offsets)
        if ends[0] != 0:
            fail(OperandError, f"offsets[0] has to be 0, i.e., the first bag begins at 0; got {ends[0]}")
        if ends[-1] > input._layout.numel:
            fail(OperandError, f"offsets[-1] can not be greater than input's length, but got {ends[-1]}")


def _equal_bags(rows: Tensor, counted: Tensor | None, mode: str) -> Tensor:
    """Bags of one size: rows [bags, size, d], counted [bags, size, 1]."""
    bags, size, width = rows._layout.shape
    if size == 0:
        return splat(0.0, rows._layout.dtype, (bags, width)).clone()
    if mode == "max":
        if counted is None:
            best: Tensor = largest(rows, 1).values
            return best
        best = largest(where(counted, rows, _NONE), 1).values
        return where(counted.any(1), best, 0.0)
    if counted is None:
        return rows.mean(1) if mode == "mean" else sum(rows, 1)
    total = sum(where(counted, rows, 0.0), 1)
    return total if mode == "sum" else div(total, sum(counted, 1).clamp(min=1))


def _bags(rows: Tensor, counted: Tensor | None, offsets: Tensor, mode: str, closed: bool) -> Tensor:
    """Bags that begin at the offsets: rows [total, d], counted [total, 1]."""
    total, width = rows._layout.shape
    dtype = rows._layout.dtype
    places: Any = offsets._layout.shape[0]
    bags = places - 1 if closed else places
    if places == 0:
        return rows.narrow(0, 0, 0)
    # The bag of an element is the number of bags that begin up to it, less one; `offsets` may repeat.
    begun = splat(0, dtypes.int64, (total + 1,))
    begun = begun.index_add(0, cast_to(offsets, dtypes.int64), splat(1, dtypes.int64, (places,)))
    bag = cumsum(begun, 0).narrow(0, 0, total) - 1
    belongs = splat(True, dtypes.bool_, (total, 1)) if counted is None else counted
    if mode == "max":
        summed = _first_largest(rows, belongs, bag, places)
    else:
        kept = rows if counted is None else where(belongs, rows, 0.0)
        summed = splat(0.0, dtype, (places, width)).index_add(0, bag, kept)
    if mode == "mean":
        sizes = splat(0.0, dtype, (places, 1)).index_add(0, bag, cast_to(belongs, dtype))
        summed = div(summed, sizes.clamp(min=1))
    return summed.narrow(0, 0, bags)


def _first_largest(rows: Tensor, belongs: Tensor, bag: Tensor, bags: Any) -> Tensor:
    """The largest elements of each bag; the gradient goes to the first of equal ones, as in PyTorch."""
    total, width = rows._layout.shape
    values = where(belongs, rows.detach(), _NONE)
    best = apply(index_rows.put, splat(_NONE, rows._layout.dtype, (bags, width)), bag, values, axis=0, mode="max")
    number = apply(source.iota, type=TensorType(dtypes.int64, (total, width)), axis=0)
    # Counted from the end, so that the first is the largest.
    backwards = where((values == index_select(best, 0, bag)) & belongs, total - number, 0)
    first = apply(index_rows.put, splat(0, dtypes.int64, (bags, width)), bag, backwards, axis=0, mode="max")
    chosen = where(index_select(first, 0, bag) == total - number, rows, 0.0)
    return splat(0.0, rows._layout.dtype, (bags, width)).index_add(0, bag, chosen)
