"""Datasets, samplers, batches, and loaders with and without workers."""

from __future__ import annotations

import collections
import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn, optim
from ingot.runtime.errors import IngotError, TraceError
from ingot.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    iterators,
    random_split,
)

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers talk through packets of Linux")


def plain(batch: Any) -> Any:
    """The numbers of a batch."""
    if isinstance(batch, ingot.Tensor):
        return batch.tolist()
    if isinstance(batch, dict):
        return {key: plain(value) for key, value in batch.items()}
    return [plain(part) for part in batch] if isinstance(batch, (list, tuple)) else batch


class Squares(Dataset[Any]):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        return {"x": ingot.full((3,), float(index)), "y": index * index}


class Numbers(IterableDataset[int]):
    """Each worker has its share."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Any:
        info = get_worker_info()
        return iter(range(self.size)) if info is None else iter(range(info.id, self.size, info.num_workers))


# ---- datasets


def test_tensor_dataset() -> None:
    data = TensorDataset(ingot.arange(6.0).view(3, 2), ingot.arange(3))
    assert len(data) == 3 and plain(data[1]) == [[2.0, 3.0], 1] and plain(data[-1]) == [[4.0, 5.0], 2]
    with pytest.raises(AssertionError, match=r"\[IG415\] Size mismatch between tensors: \[2\], \[3\]"):
        TensorDataset(ingot.zeros(2), ingot.zeros(3))


def test_datasets_of_datasets() -> None:
    joined: Any = ConcatDataset([[1, 2], [3], [], [4]])
    assert len(joined) == 4 and [joined[i] for i in range(4)] == [1, 2, 3, 4] and joined[-1] == 4 and joined[-4] == 1
    assert len(Squares(2) + Squares(1)) == 3 and (Squares(2) + Squares(1))[2]["y"] == 0
    stacked = StackDataset([1, 2], [3, 4])
    assert stacked[1] == (2, 4) and stacked.__getitems__([1, 0]) == [(2, 4), (1, 3)]
    named = StackDataset(a=[1, 2], b=[3, 4])
    assert named[1] == {"a": 2, "b": 4} and named.__getitems__([0]) == [{"a": 1, "b": 3}] and len(named) == 2
    part: Any = Subset([5, 6, 7], [2, 0])
    assert part[0] == 7 and part.__getitems__([1, 0]) == [5, 7] and len(part) == 2
    assert list(ChainDataset([Numbers(2), Numbers(3)])) == [0, 1, 0, 1, 2] == list(Numbers(2) + Numbers(3))


def test_datasets_that_do_not_fit() -> None:
    for make, kind in (
        (lambda: ConcatDataset([]), AssertionError),
        (lambda: ConcatDataset([Numbers(1)]), AssertionError),
        (lambda: ConcatDataset([[1]])[-2], ValueError),
        (lambda: ConcatDataset([[1]])[1], IndexError),
        (lambda: StackDataset(), ValueError),
        (lambda: StackDataset([1], a=[1]), ValueError),
        (lambda: StackDataset([1], [1, 2]), ValueError),
        (lambda: list(ChainDataset([[1]])), AssertionError),
        (lambda: Dataset()[0], NotImplementedError),
        (lambda: iter(IterableDataset()), NotImplementedError),
        (lambda: random_split(range(4), [1, 2]), ValueError),
        (lambda: random_split(range(4), [1.5, -0.5]), ValueError),
    ):
        with pytest.raises(kind):
            make()


def test_random_split() -> None:
    parts = random_split(range(10), [0.35, 0.35, 0.3], generator=ingot.Generator().manual_seed(1))
    # Numbers of torch.utils.data.random_split.
    assert [part.indices for part in parts] == [[5, 6, 1, 2], [0, 8, 9], [3, 7, 4]]
    assert [len(part) for part in random_split(range(10), [3, 7])] == [3, 7]


# ---- samplers


def test_samplers_give_pytorchs_orders() -> None:
    ingot.manual_seed(3)
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    generator = ingot.Generator().manual_seed(9)
    first, second = (list(RandomSampler(range(6), generator=generator)) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(6)) and first != second
    assert len(list(RandomSampler(range(4), num_samples=10))) == 10
    assert len(list(RandomSampler(range(4), replacement=True, num_samples=70))) == 70
    assert sorted(SubsetRandomSampler([4, 7, 9])) == [4, 7, 9]
    assert set(WeightedRandomSampler([0.0, 1.0, 1.0], 20)) == {1, 2}
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]] and len(BatchSampler(range(5), 2, True)) == 2


def test_shares_of_processes() -> None:
    shares = [DistributedSampler(range(10), 4, rank, shuffle=False) for rank in range(4)]
    assert [list(share) for share in shares] == [[0, 4, 8], [1, 5, 9], [2, 6, 0], [3, 7, 1]]
    shuffled = [DistributedSampler(range(10), 2, rank, drop_last=True) for rank in range(2)]
    orders = []
    for epoch in range(2):
        for share in shuffled:
            share.set_epoch(epoch)
        orders.append([list(share) for share in shuffled])
        assert sorted(orders[-1][0] + orders[-1][1]) == list(range(10))
    assert orders[0] != orders[1]


def test_samplers_that_are_refused() -> None:
    for make, kind in (
        (lambda: RandomSampler([]), ValueError),
        (lambda: RandomSampler([1], replacement=1), TypeError),  # type: ignore[arg-type]
        (lambda: RandomSampler([1], num_samples=0), ValueError),
        (lambda: BatchSampler([1], 0, False), ValueError),
        (lambda: BatchSampler([1], 2, 1), ValueError),  # type: ignore[arg-type]
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError),
        (lambda: WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: DistributedSampler(range(3)), ValueError),
        (lambda: DistributedSampler(range(3), 2, 2), ValueError),
        (lambda: iter(Sampler()), TypeError),
    ):
        with pytest.raises(kind, match="IG412"):
            make()


# ---- batches


def test_default_collate() -> None:
    Point = collections.namedtuple("Point", ["x", "y"])
    sample = (
        1,
        2.5,
        "a",
        b"b",
        True,
        np.float32(1),
        np.arange(2),
        {"k": ingot.ones(1)},
        [1, 2],
        Point(1, ingot.ones(2)),
    )
    batch = default_collate([sample, sample])
    assert plain(batch[:9]) == [
        [1, 1], [2.5, 2.5], ["a", "a"], [b"b", b"b"], [True, True], [1.0, 1.0], [[0, 1], [0, 1]], {"k": [[1.0], [1.0]]},
        [[1, 1], [2, 2]],
    ]  # fmt: skip
    assert type(batch) is list and type(batch[9]) is Point and batch[9].y.shape == (2, 2)
    assert [batch[i].dtype for i in (0, 1, 4, 5, 6)] == [
        ingot.int64, ingot.float64, ingot.bool, ingot.float32, ingot.int64,
    ]  # fmt: skip
    ordered = default_collate([collections.OrderedDict(b=1, a=2)] * 2)
    assert type(ordered) is collections.OrderedDict and list(ordered) == ["b", "a"]


def test_rows_of_one_memory() -> None:
    base = ingot.arange(24).view(6, 4)
    for samples in (
        [base[i] for i in (5, 0, 3)],
        [base[2:][i] for i in (0, 3)],
        [base.view(-1)[1:][i] for i in (4, 0)],
        [base.view(-1)[i + 1 : i + 5] for i in (0, 4)],
        [base[:, i] for i in (1, 0)],
        [base[0], base[1].clone()],
        [base[i].view(2, 2).t() for i in (1, 2)],
        [base[i : i + 1].expand(2, 4) for i in (1, 2)],
        [base.view(-1)[23:], base.view(-1)[:1]],
        [base[:0], base[3:3]],
    ):
        batch = default_collate(samples)
        assert plain(batch) == plain(samples) and batch.shape == (len(samples), *samples[0].shape)
        batch.zero_()
    assert base.sum().item() == sum(range(24))


def test_batches_of_tensors_that_require_grad() -> None:
    rows = [ingot.ones(2, requires_grad=True) for _ in range(3)]
    default_collate(rows).sum().backward()
    assert plain(rows[0].grad) == [1.0, 1.0]


def test_samples_that_make_no_batch() -> None:
    for batch, kind in (
        ([object()], TypeError),
        ([None], TypeError),
        ([np.array(["a"])], TypeError),
        ([[1, 2], [3]], RuntimeError),
        ([ingot.ones(2), ingot.ones(3)], RuntimeError),
        ([{"a": 1}, {"b": 1}], KeyError),
        ([], IndexError),
    ):
        with pytest.raises(kind):
            default_collate(batch)


def test_default_convert() -> None:
    converted = default_convert([1, "a", np.arange(2), np.float32(2), (np.arange(1),), {"a": np.ones(1)}])
    assert plain(converted) == [1, "a", [0, 1], 2.0, [[0]], {"a": [1.0]}]
    assert isinstance(default_convert(np.array(["a"])), np.ndarray)


# ---- loaders in this process


def test_batches_in_order() -> None:
    loader = DataLoader(Squares(5), batch_size=2)
    assert [plain(batch["y"]) for batch in loader] == [[0, 1], [4, 9], [16]] and len(loader) == 3
    loader = DataLoader(Squares(5), batch_size=2, drop_last=True)
    assert [plain(batch["y"]) for batch in loader] == [[0, 1], [4, 9]] and len(loader) == 2
    assert [sample["y"] for sample in DataLoader(Squares(3), batch_size=None)] == [0, 1, 4]
    assert [plain(b["y"]) for b in DataLoader(Squares(5), batch_sampler=[[4, 0], [1]])] == [[16, 0], [1]]
    assert [plain(b["y"]) for b in DataLoader(Squares(5), sampler=[3, 1])] == [[9], [1]]
    assert list(DataLoader(range(5), batch_size=2, collate_fn=list)) == [[0, 1], [2, 3], [4]]


def test_rows_are_gathered_as_they_are_collated() -> None:
    tensors = (
        ingot.arange(20.0).view(10, 2).t().contiguous().t(),
        ingot.arange(10),
        ingot.ones(10, dtype=ingot.bfloat16),
    )
    data = TensorDataset(*tensors)
    subset: Any = Subset(Subset(data, [9, 8, 7, 6, 5]), [0, 2, 4])
    for dataset in (data, subset):
        fast = list(DataLoader(dataset, batch_size=4))
        slow = list(DataLoader(dataset, batch_size=4, collate_fn=lambda batch: default_collate(batch)))
        assert plain(fast) == plain(slow) and type(fast[0]) is list
        assert [t.dtype for t in fast[0]] == [t.dtype for t in slow[0]]
    with pytest.raises(IndexError):
        list(DataLoader(data, sampler=[10]))
    needed = ingot.ones(3, requires_grad=True)
    next(iter(DataLoader(TensorDataset(needed), batch_size=2)))[0].sum().backward()
    assert plain(needed.grad) == [1.0, 1.0, 0.0]


def test_indices_that_are_no_integers() -> None:
    data = TensorDataset(ingot.arange(10))
    assert plain(list(DataLoader(data, batch_sampler=[[slice(0, 2), slice(4, 6)]]))) == [[[[0, 1], [4, 5]]]]
    for wrong in ([1.5], []):
        with pytest.raises(IndexError):
            list(DataLoader(data, batch_sampler=[wrong]))


def test_streams() -> None:
    assert plain(list(DataLoader(Numbers(5), batch_size=2))) == [[0, 1], [2, 3], [4]]
    assert plain(list(DataLoader(Numbers(5), batch_size=2, drop_last=True))) == [[0, 1], [2, 3]]
    assert list(DataLoader(Numbers(3), batch_size=None)) == [0, 1, 2]
    with pytest.raises(TypeError):
        len(DataLoader(Numbers(3)))


def test_options_that_do_not_go_together() -> None:
    refused: list[dict[str, Any]] = [
        {"num_workers": -1}, {"timeout": -1}, {"prefetch_factor": 2}, {"num_workers": 1, "prefetch_factor": -1},
        {"persistent_workers": True}, {"sampler": [0], "shuffle": True}, {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True}, {"batch_size": None, "drop_last": True}, {"batch_size": 0},
        {"multiprocessing_context": "fork"}, {"num_workers": 1, "multiprocessing_context": "x"},
    ]  # fmt: skip
    for options in refused:
        with pytest.raises(ValueError, match="IG412"):
            DataLoader(range(3), **options)
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="IG412"):
            DataLoader(Numbers(3), **options)


def test_what_is_fixed_once_a_loader_is_made() -> None:
    loader = DataLoader(range(3))
    for name in ("dataset", "batch_size", "batch_sampler", "sampler", "drop_last", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} of a DataLoader cannot be set"):
            setattr(loader, name, None)
    loader.num_workers = 1
    assert loader.num_workers == 1


def test_not_while_compiling() -> None:
    loader = DataLoader(TensorDataset(ingot.ones(2)))

    @ingot.jit
    def drawn(x: Any) -> Any:
        for (batch,) in loader:
            x = x + batch
        return x

    with pytest.raises(TraceError, match="IG405"):
        drawn(ingot.ones(1))


def test_a_compiled_step_over_batches() -> None:
    data = TensorDataset(ingot.randn(20, 3), ingot.randn(20))
    model = nn.Linear(3, 1)
    optimiser = optim.SGD(model.parameters(), lr=0.05)

    @ingot.jit
    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = (model(x).squeeze(1) - y).square().mean()
        loss.backward()
        optimiser.step()
        return loss

    losses = [step(x, y).item() for _ in range(20) for x, y in DataLoader(data, batch_size=20)]
    assert losses[-1] < losses[0]


# ---- the place within a pass


def test_a_pass_continues_where_it_was_left() -> None:
    generator = ingot.Generator().manual_seed(5)
    sampler = RandomSampler(range(50), replacement=True, num_samples=90, generator=generator)
    choices: list[dict[str, Any]] = [{"shuffle": True}, {"shuffle": True, "generator": generator}, {"sampler": sampler}]
    for given in choices:
        data = TensorDataset(ingot.arange(50))
        ingot.manual_seed(1)
        loader = DataLoader(data, batch_size=4, **given)
        list(loader)
        running = iter(loader)
        ahead = [plain(next(running)) for _ in range(3)]
        state = loader.state_dict()
        ingot.rand(3)
        random_state = ingot.get_rng_state()
        rest = [plain(batch) for batch in running]
        following = [plain(batch) for batch in loader]
        assert state["batches"] == 3 and len(ahead) == 3

        fresh = DataLoader(data, batch_size=4, **given)
        ingot.manual_seed(77)
        ingot.set_rng_state(random_state)
        fresh.load_state_dict(state)
        assert fresh.state_dict()["batches"] == 3
        assert [plain(batch) for batch in fresh] == rest
        assert [plain(batch) for batch in fresh] == following


def test_places_at_the_ends() -> None:
    loader = DataLoader(range(6), batch_size=2, shuffle=True)
    assert loader.state_dict()["batches"] == 0
    loader.load_state_dict(loader.state_dict())
    running = iter(loader)
    for _ in range(3):
        next(running)
    state = loader.state_dict()
    other = DataLoader(range(6), batch_size=2, shuffle=True)
    other.load_state_dict(state)
    assert list(other) == [] and len(list(other)) == 3
    list(running)
    assert loader.state_dict()["batches"] == 0
    for wrong in ({}, {"batches": 1, "generators": [1, 2, 3], "seeded": True}):
        with pytest.raises(ValueError, match="IG416"):
            loader.load_state_dict(wrong)


def test_a_stream_continues() -> None:
    loader = DataLoader(Numbers(9), batch_size=2)
    running = iter(loader)
    next(running)
    state = loader.state_dict()
    other = DataLoader(Numbers(9), batch_size=2)
    other.load_state_dict(state)
    assert plain(list(other)) == [[2, 3], [4, 5], [6, 7], [8]]


# ---- workers


@LINUX
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_give_the_same_batches(start: str) -> None:
    wanted = [plain(batch) for batch in DataLoader(Squares(11), batch_size=2)]
    loader = DataLoader(Squares(11), batch_size=2, num_workers=2, multiprocessing_context=start)
    assert [plain(batch) for batch in loader] == wanted


@LINUX
def test_large_batches_from_workers() -> None:
    data = TensorDataset(ingot.arange(60_000.0).view(60, 1000), ingot.arange(60))
    for batch, (x, y) in enumerate(DataLoader(data, batch_size=20, num_workers=2, prefetch_factor=1)):
        assert plain(y) == list(range(20 * batch, 20 * batch + 20))
        assert (
            x.shape == (20, 1000) and x[0, 0].item() == 20_000.0 * batch and x[-1, -1].item() == 20_000 * batch + 19_999
        )
        x.add_(1)
        assert (x.data_ptr() % 64) == 0


@LINUX
def test_parts_of_memory_travel_alone() -> None:
    big = ingot.arange(1_000_000.0)

    class Rows(Dataset[Any]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return big[index : index + 2], big.view(1000, 1000).t()[:2, index : index + 2], nn.Parameter(ingot.ones(1))

    for index, (part, block, weight) in enumerate(DataLoader(Rows(), batch_size=None, num_workers=1)):
        assert plain(part) == [index, index + 1.0] and part._storage.nbytes == 8
        assert plain(block) == [[1000.0 * index, 1000.0 * (index + 1)], [1000.0 * index + 1, 1000.0 * (index + 1) + 1]]
        assert type(weight) is nn.Parameter and weight.requires_grad


@LINUX
def test_streams_with_workers() -> None:
    loader = DataLoader(Numbers(7), batch_size=2, num_workers=2)
    assert plain(list(loader)) == [[0, 2], [1, 3], [4, 6], [5]]
    assert plain(list(DataLoader(Numbers(2), num_workers=3))) == [[0], [1]]


class Drawn(Dataset[Any]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None and info.num_workers == 2 and info.dataset is not None
        return (
            info.id,
            info.seed,
            ingot.initial_seed(),
            np.random.randint(1 << 30),
            random.random(),
            ingot.rand(1).item(),
        )


@LINUX
def test_workers_draw_pytorchs_numbers() -> None:
    ingot.manual_seed(3)
    batches = [plain(batch) for batch in DataLoader(Drawn(), num_workers=2)]
    # Numbers that torch 2.13 draws.
    seed = 937055941807507096
    assert [batch[:3] for batch in batches[:2]] == [[[0], [seed], [seed]], [[1], [seed + 1], [seed + 1]]]
    assert batches[0][3] == [556139338] and batches[1][3] == [582168465]
    assert round(batches[0][4][0], 4) == 0.2179 and round(batches[0][5][0], 4) == 0.2876
    assert get_worker_info() is None


@LINUX
def test_persistent_workers() -> None:
    loader = DataLoader(Pid(), num_workers=2, persistent_workers=True)
    first, second = ({batch.item() for batch in loader} for _ in range(2))
    assert first == second and len(first) == 2 and os.getpid() not in first
    running = iter(loader)
    next(running)
    # A pass that is left: what it has on its way is not that of the next one.
    assert [batch.item() for batch in loader] == [batch.item() for batch in loader]
    with pytest.raises(ValueError, match="one at a time"):
        next(running)
    fresh = DataLoader(Pid(), num_workers=2)
    assert {batch.item() for batch in fresh} != {batch.item() for batch in fresh}
    del loader, running
    gc.collect()
    assert all(gone(pid) for pid in first)


class Pid(Dataset[Any]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        return os.getpid()


def gone(pid: int, within: float = 10.0) -> bool:
    """Whether the process ends soon."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


