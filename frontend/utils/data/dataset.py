"""Datasets: by index, as a stream, and made of others."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ingot.functional.sampling import randperm
from ingot.rng import Generator, default_generator
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor
from ingot.utils.data.errors import AbstractError, DatasetError, PlaceError

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by index: subclasses define `__getitem__` and `__len__`.

    `__getitems__`, where it is defined, gives the list of samples for a list of indices at once.
    """

    def __getitem__(self, index: Any) -> T:
        raise AbstractError("IG415", f"{type(self).__name__} does not define __getitem__", where=user_line())

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples as a stream: subclasses define `__iter__`. With workers, each of them runs a copy of the whole stream,
    of which `get_worker_info` tells it its share."""

    def __iter__(self) -> Iterator[T]:
        raise AbstractError("IG415", f"{type(self).__name__} does not define __iter__", where=user_line())

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """The rows of tensors of equal first size. Raises DatasetError (IG415) if the sizes differ."""

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if any(tensor.size(0) != tensors[0].size(0) for tensor in tensors):
            sizes = ", ".join(str(list(tensor.shape)) for tensor in tensors)
            raise DatasetError("IG415", f"Size mismatch between tensors: {sizes}", where=user_line())
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].size(0))


class StackDataset(Dataset[Any]):
    """Datasets side by side: a sample is a tuple of their samples, or a dict if they are named.

    Raises SpecError (IG415) if their lengths differ.
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise _unusable("StackDataset takes datasets, or named datasets, not both")
        if not args and not kwargs:
            raise _unusable("At least one dataset should be passed")
        given = list(args or kwargs.values())
        self._length = len(given[0])
        if any(len(dataset) != self._length for dataset in given):
            raise _unusable(f"Size mismatch between datasets: {[len(dataset) for dataset in given]}")
        self.datasets = args or kwargs

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        """The samples of several indices."""
        if isinstance(self.datasets, dict):
            columns = [several(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*(several(dataset, indices) for dataset in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """Datasets one after the other. Raises DatasetError (IG415) for none, or for streams."""

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DatasetError("IG415", "datasets should not be an empty iterable", where=user_line())
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise DatasetError(
                "IG415", "ConcatDataset does not support IterableDataset", where=user_line(), fix="ChainDataset"
            )
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> Any:
        if index < 0:
            if -index > len(self):
                raise PlaceError(
                    "IG415",
                    f"absolute value of index should not exceed dataset length: {index} of {len(self)}",
                    where=user_line(),
                )
            index += len(self)
        number = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[number - 1] if number else 0
        return self.datasets[number][index - before]


class ChainDataset(IterableDataset[Any]):
    """Streams one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise DatasetError("IG415", "ChainDataset only supports IterableDataset", where=user_line())
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class Subset(Dataset[T]):
    """Those samples of a dataset that a sequence of indices names."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            chosen: T = self.dataset[[self.indices[i] for i in index]]
            return chosen
        sample: T = self.dataset[self.indices[index]]
        return sample

    def __getitems__(self, indices: list[int]) -> list[T]:
        """The samples of several indices."""
        return several(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def several(dataset: Any, indices: list[Any]) -> list[Any]:
    """The samples of several indices, at once where the dataset can."""
    if callable(getattr(dataset, "__getitems__", None)):
        samples = dataset.__getitems__(indices)
        if len(samples) != len(indices):
            raise _unusable(
                f"__getitems__ of {type(dataset).__name__} gave {len(samples)} samples for {len(indices)} indices"
            )
        return list(samples)
    return [dataset[index] for index in indices]


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset[Any]]:
    """Split a dataset at random into parts of these lengths, or of these fractions that sum to 1.

    What fractions leave over goes to the parts in turn. Raises SpecError (IG415) for lengths that do not add up.
    """
    counts = _counts(len(dataset), lengths)
    if sum(counts) != len(dataset):
        raise _unusable(
            f"Sum of input lengths does not equal the length of the input dataset: {counts} of {len(dataset)}"
        )
    order = randperm(sum(counts), generator=generator or default_generator).tolist()
    ends = itertools.accumulate(counts)
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _counts(size: int, lengths: Sequence[int | float]) -> list[int]:
    total = sum(lengths)
    if not (math.isclose(total, 1) and total <= 1):
        return [int(length) for length in lengths]
    for place, fraction in enumerate(lengths):
        if not 0 <= fraction <= 1:
            raise _unusable(f"Fraction at index {place} is not between 0 and 1")
    counts = [math.floor(size * fraction) for fraction in lengths]
    for place in range(size - sum(counts)):
        counts[place % len(counts)] += 1
    return counts


def _unusable(what: str) -> SpecError:
    return SpecError("IG415", what, where=user_line())
