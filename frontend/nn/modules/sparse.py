"""Embeddings, under the place that PyTorch has for them."""

from ingot.nn.embedding import Embedding as Embedding
from ingot.nn.embedding import EmbeddingBag as EmbeddingBag
