"""Samplers: the order in which a dataset's indices come. A seeded one gives PyTorch's order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from ingot.creation import as_tensor, empty
from ingot.functional.sampling import multinomial, randint, random_, randperm
from ingot.rng import Generator
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, SpecError
from ingot.source_lines import user_line

T = TypeVar("T", covariant=True)


def drawn_seed(generator: Generator | None = None) -> int:
    """A seed from the generator (by default the default one): what PyTorch draws for a loader or a sampler."""
    return int(random_(empty((), dtype=dtypes.int64), generator=generator).item())


def positive_count(name: str, value: Any) -> int:
    """The value. Raises SpecError (IG412) unless it is a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise SpecError(
            "IG412", f"{name} should be a positive integer value, but got {name}={value}", where=user_line()
        )
    return value


def truth(name: str, value: Any) -> bool:
    """The value. Raises DTypeError (IG412) unless it is True or False."""
    if not isinstance(value, bool):
        raise DTypeError("IG412", f"{name} should be a boolean value, but got {name}={value}", where=user_line())
    return value


class Sampler(Generic[T]):
    """Indices in some order: subclasses define `__iter__`, and `__len__` where it is known."""

    def __init__(self, data_source: Any = None) -> None:
        pass

    def __iter__(self) -> Iterator[T]:
        raise DTypeError("IG412", f"{type(self).__name__} does not define __iter__", where=user_line())


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every index once in a random order, or `num_samples` of them, drawn with replacement if asked.

    Without a generator each pass draws a seed from the default one. Raises SpecError and DTypeError (IG412).
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = truth("replacement", replacement)
        self._num_samples = num_samples
        self.generator = generator
        positive_count("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices a pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size, count = len(self.data_source), self.num_samples
        generator = self.generator
        if generator is None:
            generator = Generator().manual_seed(drawn_seed())
        if self.replacement:
            for drawn in [32] * (count // 32) + [count % 32]:
                yield from randint(0, size, (drawn,), generator=generator).tolist()
            return
        for _ in range(count // size):
            yield from randperm(size, generator=generator).tolist()
        # PyTorch draws the order of a last part also when that is empty.
        yield from randperm(size, generator=generator).tolist()[: count % size]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in a random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities proportional to `weights`. Raises SpecError (IG412)."""

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Generator | None = None
    ) -> None:
        self.num_samples = positive_count("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise SpecError("IG412", f"replacement should be a boolean value, but got {replacement}", where=user_line())
        self.weights = as_tensor(weights, dtype=dtypes.float64)
        if self.weights.ndim != 1:
            raise SpecError(
                "IG412",
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}",
                where=user_line(),
            )
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler; the last may be shorter, or be dropped."""

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        self.sampler = sampler
        self.batch_size = positive_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise SpecError(
                "IG412", f"drop_last should be a boolean value, but got drop_last={drop_last}", where=user_line()
            )
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)
