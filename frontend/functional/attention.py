"""Scaled dot-product attention. Vaswani et al. 2017."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import TensorType
from ingot.compiler.ops.source import iota
from ingot.composite import composite
from ingot.functional.activations import softmax
from ingot.functional.arithmetic import add, div, ge, mul, where
from ingot.functional.dropout import dropout
from ingot.functional.linalg import matmul
from ingot.functional.reductions import amax, sum
from ingot.functional.unary import exp
from ingot.gate import apply
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value; query [..., l, e], key [..., s, e], value [..., s, v].

    `attn_mask` broadcasts to [..., l, s]: bool (True takes part) or floating (added). `is_causal`: position i sees the
    keys 0 to i. `scale` is 1 / sqrt(e) by default. `enable_gqa`: the heads (third dimension from the end) of key and
    value are repeated for those of the query. A row that no key takes part in gives zeros.
    Raises ShapeError (IG330) for operands that do not fit together.
    """
    check_attention(query, key, value, attn_mask, is_causal)
    if not 0.0 <= dropout_p <= 1.0:
        raise _unfit(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    dtype = query._layout.dtype
    if dtype in (dtypes.float16, dtypes.bfloat16):
        # As PyTorch's kernels do: sums of many products and exponentials are not rounded on the way.
        wide = [cast_to(t, dtypes.float32) for t in (query, key, value)]
        mask = attn_mask if attn_mask is None or attn_mask.dtype is dtypes.bool_ else cast_to(attn_mask, dtypes.float32)
        result = scaled_dot_product_attention(wide[0], wide[1], wide[2], mask, dropout_p, is_causal, scale, enable_gqa)
        return cast_to(result, dtype)
    if enable_gqa:
        key, value = _repeated_heads(query, key), _repeated_heads(query, value)
    size: Any = query._layout.shape[-1]
    factor = scale if scale is not None else 1.0 / math.sqrt(size) if size else 1.0
    if dropout_p == 0:
        return _attended(query, key, value, attn_mask, is_causal, factor)
    return matmul(dropout(_weights(query, key, attn_mask, is_causal, factor), dropout_p), value)


@composite
def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, factor: float) -> Tensor:
    """Attention without dropout."""
    return matmul(_weights(query, key, mask, is_causal, factor), value)


@composite
def _weights(query: Tensor, key: Tensor, mask: Tensor | None, is_causal: bool, factor: float) -> Tensor:
    """How much each query takes of each key, [..., l, s]."""
    scores = matmul(mul(query, factor), key.transpose(-2, -1))
    return attention_weights(hidden(scores, mask, is_causal), mask is not None or is_causal)


def attention_weights(scores: Tensor, masked: bool) -> Tensor:
    """softmax along the last dimension; where `masked`, rows of nothing but -inf become zeros instead of NaN."""
    if scores._layout.shape[-1] == 0:
        return scores
    if not masked:
        return softmax(scores, -1)
    top = amax(scores, -1, True).detach()
    raised = exp(scores - where(top == -math.inf, 0.0, top))
    total = sum(raised, -1, True)
    return div(raised, where(total == 0, 1.0, total))


def hidden(scores: Tensor, mask: Tensor | None, is_causal: bool = False) -> Tensor:
    """Scores [..., l, s] with -inf where a query must not see a key, or with a floating mask added."""
    if is_causal:
        seen = causal(scores._layout.shape[-2], scores._layout.shape[-1])
        scores = where(seen, scores, -math.inf)
    if mask is None:
        return scores
    if mask._layout.dtype is dtypes.bool_:
        return where(mask, scores, -math.inf)
    return add(scores, cast_to(mask, scores._layout.dtype))


def causal(queries: Any, keys: Any) -> Tensor:
    """True where the key is not after the query, bool [queries, keys]."""
    row = apply(iota, type=TensorType(dtypes.int64, (queries, 1)), axis=0)
    column = apply(iota, type=TensorType(dtypes.int64, (1, keys)), axis=1)
    return ge(row, column)


def _repeated_heads(query: Tensor, tensor: Tensor) -> Tensor:
    """[..., h, s, e] with every head repeated as often as makes the query's number of heads."""
    if query._layout.ndim < 3 or tensor._layout.ndim < 3:
        raise _unfit("enable_gqa needs tensors [..., heads, length, size]", query, tensor)
    wanted: Any = query._layout.shape[-3]
    heads: Any = tensor._layout.shape[-3]
    if heads == 0 or wanted % heads != 0:
        raise _unfit(
            f"Number of heads in key and value ({heads}) must divide the number of heads in query ({wanted})",
            query,
            tensor,
        )
    return tensor if heads == wanted else tensor.repeat_interleave(wanted // heads, -3)


def check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> None:
    """Raises ShapeError (IG330) for operands of attention that do not fit together."""
    operands = (query, key, value)
    if any(t._layout.ndim < 2 for t in operands):
        raise _unfit("query, key and value need at least 2 dimensions", *operands)
    dtype = query._layout.dtype
    if any(t._layout.dtype is not dtype for t in operands):
        raise _unfit("Expected query, key, and value to have the same dtype", *operands)
    if not dtype.is_floating_point:
        raise _unfit(f"attention takes floating tensors, not {dtype}", *operands)
    if query._layout.shape[-1] != key._layout.shape[-1]:
        raise _unfit("the last sizes of query and key differ", *operands)
    if key._layout.shape[-2] != value._layout.shape[-2]:
        raise _unfit("key and value have different lengths", *operands)
    if mask is None:
        return
    if is_causal:
        raise _unfit("Explicit attn_mask should not be set when is_causal=True", mask)
    if mask._layout.dtype not in (dtypes.bool_, dtypes.float32, dtype):
        raise _unfit(f"attn_mask must be bool, float or {dtype}, not {mask._layout.dtype}", *operands)


def _unfit(what: str, *operands: Tensor) -> ShapeError:
    given = ", ".join(f"{t._layout.dtype.short}[{','.join(map(str, t._layout.shape))}]" for t in operands)
    return ShapeError(
        "IG330",
        f"scaled_dot_product_attention: {what}",
        where=user_line(),
        detail=[f"operands: {given}"] if operands else [],
    )