@LINUX
def test_no_worker_is_left_after_a_loop_that_ends_early() -> None:
    loader = DataLoader(Pid(), num_workers=2)
    for batch in loader:
        pids = [batch.item()]
        break
    assert all(gone(pid) for pid in pids) and loader.state_dict()["batches"] == 1


class Failing(Dataset[Any]):
    def __init__(self, error: Any) -> None:
        self.error = error

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        if index == 1:
            raise self.error
        return index


class NeedsTwo(Exception):
    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(first, second)


@LINUX
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no such sample"), ValueError),
        (KeyError("a\nb"), KeyError),
        (NeedsTwo(1, 2), RuntimeError),
        (IngotError("IG415", "ours"), IngotError),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_errors_of_workers(error: Any, kind: Any) -> None:
    running = iter(DataLoader(Failing(error), num_workers=2))
    assert next(running).item() == 0
    with pytest.raises(kind) as caught:
        next(running)
    said = str(caught.value)
    assert type(error).__name__ in said and "__getitem__" in said
    if kind is type(error):
        assert f"Caught {kind.__name__} in DataLoader worker process 1" in said
    # The others go on.
    assert [batch.item() for batch in running] == [2, 3]


@LINUX
def test_samples_that_cannot_travel() -> None:
    with pytest.raises(Exception, match="sending a batch"):
        list(DataLoader(range(2), num_workers=1, collate_fn=lambda batch: lambda: batch))


