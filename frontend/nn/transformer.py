"""Transformers. Vaswani et al. 2017; `norm_first`: Xiong et al. 2020."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from ingot.creation import full
from ingot.functional.activations import gelu, relu
from ingot.functional.arithmetic import where
from ingot.functional.multi_head import additive
from ingot.modes import modes
from ingot.nn import init
from ingot.nn.activations import GELU, ReLU
from ingot.nn.attention import MultiheadAttention
from ingot.nn.containers import ModuleList
from ingot.nn.dropout import Dropout
from ingot.nn.linear import Linear
from ingot.nn.module import Module
from ingot.nn.normalization import LayerNorm
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

Activation = Callable[[Tensor], Tensor]


def _activation(given: str | Activation) -> Activation:
    """The function of a name. Raises ShapeError (IG336), a RuntimeError, for other names."""
    if not isinstance(given, str):
        return given
    known: dict[str, Activation] = {"relu": relu, "gelu": gelu}
    if given not in known:
        raise ShapeError("IG336", f"activation should be relu/gelu, not {given}", where=user_line())
    return known[given]


def _clones(module: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


class _FeedForward(Module):
    """What encoder and decoder layers have in common: linear1, activation, dropout, linear2."""

    linear1: Linear
    linear2: Linear
    dropout: Dropout
    activation: Activation

    def _transformed(self, x: Tensor, last: Dropout) -> Tensor:
        return last(self.linear2(self.dropout(self.activation(self.linear1(x)))))  # type: ignore[no-any-return]


class TransformerEncoderLayer(_FeedForward):
    """Self-attention and a network of two layers, each with a residual connection and normalisation.

    `activation` is "relu", "gelu" or a function of a tensor. `norm_first` normalises what goes in instead of what comes
    out.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """src [steps, batch, d_model] (batch first with `batch_first`; unbatched [steps, d_model]), as what comes out.

        Masks as in `MultiheadAttention`.
        """

        def attended(x: Tensor) -> Tensor:
            found = self.self_attn(
                x,
                x,
                x,
                attn_mask=src_mask,
                key_padding_mask=src_key_padding_mask,
                need_weights=False,
                is_causal=is_causal,
            )[0]
            return self.dropout1(found)  # type: ignore[no-any-return]

        x = src
        if self.norm_first:
            x = x + attended(self.norm1(x))
            return x + self._transformed(self.norm2(x), self.dropout2)
        x = self.norm1(x + attended(x))
        return self.norm2(x + self._transformed(x, self.dropout2))  # type: ignore[no-any-return]


class TransformerDecoderLayer(_FeedForward):
    """Self-attention, attention over the encoder's output, and a network of two layers; see TransformerEncoderLayer."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        attention: dict[str, Any] = {"dropout": dropout, "batch_first": batch_first, "bias": bias, **made}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """tgt [steps, batch, d_model] over memory [steps of the encoder, batch, d_model], same shape as tgt out."""

        def attended(x: Tensor) -> Tensor:
            found = self.self_attn(
                x,
                x,
                x,
                attn_mask=tgt_mask,
                key_padding_mask=tgt_key_padding_mask,
                is_causal=tgt_is_causal,
                need_weights=False,
            )[0]
            return self.dropout1(found)  # type: ignore[no-any-return]

        def over_memory(x: Tensor) -> Tensor:
            found = self.multihead_attn(
                x,
                memory,
                memory,
                attn_mask=memory_mask,
                key_padding_mask=memory_key_padding_mask,
                is_causal=memory_is_causal,
                need_weights=False,
            )[0]
            return self.dropout2(found)  # type: ignore[no-any-return]

        x = tgt
        if self.norm_first:
            x = x + attended(self.norm1(x))
            x = x + over_memory(self.norm2(x))
            return x + self._transformed(self.norm3(x), self.dropout3)
        x = self.norm1(x + attended(x))
        x = self.norm2(x + over_memory(x))
        return self.norm3(x + self._transformed(x, self.dropout3))  # type: ignore[no-any-return]


class TransformerEncoder(Module):
    """`num_layers` copies of a layer on top of each other, then `norm`.

    `enable_nested_tensor`: what comes out of the layers at padded steps is 0 where PyTorch leaves those steps out:
    in evaluation mode without gradients, for padding at the end without another mask and most kinds of layers.
    `mask_check` changes nothing.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """See TransformerEncoderLayer."""
        x = src
        padding = additive("src_key_padding_mask", src_key_padding_mask, src.dtype)
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=bool(is_causal), src_key_padding_mask=padding)
        if src_key_padding_mask is not None and mask is None and src.dim() == 3 and self._leaves_out():
            x = _without_padding(x, src_key_padding_mask != 0)
        return x if self.norm is None else self.norm(x)

    def _leaves_out(self) -> bool:
        """Whether PyTorch would leave padded steps out of these layers."""
        first = self.layers[0]
        if not self.enable_nested_tensor or first.training or type(first) is not TransformerEncoderLayer:
            return False
        if modes.grad and any(parameter.requires_grad for parameter in first.parameters()):
            return False
        attention = first.self_attn
        usual = first.activation in (relu, gelu) or isinstance(first.activation, (ReLU, GELU))
        plain = attention.batch_first and attention.in_proj_bias is not None and attention.num_heads % 2 == 0
        return plain and usual and not first.norm_first and first.norm1.eps == first.norm2.eps


def _without_padding(x: Tensor, padded: Tensor) -> Tensor:
    """x [batch, steps, size] with 0 where `padded` bool [batch, steps], if only last steps are padded."""
    at_end = (padded[:, 1:] | ~padded[:, :-1]).all()
    return where((padded & at_end).unsqueeze(-1), 0.0, x)


class TransformerDecoder(Module):
    """`num_layers` copies of a layer on top of each other, then `norm`."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """See TransformerDecoderLayer."""
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder and a decoder that attends to its output.

    Raises ShapeError (IG336) for operands of other batches or sizes.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            layer = TransformerEncoderLayer(*sizes, **made)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, LayerNorm(d_model, eps=layer_norm_eps, **made))
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            above = TransformerDecoderLayer(*sizes, **made)
            self.decoder = TransformerDecoder(above, num_decoder_layers, LayerNorm(d_model, eps=layer_norm_eps, **made))
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """src and tgt [steps, batch, d_model] (batch first with `batch_first`), the shape of tgt out."""
        batch = 0 if self.batch_first else 1
        if src.dim() != tgt.dim() or (src.dim() == 3 and src.shape[batch] != tgt.shape[batch]):
            raise ShapeError("IG336", "the batch number of src and tgt must be equal", where=user_line())
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                "IG336",
                f"the feature number of src and tgt must be equal to d_model {self.d_model}, got {src.shape[-1]} and "
                f"{tgt.shape[-1]}",
                where=user_line(),
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        found: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return found

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: DType | None = None) -> Tensor:
        """[sz, sz] with -inf above the diagonal and 0 elsewhere."""
        return full((sz, sz), -math.inf, dtype=dtype, device=device).triu(1)
