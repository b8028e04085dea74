"""Transformers, under the place that PyTorch has for them."""

from ingot.nn.transformer import Transformer as Transformer
from ingot.nn.transformer import TransformerDecoder as TransformerDecoder
from ingot.nn.transformer import TransformerDecoderLayer as TransformerDecoderLayer
from ingot.nn.transformer import TransformerEncoder as TransformerEncoder
from ingot.nn.transformer import TransformerEncoderLayer as TransformerEncoderLayer