@LINUX
def test_errors_of_worker_init_fn() -> None:
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker process 0"):
        list(DataLoader(range(2), num_workers=1, worker_init_fn=lambda number: 1 // number))


class Dying(Dataset[Any]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 6:
            time.sleep(60)
        return index


@LINUX
def test_a_worker_that_is_killed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterators, "_GRACE", 0.3)
    running = iter(DataLoader(Dying(), num_workers=2))
    assert [next(running).item() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match=r"\[IG414\] .* \(pid \d+\) exited unexpectedly by signal SIGKILL"):
        next(running)


@LINUX
def test_a_worker_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterators, "_GRACE", 0.3)
    running = iter(DataLoader(Dying(), num_workers=1, timeout=0.5, sampler=[0, 6]))
    assert next(running).item() == 0
    with pytest.raises(RuntimeError, match=r"\[IG414\] DataLoader timed out after 0.5 seconds"):
        next(running)


@LINUX
def test_many_batches_ahead_of_a_slow_reader() -> None:
    # More than the sockets hold in either direction: nobody waits for the other for ever.
    data = TensorDataset(ingot.arange(100_000))
    loader = DataLoader(data, batch_size=1000, num_workers=1, prefetch_factor=100, shuffle=True)
    running = iter(loader)
    time.sleep(0.3)
    assert sum(batch.sum().item() for (batch,) in running) == sum(range(100_000))


@LINUX
def test_workers_of_several_loaders_end_apart() -> None:
    options: dict[str, Any] = {"num_workers": 1, "persistent_workers": True, "multiprocessing_context": "fork"}
    first, second = DataLoader(Pid(), **options), DataLoader(Pid(), **options)
    pids = [{batch.item() for batch in loader}.pop() for loader in (first, second)]
    before = time.monotonic()
    # The second loader's worker has copies of the first one's connection.
    del first
    assert time.monotonic() - before < 3 and gone(pids[0], within=1) and not gone(pids[1], within=0.1)
    assert [batch.item() for batch in second] == [pids[1]] * 4


class Compiled(Dataset[Any]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return doubled(ingot.full((100_000,), float(index)))


@ingot.jit
def doubled(x: Any) -> Any:
    return (x * 2).sqrt()


@LINUX
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_functions_work_in_workers(threads: int) -> None:
    before = ingot.runtime.threads.get_num_threads()
    ingot.runtime.threads.set_num_threads(threads)
    try:
        wanted = [doubled(ingot.full((100_000,), float(i)))[5].item() for i in range(4)]
        for init in (None, use_threads):
            loader = DataLoader(
                Compiled(), num_workers=2, worker_init_fn=init, multiprocessing_context="fork", timeout=60
            )
            assert [batch[0, 5].item() for batch in loader] == wanted
        assert doubled(ingot.full((100_000,), 2.0))[5].item() == 2.0
    finally:
        ingot.runtime.threads.set_num_threads(before)


def use_threads(number: int) -> None:
    ingot.runtime.threads.set_num_threads(2)


PROGRAM = """
    import os, sys, time
    from ingot.utils.data import DataLoader, Dataset

    class Slow(Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, index):
            time.sleep(0.01)
            return os.getpid()

    if __name__ == "__main__":
        seen = set()
        loader = DataLoader(Slow(), num_workers=2, multiprocessing_context=sys.argv[1], persistent_workers=True)
        for number, batch in enumerate(loader):
            seen.add(batch.item())
            if number == 5:
                print(*seen, flush=True)
"""


@LINUX
@pytest.mark.parametrize(
    ("start", "sign"),
    [("fork", signal.SIGINT), ("fork", signal.SIGTERM), ("fork", signal.SIGKILL), ("spawn", signal.SIGINT)],
    ids=str,
)
def test_no_worker_is_left_when_the_program_is_ended(tmp_path: Path, start: str, sign: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    process = subprocess.Popen(
        [sys.executable, str(program), start], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    # Ctrl-C reaches the whole group.
    (os.killpg if sign is signal.SIGINT else os.kill)(process.pid, sign)
    _, said = process.communicate(timeout=30)
    assert all(gone(pid) for pid in workers)
    assert said.count("Traceback") == (1 if sign is signal.SIGINT else 0), said
    assert ("KeyboardInterrupt" in said) == (sign is signal.SIGINT)


@LINUX
def test_ctrl_c_while_workers_start(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).replace("seen = set()", "seen = set(); print(1, flush=True)"))
    process = subprocess.Popen(
        [sys.executable, str(program), "spawn"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.15)
    os.killpg(process.pid, signal.SIGINT)
    # This waits until every process has closed the pipe.
    _, said = process.communicate(timeout=60)
    assert process.returncode and "KeyboardInterrupt" in said


@LINUX
def test_workers_continue_a_pass() -> None:
    data = TensorDataset(ingot.arange(30))
    ingot.manual_seed(4)
    loader = DataLoader(data, batch_size=3, shuffle=True, num_workers=2)
    running = iter(loader)
    for _ in range(4):
        next(running)
    state, rest = loader.state_dict(), plain(list(running))
    # The place is that of the batches that were given, not of those on their way; any number of workers continues it.
    for workers in (0, 1, 3):
        other = DataLoader(data, batch_size=3, shuffle=True, num_workers=workers)
        other.load_state_dict(state)
        assert plain(list(other)) == rest


@LINUX
def test_persistent_workers_continue_a_pass() -> None:
    data = TensorDataset(ingot.arange(12))
    for number in (1, 2):
        ingot.manual_seed(8)
        options: dict[str, Any] = {"batch_size": 3, "shuffle": True, "num_workers": 1, "persistent_workers": True}
        loader = DataLoader(data, **options)
        for _ in range(number - 1):
            list(loader)
        running = iter(loader)
        next(running)
        state = loader.state_dict()
        # Of the second pass no seed for workers was drawn, as they were there.
        assert state["seeded"] is (number == 1)
        rest = plain(list(running))
        for other in (loader, DataLoader(data, **options)):
            other.load_state_dict(state)
            assert plain(list(other)) == rest


def test_import_of_utils_is_lazy() -> None:
    program = "import sys, ingot; assert 'multiprocessing' not in sys.modules and 'ingot.utils' not in sys.modules; "
    program += "ingot.utils.data.DataLoader; assert 'multiprocessing' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_order_of_seeds_is_repeatable() -> None:
    orders = []
    for _ in range(2):
        ingot.manual_seed(12)
        loader = DataLoader(range(20), batch_size=6, shuffle=True)
        orders.append([plain(batch) for batch in itertools.chain(loader, loader)])
    assert orders[0] == orders[1]
