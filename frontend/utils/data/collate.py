"""Batches from samples."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ingot.core import TensorBase, array_of, is_traced, tensor_from_array
from ingot.creation import as_tensor, tensor
from ingot.functional.joining import stack
from ingot.runtime import dtypes
from ingot.runtime.layout import Layout
from ingot.source_lines import user_line
from ingot.tape import needs_grad
from ingot.utils.data.errors import CollateError, UnequalError

# NumPy arrays of texts and objects stay what they are.
_NOT_NUMBERS = re.compile(r"[SaUO]")


def default_collate(batch: Any) -> Any:
    """One batch of a list of samples: tensors, arrays and numbers are stacked, containers are walked, texts stay.

    Tuples of samples come back as lists, named tuples and dicts as they are.
    Raises CollateError (IG413) for other types, UnequalError (IG413) for samples of unequal lengths.
    """
    first = batch[0]
    if isinstance(first, TensorBase):
        return _stacked(batch)
    if isinstance(first, np.ndarray):
        if _NOT_NUMBERS.search(first.dtype.str):
            raise _no_batch(first.dtype)
        return _stacked_arrays(batch)
    if isinstance(first, np.generic):
        if _NOT_NUMBERS.search(first.dtype.str):
            raise _no_batch(first.dtype)
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=dtypes.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like_mapping(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        return _columns(first, batch)
    raise _no_batch(type(first))


def _columns(first: Any, batch: Any) -> Any:
    """Samples that are sequences: the columns are collated."""
    if hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=False)))
    if any(len(sample) != len(first) for sample in batch):
        raise UnequalError(
            "IG413",
            "each element in list of batch should be of equal size: their lengths are "
            f"{sorted({len(sample) for sample in batch})}",
            where=user_line(),
            fix="a collate_fn that pads them",
        )
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    return columns if isinstance(first, tuple) else _like_sequence(first, columns)


def _like_mapping(first: Any, entries: dict[Any, Any]) -> Any:
    """The entries in a mapping of the first sample's class, where it can be made; else a dict."""
    if type(first) is dict:
        return entries
    try:
        if isinstance(first, MutableMapping):
            made = copy.copy(first)
            made.update(entries)
            return made
        return type(first)(entries)
    except TypeError:
        return entries


def _like_sequence(first: Any, columns: list[Any]) -> Any:
    if type(first) is list:
        return columns
    try:
        if isinstance(first, MutableSequence):
            made = copy.copy(first)
            for place, column in enumerate(columns):
                made[place] = column
            return made
        return type(first)(columns)
    except TypeError:
        return columns


def _stacked(batch: Any) -> Any:
    """The tensors under a new first dimension; copied once where no gradient is recorded."""
    first = batch[0]
    layout = first._layout
    for sample in batch:
        if (
            not isinstance(sample, TensorBase)
            or (sample._layout is not layout and sample._layout.shape != layout.shape)
            or sample._layout.dtype is not layout.dtype
            or is_traced(sample)
            or needs_grad(sample)
        ):
            return stack(list(batch))
    rows = _rows_of_one_memory(batch)
    if rows is not None:
        return tensor_from_array(rows)
    made = np.empty((len(batch), *layout.shape), layout.dtype.numpy)
    for place, sample in enumerate(batch):
        made[place] = array_of(sample)
    return tensor_from_array(made)


def _rows_of_one_memory(batch: Any) -> np.ndarray[Any, Any] | None:
    """The samples' elements if they are rows of one tensor, as those of most datasets in memory are."""
    first = batch[0]
    layout, storage, count = first._layout, first._storage, first._layout.numel
    if not count or not layout.contiguous or any(s._storage is not storage or s._layout is not layout for s in batch):
        return None
    places = [sample._offset // count for sample in batch]
    if any(place * count != sample._offset for place, sample in zip(places, batch, strict=True)):
        return None
    rows = storage.array(Layout.of(layout.dtype, (storage.nbytes // layout.nbytes, *layout.shape)), 0)
    return rows.take(places, 0)  # type: ignore[no-any-return]


def _stacked_arrays(batch: Any) -> Any:
    first = batch[0]
    if any(type(a) is not np.ndarray or a.shape != first.shape or a.dtype != first.dtype for a in batch):
        return _stacked([as_tensor(array) for array in batch])
    made = np.empty((len(batch), *first.shape), dtypes.from_numpy(first.dtype).numpy)
    for place, array in enumerate(batch):
        made[place] = array
    return tensor_from_array(made)


def _no_batch(kind: Any) -> CollateError:
    return CollateError(
        "IG413",
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}",
        where=user_line(),
        fix="a collate_fn of your own",
    )


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers as tensors, in containers too; everything else as it is."""
    if isinstance(data, (np.ndarray, np.generic)):
        return data if _NOT_NUMBERS.search(data.dtype.str) else as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data
