"""Data loading against PyTorch: orders, batches and random numbers for the same seeds, and errors."""

from __future__ import annotations

import collections
import random
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import ingot
import ingot.utils.data

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def plain(batch: Any) -> Any:
    """Numbers, dtypes and containers of a batch."""
    if hasattr(batch, "tolist"):
        return str(batch.dtype).split(".")[-1], tuple(batch.shape), batch.tolist()
    if isinstance(batch, dict):
        return type(batch).__name__, {key: plain(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple, collections.deque)):
        return type(batch).__name__, [plain(part) for part in batch]
    return batch


def classes(T: Any) -> Any:
    """Datasets of either side."""
    D = T.utils.data

    class Drawn(D.Dataset):  # type: ignore[name-defined, misc]
        def __len__(self) -> int:
            return 11

        def __getitem__(self, i: int) -> Any:
            drawn = np.random.randint(1 << 30), random.random(), T.rand(2)
            return {"i": i, "half": i / 2, "name": str(i), "drawn": drawn, "array": np.full((2,), i)}

    class Stream(D.IterableDataset):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Iterator[int]:
            info = D.get_worker_info()
            return iter(range(info.id if info else 0, 13, info.num_workers if info else 1))

    rows = D.TensorDataset(T.arange(11.0), T.arange(22).view(11, 2))
    return types.SimpleNamespace(D=D, Drawn=Drawn, Stream=Stream, rows=rows, T=T, new=lambda: T.Generator())


LOADERS: dict[str, Callable[[Any], Any]] = {
    "in order": lambda c: c.D.DataLoader(c.rows, batch_size=3),
    "shuffled": lambda c: c.D.DataLoader(c.rows, batch_size=3, shuffle=True),
    "last dropped": lambda c: c.D.DataLoader(c.rows, batch_size=4, shuffle=True, drop_last=True),
    "no batches": lambda c: c.D.DataLoader(c.rows, batch_size=None, shuffle=True),
    "own generator": lambda c: c.D.DataLoader(c.rows, 3, True, generator=c.new().manual_seed(9)),
    "replacement": lambda c: c.D.DataLoader(c.rows, 3, sampler=c.D.RandomSampler(c.rows, True, 70)),
    "more than once": lambda c: c.D.DataLoader(c.rows, 3, sampler=c.D.RandomSampler(c.rows, num_samples=25)),
    "subset": lambda c: c.D.DataLoader(c.rows, 2, sampler=c.D.SubsetRandomSampler([1, 4, 5, 7])),
    "weighted": lambda c: c.D.DataLoader(c.rows, 5, sampler=c.D.WeightedRandomSampler([0.1, 3.0] + [1.0] * 9, 12)),
    "weighted once": lambda c: c.D.DataLoader(c.rows, sampler=c.D.WeightedRandomSampler([0.1] + [1.0] * 10, 5, False)),
    "batch sampler": lambda c: c.D.DataLoader(
        c.rows, batch_sampler=c.D.BatchSampler(c.D.RandomSampler(c.rows), 4, False)
    ),
    "split": lambda c: c.D.DataLoader(c.D.random_split(c.rows, [0.7, 0.3])[0], 2, True),
    "stacked": lambda c: c.D.DataLoader(c.D.StackDataset(a=c.rows, b=range(11)), 4, True),
    "joined": lambda c: c.D.DataLoader(c.D.ConcatDataset([c.rows, c.rows]), 4, True),
    "containers": lambda c: c.D.DataLoader(c.Drawn(), 4, True),
    "stream": lambda c: c.D.DataLoader(c.Stream(), 3),
    "stream, last dropped": lambda c: c.D.DataLoader(c.Stream(), 3, drop_last=True),
    "stream, no batches": lambda c: c.D.DataLoader(c.Stream(), None),
    "workers": lambda c: c.D.DataLoader(c.Drawn(), 2, True, num_workers=2),
    "workers, rows": lambda c: c.D.DataLoader(c.rows, 2, True, num_workers=2),
    "persistent workers": lambda c: c.D.DataLoader(c.rows, 2, True, num_workers=2, persistent_workers=True),
    "workers, own generator": lambda c: c.D.DataLoader(c.Drawn(), 2, True, num_workers=1, generator=c.new()),
    "workers, stream": lambda c: c.D.DataLoader(c.Stream(), 2, num_workers=2),
    "shares": lambda c: c.D.DataLoader(c.rows, 2, sampler=c.D.DistributedSampler(c.rows, 3, 1, seed=4)),
}


