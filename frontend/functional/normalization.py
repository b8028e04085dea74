"""Normalisation, dropout and embedding, as PyTorch computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.creation import empty_like, ones_like, zeros_like
from ingot.functional import sampling
from ingot.functional.arithmetic import add, div, mul, sub
from ingot.functional.gathering import index_select
from ingot.functional.reductions import mean, norm
from ingot.functional.unary import rsqrt, square
from ingot.modes import no_grad
from ingot.mutation import assign
from ingot.promote import expand_to
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _trailing(name: str, input: Tensor, shape: Sequence[int]) -> tuple[int, ...]:
    """The last dimensions, which must have this shape. Raises ShapeError (IG245)."""
    count = len(shape)
    if count == 0 or tuple(input._layout.shape[-count:]) != tuple(shape):
        raise ShapeError(
            "IG245",
            f"{name}: normalized_shape {list(shape)} must be the last dimensions of the input, which has shape "
            f"{list(input._layout.shape)}",
            where=user_line(),
        )
    return tuple(range(-count, 0))


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) over the last dimensions, times weight, plus bias. Ba et al. 2016."""
    axes = _trailing("layer_norm", input, normalized_shape)
    centred = sub(input, mean(input, axes, True))
    result = mul(centred, rsqrt(add(mean(square(centred), axes, True), eps)))
    if weight is not None:
        result = mul(result, weight)
    return result if bias is None else add(result, bias)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last dimensions, times weight. Zhang & Sennrich 2019."""
    axes = _trailing("rms_norm", input, normalized_shape)
    small = (
        eps
        if eps is not None
        else {"f64": 2.0**-52, "f16": 2.0**-10, "bf16": 2.0**-7}.get(input._layout.dtype.short, 2.0**-23)
    )
    result = mul(input, rsqrt(add(mean(square(input), axes, True), small)))
    return result if weight is None else mul(result, weight)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along `dim`, or by eps where that is larger."""
    return div(input, norm(input, p, dim, True).clamp_min(eps))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to 0 with probability p, the others divided by 1 - p. Srivastava et al. 2014.

    Raises SpecError (IG246) unless 0 <= p <= 1.
    """
    if not 0.0 <= p <= 1.0:
        raise SpecError("IG246", f"dropout probability has to be between 0 and 1, but got {p}", where=user_line())
    if not training or p == 0.0 or input._layout.numel == 0:
        return input
    if p == 1.0:
        result = mul(input, 0.0)
    else:
        kept = sampling.bernoulli_(empty_like(input), 1 - p)
        result = mul(input, div(kept, 1 - p))
    return assign(input, result) if inplace else result


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
    Raises SpecError (IG217) for a `padding_idx` outside the rows.
    """
    count: Any = weight._layout.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise SpecError("IG217", "Padding_idx must be within num_embeddings", where=user_line())
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    looked_up = _rows(weight, input)
    if scale_grad_by_freq:
        uses = zeros_like(weight.select(1, 0).detach()).index_add(0, input.reshape(-1), _ones_at(input, weight))
        share = _rows((1 / uses).unsqueeze(1), input)
        looked_up = looked_up * share + (looked_up * (1 - share)).detach()
    if padding_idx is None:
        return looked_up
    padding = expand_to((input == padding_idx % count).unsqueeze(-1), looked_up._layout.shape)
    return looked_up.detach().where(padding, looked_up)


def _ones_at(input: Tensor, weight: Tensor) -> Tensor:
    return ones_like(input.reshape(-1), dtype=weight._layout.dtype)


@no_grad()
def _shorten(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Rows at the indices with a norm above `max_norm` are scaled to it (aten's embedding_renorm_)."""
    sizes = norm(weight, norm_type, 1, True)
    used = zeros_like(sizes).index_add(0, input.reshape(-1), _ones_at(input, weight).unsqueeze(1)) > 0
    assign(weight, weight * (max_norm / (sizes + 1e-7)).where((sizes > max_norm) & used, ones_like(sizes)))


def _rows(weight: Tensor, indices: Tensor) -> Tensor:
    flat = index_select(weight, 0, indices.reshape(-1))
    return flat.view((*indices._layout.shape, *weight._layout.shape[1:]))
