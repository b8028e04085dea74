"""Attention in several heads, with projections before and after. Vaswani et al. 2017, section 3.2.2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot.creation import zeros
from ingot.functional.activations import softmax
from ingot.functional.arithmetic import add, where
from ingot.functional.attention import scaled_dot_product_attention
from ingot.functional.dropout import dropout
from ingot.functional.joining import cat
from ingot.functional.linalg import linear, matmul
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import AssertedError, ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """(attention [l, n, e], weights [n, l, s] or None) of query [l, n, e] over key and value [s, n, ...]; n may lack.

    Masks are bool, where True hides, or floating, which are added: key_padding_mask [n, s], attn_mask [l, s] or
    [n * heads, l, s]. Weights per head, [n, heads, l, s], without `average_attn_weights`. `is_causal` says that
    attn_mask is the causal one; that mask is then not read. `static_k` and `static_v` [n * heads, s, e / heads] stand
    for projected keys and values. Raises AssertedError and ShapeError (IG335) for operands that do not fit.
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (t.unsqueeze(1) for t in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, count, size = query.shape
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    if is_causal and attn_mask is None:
        raise ShapeError(
            "IG335",
            "Need attn_mask if specifying the is_causal hint.",
            where=user_line(),
            fix="attn_mask=nn.Transformer.generate_square_subsequent_mask(length)",
        )
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, weights, in_proj_bias)
    if bias_k is not None and bias_v is not None:
        k, v = (cat([t, bias.expand(1, count, size)]) for t, bias in ((k, bias_k), (v, bias_v)))
    q, k, v = (t.reshape(t.shape[0], count, num_heads, size // num_heads).permute(1, 2, 0, 3) for t in (q, k, v))
    if static_k is not None:
        k = static_k.reshape(count, num_heads, -1, size // num_heads)
    if static_v is not None:
        v = static_v.reshape(count, num_heads, -1, size // num_heads)
    if add_zero_attn:
        k, v = (cat([t, zeros((*t.shape[:2], 1, t.shape[3]), dtype=t.dtype)], 2) for t in (k, v))
    only_causal = is_causal and key_padding_mask is None and not need_weights
    # The columns of bias_k and of zeros, which come last, are seen by all.
    seen = k.shape[2] - (key if static_k is None else static_k.transpose(0, 1)).shape[0]
    mask = None if only_causal else _merged(attn_mask, key_padding_mask, q, length, k.shape[2] - seen, seen)
    dropped = dropout_p if training else 0.0
    found: Tensor | None = None
    if need_weights:
        scores = matmul(q * math.sqrt(num_heads / size), k.transpose(-2, -1))
        found = dropout(softmax(scores if mask is None else add(scores, mask), -1), dropped)
        attended = matmul(found, v)
    else:
        attended = scaled_dot_product_attention(q, k, v, mask, dropped, only_causal)
    joined = attended.permute(2, 0, 1, 3).reshape(length, count, size)
    output = linear(joined, out_proj_weight, out_proj_bias)
    if found is not None and average_attn_weights:
        found = found.mean(1)
    if batched:
        return output, found
    return output.squeeze(1), None if found is None else found.squeeze(0)


def _projected(
    query: Tensor, key: Tensor, value: Tensor, packed: Tensor | None, separate: Any, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value times their weights; as one product where they are one tensor."""
    if separate is None and packed is not None:
        if query is key and key is value:
            return linear(query, packed, bias).chunk(3, -1)  # type: ignore[return-value]
        separate = packed.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    q, k, v = (linear(t, w, b) for t, w, b in zip((query, key, value), separate, biases, strict=True))
    return q, k, v


def additive(name: str, mask: Tensor | None, dtype: DType) -> Tensor | None:
    """A mask to be added: -inf where a bool mask is True. Raises AssertedError (IG335) for other dtypes."""
    if mask is None:
        return None
    if mask._layout.dtype is dtypes.bool_:
        return cast_to(where(mask, -math.inf, 0.0), dtype)
    if not mask._layout.dtype.is_floating_point:
        raise _refused(f"only bool and floating types of {name} are supported, not {mask._layout.dtype}")
    return cast_to(mask, dtype)


def _merged(mask: Tensor | None, padding: Tensor | None, q: Tensor, length: Any, keys: Any, more: Any) -> Tensor | None:
    """Both masks as one that is added to scores [n, heads, l, s]; the last `more` keys are seen by all."""
    count, heads = q.shape[:2]
    both = additive("attn_mask", mask, q.dtype)
    if both is not None:
        wanted = (length, keys) if both.dim() == 2 else (count * heads, length, keys)
        if tuple(both.shape) != wanted:
            raise ShapeError(
                "IG335",
                f"The shape of the {both.dim()}D attn_mask is {list(both.shape)}, but should be {list(wanted)}.",
                where=user_line(),
            )
        both = both.reshape((1, 1, length, keys) if both.dim() == 2 else (count, heads, length, keys))
    hides = additive("key_padding_mask", padding, q.dtype)
    if hides is not None:
        if tuple(hides.shape) != (count, keys):
            raise _refused(f"expected key_padding_mask of shape {[count, keys]}, but got {list(hides.shape)}")
        hides = hides.reshape(count, 1, 1, keys)
        both = hides if both is None else both + hides
    if both is None or not more:
        return both
    return cat([both, zeros((*both.shape[:3], more), dtype=both.dtype)], -1)


def _refused(what: str) -> AssertedError:
    return AssertedError("IG335", f"multi_head_attention_forward: {what}", where=user_line())


def _is_batched(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> bool:
    """Whether there is a batch. Raises AssertedError (IG335) when the operands disagree about it."""
    rank = query.dim()
    if rank not in (2, 3):
        raise _refused(f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor")
    if key.dim() != rank or value.dim() != rank:
        raise _refused(
            f"For {rank}-D query, expected key and value to be {rank}-D but found {key.dim()}-D and {value.dim()}-D"
        )
    if padding is not None and padding.dim() != rank - 1:
        raise _refused(f"For {rank}-D query, expected key_padding_mask of {rank - 1}-D but found {padding.dim()}-D")
    if mask is not None and mask.dim() not in (2, 3):
        raise _refused(f"expected attn_mask to be 2-D or 3-D but found {mask.dim()}-D")
    if mask is not None and mask.dim() == 3 and rank == 2 and mask.shape[0] != heads:
        raise _refused(f"expected attn_mask for {heads} heads, but its shape is {list(mask.shape)}")
    return rank == 3


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, size: int, heads: int, separate: bool) -> None:
    """Raises AssertedError (IG335) unless the sizes of query, key and value fit together."""
    if query.shape[2] != size:
        raise _refused(f"was expecting embedding dimension of {size}, but got {query.shape[2]}")
    if size % heads != 0:
        raise _refused(f"embed_dim {size} not divisible by num_heads {heads}")
    fits = key.shape[:2] == value.shape[:2] if separate else key.shape == value.shape
    if not fits:
        raise _refused(f"key shape {list(key.shape)} does not match value shape {list(value.shape)}")