@pytest.mark.parametrize("name", LOADERS)
def test_loaders(name: str) -> None:
    found = []
    for T in (torch, ingot):
        T.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loader = LOADERS[name](classes(T))
            passes = [[plain(batch) for batch in loader] for _ in range(3)]
        # What comes after shows that as many numbers were drawn.
        found.append((passes, plain(T.rand(1))))
    assert found[0] == found[1]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_shares_of_processes(count: int, drop_last: bool, shuffle: bool) -> None:
    for rank in {0, count // 2, count - 1}:
        shares = []
        for T in (torch, ingot):
            sampler = T.utils.data.DistributedSampler(range(11), count, rank, shuffle, 7, drop_last)
            sampler.set_epoch(3)
            shares.append((list(sampler), len(sampler)))
        assert shares[0] == shares[1]


def samples(T: Any) -> dict[str, Any]:
    Point = collections.namedtuple("Point", ["x", "y"])
    return {
        "numbers": [1, 2],
        "floats": [1.0, 2.5],
        "bools": [True, False],
        "large": [1 << 40, 2],
        "texts": ["a", "b"],
        "bytes": [b"a", b"b"],
        "tensors": [T.ones(2), T.zeros(2)],
        "scalars": [T.tensor(1), T.tensor(2)],
        "halves": [T.ones(2, dtype=T.bfloat16)] * 2,
        "empty": [T.zeros(0)] * 3,
        "arrays": [np.ones((2, 2)), np.zeros((2, 2))],
        "array scalars": [np.float32(1), np.float32(2)],
        "zero-d arrays": [np.array(1), np.array(2)],
        "tuples": [(1, "a"), (2, "b")],
        "lists": [[1, 2.5], [2, 3.5]],
        "named": [Point(1, 2.0), Point(3, 4.0)],
        "dicts": [{"a": 1, "b": [1]}, {"a": 2, "b": [2]}],
        "ordered": [collections.OrderedDict(b=1, a=2)] * 2,
        "default": [collections.defaultdict(int, a=1)] * 2,
        "ranges": [range(2), range(2)],
        "deque": [collections.deque([1, 2])] * 2,
        "of other sizes": [T.ones(2), T.ones(3)],
        "of other lengths": [[1], [1, 2]],
        "of other keys": [{"a": 1}, {"b": 1}],
        "none": [None, None],
        "object": [object()],
        "array of texts": [np.array(["a"])],
        "nothing": [],
        "mixed": [1, 2.5],
        "mixed with none": [1, None],
    }


@pytest.mark.parametrize("name", samples(ingot))
@pytest.mark.parametrize("function", ["default_collate", "default_convert"])
def test_batches(name: str, function: str) -> None:
    found: list[Any] = []
    for T in (torch, ingot):
        try:
            found.append(plain(getattr(T.utils.data, function)(samples(T)[name])))
        except Exception as error:
            found.append(error)
    theirs, ours = found
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs))
    elif name not in ("object", "array of texts"):
        assert theirs == ours


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "sizes of tensors": lambda c: c.D.TensorDataset(c.T.zeros(2), c.T.zeros(3)),
    "sizes of datasets": lambda c: c.D.StackDataset([1], [1, 2]),
    "stack of nothing": lambda c: c.D.StackDataset(),
    "nothing joined": lambda c: c.D.ConcatDataset([]),
    "streams joined": lambda c: c.D.ConcatDataset([c.Stream()]),
    "place too low": lambda c: c.D.ConcatDataset([[1]])[-2],
    "place too high": lambda c: c.D.ConcatDataset([[1]])[1],
    "chain of lists": lambda c: list(c.D.ChainDataset([[1]])),
    "lengths": lambda c: c.D.random_split(range(5), [1, 2]),
    "fractions": lambda c: c.D.random_split(range(5), [0.3, 0.3]),
    "negative fraction": lambda c: c.D.random_split(range(5), [1.5, -0.5]),
    "empty random": lambda c: c.D.RandomSampler([]),
    "replacement": lambda c: c.D.RandomSampler([1], replacement=1),
    "num_samples": lambda c: c.D.RandomSampler([1], num_samples=1.5),
    "batch_size": lambda c: c.D.BatchSampler([1], 0, False),
    "drop_last": lambda c: c.D.BatchSampler([1], 1, 0),
    "weights": lambda c: c.D.WeightedRandomSampler([[1.0]], 1),
    "more than there are": lambda c: list(c.D.WeightedRandomSampler([1.0], 2, False)),
    "rank": lambda c: c.D.DistributedSampler([1], 2, 2),
    "no processes": lambda c: c.D.DistributedSampler([1]),
    "workers": lambda c: c.D.DataLoader([1], num_workers=-1),
    "timeout": lambda c: c.D.DataLoader([1], timeout=-1),
    "prefetch": lambda c: c.D.DataLoader([1], prefetch_factor=2),
    "persistent": lambda c: c.D.DataLoader([1], persistent_workers=True),
    "context": lambda c: c.D.DataLoader([1], num_workers=1, multiprocessing_context="x"),
    "context of nobody": lambda c: c.D.DataLoader([1], multiprocessing_context="fork"),
    "sampler and shuffle": lambda c: c.D.DataLoader([1], sampler=[0], shuffle=True),
    "two sizes": lambda c: c.D.DataLoader([1], batch_sampler=[[0]], batch_size=2),
    "nothing to drop": lambda c: c.D.DataLoader([1], batch_size=None, drop_last=True),
    "shuffled stream": lambda c: c.D.DataLoader(c.Stream(), shuffle=True),
    "sampled stream": lambda c: c.D.DataLoader(c.Stream(), sampler=[0]),
    "length of a stream": lambda c: len(c.D.DataLoader(c.Stream())),
    "index of rows": lambda c: list(c.D.DataLoader(c.rows, sampler=[11])),
    "index of a list": lambda c: list(c.D.DataLoader([1], sampler=[11])),
    "setting": lambda c: setattr(c.D.DataLoader([1]), "batch_size", 2),
    "abstract": lambda c: c.D.Dataset()[0],
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        MISTAKES[name](classes(torch))
    with pytest.raises(theirs.type):
        MISTAKES[name](classes(ingot))
