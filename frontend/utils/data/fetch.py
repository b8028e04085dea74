"""Batches from a dataset: by indices, or from a stream."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ingot.core import array_of, tensor_from_array
from ingot.tape import needs_grad
from ingot.utils.data.collate import default_collate
from ingot.utils.data.dataset import IterableDataset, Subset, TensorDataset, several

Fetch = Callable[[Any], Any]


def fetcher(dataset: Any, batched: bool, collate: Callable[[Any], Any], drop_last: bool) -> Fetch:
    """The function from what the sampler gave to a batch. Of a stream it raises StopIteration at the end."""
    if isinstance(dataset, IterableDataset):
        return _from_stream(iter(dataset), batched, collate, drop_last)
    if not batched:
        return lambda index: collate(dataset[index])
    rows = _rows_of(dataset) if collate is default_collate else None
    if rows is not None:
        return rows
    return lambda indices: collate(several(dataset, list(indices)))


def _from_stream(stream: Iterator[Any], batched: bool, collate: Callable[[Any], Any], drop_last: bool) -> Fetch:
    if not batched:
        return lambda index: collate(next(stream))

    def fetch(indices: Any) -> Any:
        samples = list(itertools.islice(stream, len(indices)))
        if not samples or (drop_last and len(samples) < len(indices)):
            raise StopIteration
        return collate(samples)

    return fetch


def _rows_of(dataset: Any) -> Fetch | None:
    """For tensors in memory, or a subset of them: what collating their rows gives, gathered at once."""
    whole = dataset
    chosen: np.ndarray[Any, Any] | None = None
    while type(dataset) is Subset:
        inner = np.asarray(dataset.indices, np.int64)
        chosen = inner if chosen is None else inner[chosen]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or any(needs_grad(tensor) for tensor in dataset.tensors):
        return None
    tensors = dataset.tensors

    def fetch(indices: Any) -> Any:
        given = list(indices)
        places = np.asarray(given)
        if places.dtype.kind not in "iu" or places.ndim != 1:
            return default_collate(several(whole, given))
        if chosen is not None:
            places = chosen[places]
        return [tensor_from_array(array_of(tensor).take(places, 0)) for tensor in tensors]

    return fetch
