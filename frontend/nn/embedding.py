"""Embeddings."""

from __future__ import annotations

from typing import Any

from ingot.creation import empty
from ingot.functional import embedding as lookup
from ingot.functional.inplace import fill_
from ingot.modes import no_grad
from ingot.nn import init
from ingot.nn.module import Module
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import AssertedError, ShapeError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor


class Embedding(Module):
    """A table of vectors [num_embeddings, embedding_dim], looked up by index.

    Raises SpecError (IG217) for a `padding_idx` outside the table, ShapeError (IG245) for a `_weight` of other sizes.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise AssertedError(
                "IG217",
                f"Padding_idx must be within num_embeddings: {padding_idx}, {num_embeddings}",
                where=user_line(),
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            made = empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(made, requires_grad=not _freeze)
            self.reset_parameters()
            return
        if tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise ShapeError(
                "IG245", "Shape of weight does not match num_embeddings and embedding_dim", where=user_line()
            )
        self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw standard normal rows; the row `padding_idx` is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                fill_(self.weight.select(0, self.padding_idx), 0)

    def forward(self, input: Tensor) -> Tensor:
        """Indices [...] to vectors [..., embedding_dim]."""
        return lookup.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An embedding with these rows [n, d], which are not trained if `freeze`."""
        if embeddings._layout.ndim != 2:
            raise AssertedError("IG245", "Embeddings parameter is expected to be 2-dimensional", where=user_line())
        rows, columns = embeddings.shape
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, _freeze=freeze
        )

    def extra_repr(self) -> str:
        shown = [f"{self.num_embeddings}, {self.embedding_dim}"]
        shown += [f"{k}={getattr(self, k)}" for k in ("padding_idx", "max_norm") if getattr(self, k) is not None]
        shown += [f"norm_type={self.norm_type}"] if self.norm_type != 2 else []
        shown += [f"{k}=True" for k in ("scale_grad_by_freq", "sparse") if getattr(self, k)]
        return ", ".join(shown)


class EmbeddingBag(Module):
    """The sum, mean or largest elements of the rows of each bag of indices.

    Raises SpecError (IG217) for a `padding_idx` outside the table, ShapeError (IG245) for a `_weight` of other sizes.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise AssertedError(
                "IG217",
                f"Padding_idx must be within num_embeddings: {padding_idx}, {num_embeddings}",
                where=user_line(),
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
            self.reset_parameters()
            return
        if tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise ShapeError(
                "IG245", "Shape of weight does not match num_embeddings and embedding_dim", where=user_line()
            )
        self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        """Draw standard normal rows; the row `padding_idx` is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                fill_(self.weight.select(0, self.padding_idx), 0)

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Indices [bags, size], or [total] with offsets [bags], to [bags, embedding_dim]."""
        return lookup.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Bags of these rows [n, d], which are not trained if `freeze`."""
        if embeddings._layout.ndim != 2:
            raise AssertedError("IG245", "Embeddings parameter is expected to be 2-dimensional", where=user_line())
        rows, columns = embeddings.shape
        made = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        made.weight.requires_grad_(not freeze)
        return made

    def extra_repr(self) -> str:
        shown = [f"{self.num_embeddings}, {self.embedding_dim}"]
        shown += [f"max_norm={self.max_norm}"] if self.max_norm is not None else []
        shown += [f"norm_type={self.norm_type}"] if self.norm_type != 2 else []
        shown += ["scale_grad_by_freq=True"] if self.scale_grad_by_freq else []
        shown.append(f"mode={self.mode!r}")
        shown += [f"padding_idx={self.padding_idx}"] if self.padding_idx is not None else []
        return ", ".join(shown)
