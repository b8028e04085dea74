"""DataLoader: batches of a dataset, in PyTorch's order for the same seed, fetched here or by worker processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ingot.modes import modes
from ingot.rng import Generator, default_generator
from ingot.runtime.errors import SpecError, TraceError
from ingot.source_lines import user_line
from ingot.utils.data.collate import default_collate, default_convert
from ingot.utils.data.dataset import IterableDataset
from ingot.utils.data.fetch import fetcher
from ingot.utils.data.iterators import SerialPass, WorkerPass
from ingot.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, drawn_seed
from ingot.utils.data.worker import Job

# What the samplers of a loader were made from.
_FIXED = ("dataset", "batch_size", "batch_sampler", "sampler", "drop_last", "persistent_workers")


class DataLoader:
    """Batches of a dataset.

    `batch_size=None` gives single samples. With `num_workers`, as many processes fetch `prefetch_factor` batches
    each ahead; batches come in the sampler's order. `pin_memory` and `in_order` are accepted.

    `state_dict()` is the loader's place within a pass, which `load_state_dict` lets the next pass continue from: the
    rest of the batches, in the same order. It holds the states that the generators had at the start of the pass; the
    default generator itself is left as it is, to be saved by `get_rng_state`. Random changes that workers make to
    samples are not repeated; streams are read again up to the place.

    Raises SpecError (IG412) for arguments that do not go together.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._check_workers()
        self._stream = isinstance(dataset, IterableDataset)
        if self._stream:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise _unusable("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise _unusable(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise _unusable("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            sampler = self._own_sampler(bool(shuffle))
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._workers: WorkerPass | None = None
        self._progress: Progress | None = None
        self._place: dict[str, Any] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_place" in self.__dict__:
            raise _unusable(f"{name} of a DataLoader cannot be set once it is made; make another one")
        super().__setattr__(name, value)

    def _own_sampler(self, shuffle: bool) -> Iterable[Any]:
        if self._stream:
            return _Endless()
        return RandomSampler(self.dataset, generator=self.generator) if shuffle else SequentialSampler(self.dataset)

    def _check_workers(self) -> None:
        if self.num_workers < 0:
            raise _unusable(f"num_workers option should be non-negative, not {self.num_workers}")
        if self.timeout < 0:
            raise _unusable(f"timeout option should be non-negative, not {self.timeout}")
        if self.num_workers:
            if self.prefetch_factor is None or self.prefetch_factor <= 0:
                raise _unusable(f"prefetch_factor option should be positive, not {self.prefetch_factor}")
            self._context()
            return
        for name in ("prefetch_factor", "persistent_workers", "multiprocessing_context"):
            if getattr(self, name):
                raise _unusable(f"{name} option needs num_workers > 0")

    def _context(self) -> Any:
        """How worker processes are started."""
        import multiprocessing  # 10 ms that only workers need

        given = self.multiprocessing_context
        if given is not None and not isinstance(given, str):
            return given
        known = multiprocessing.get_all_start_methods()
        if given is not None and given not in known:
            raise _unusable(f"multiprocessing_context should be one of {known}, not {given!r}")
        return multiprocessing.get_context(given)

    def __len__(self) -> int:
        if self._stream:
            size = len(self.dataset)
            if self.batch_size is None:
                return size
            whole, rest = divmod(size, self.batch_size)
            return whole + (rest > 0 and not self.drop_last)
        return len(self._indices())  # type: ignore[arg-type]

    def _indices(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> LoaderPass:
        if modes.trace is not None:
            raise TraceError(
                "IG405",
                "batches were drawn while a function is compiled; the compiled code would repeat them",
                where=user_line(),
                fix="a loop over the loader that calls the compiled function",
            )
        place, self._place = self._place, None
        return self._begin() if place is None else self._continue(place)

    # ---- a pass

    def _begin(self, skip: int = 0, seeded: bool | None = None) -> LoaderPass:
        states = [generator.get_state() for generator in self._generators()]
        # Workers that are there keep the seed that they began with: PyTorch draws no other.
        seeded = not self._has_workers() if seeded is None else seeded
        progress = Progress(skip, states, getattr(self.sampler, "epoch", None), seeded)
        base_seed = drawn_seed(self.generator)
        if not seeded:
            for generator, state in zip(self._generators(), states, strict=True):
                generator.set_state(state)
        indices = iter(self._indices())
        if not self._stream:
            next(itertools.islice(indices, skip, skip), None)
        source = self._source(indices, base_seed)
        if self._stream:
            for _ in range(skip):
                source.next()
        self._progress = progress
        return LoaderPass(self, source, progress)

    def _has_workers(self) -> bool:
        """Whether persistent workers are running."""
        return self._workers is not None and bool(self._workers.workers)

    def _source(self, indices: Iterator[Any], base_seed: int) -> SerialPass | WorkerPass:
        batched = self.batch_sampler is not None
        if not self.num_workers:
            return SerialPass(indices, fetcher(self.dataset, batched, self.collate_fn, self.drop_last))
        if not self._has_workers():
            common = (self.dataset, batched, self.collate_fn, self.drop_last, base_seed)
            jobs = [Job(*common, number, self.num_workers, self.worker_init_fn) for number in range(self.num_workers)]
            ahead = self.prefetch_factor or 2
            workers = WorkerPass(self._context(), jobs, ahead, self.timeout, self.persistent_workers)
            self._workers = workers if self.persistent_workers else None
        else:
            assert self._workers is not None
            workers = self._workers
            workers.restart()
        workers.begin(indices)
        return workers

    # ---- the place within a pass

    def _generators(self) -> list[Generator]:
        """What the order depends on: the default generator, the loader's, and a sampler's own."""
        found = [default_generator]
        for owner in (self, self.sampler, self.batch_sampler, getattr(self.batch_sampler, "sampler", None)):
            own = getattr(owner, "generator", None)
            if own is not None and not any(own is generator for generator in found):
                found.append(own)
        return found

    def state_dict(self) -> dict[str, Any]:
        """The place within the pass that is going on, for `load_state_dict`; a new pass if none is."""
        progress = self._progress
        if self._place is not None:
            return dict(self._place)
        if progress is None or progress.finished:
            progress = Progress(0, [], getattr(self.sampler, "epoch", None), True)
        return {name: getattr(progress, name) for name in ("batches", "generators", "epoch", "seeded")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next pass continue from a place that `state_dict` gave. Raises SpecError (IG416)."""
        count = len(self._generators())
        generators = state_dict.get("generators")
        known = isinstance(state_dict.get("batches"), int) and isinstance(state_dict.get("seeded"), bool)
        if not known or not isinstance(generators, list):
            raise SpecError("IG416", "load_state_dict takes what state_dict of a DataLoader gave", where=user_line())
        if generators and len(generators) != count:
            raise SpecError(
                "IG416",
                f"the state is that of a loader with {len(generators)} generators, this one has {count}",
                where=user_line(),
            )
        if state_dict.get("epoch") is not None and hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(state_dict["epoch"])
        self._place = dict(state_dict) if generators else None

    def _continue(self, place: dict[str, Any]) -> LoaderPass:
        """The pass from that place on: the indices are drawn again, up to it."""
        before = default_generator.get_state()
        for generator, state in zip(self._generators(), place["generators"], strict=True):
            generator.set_state(state)
        made = self._begin(place["batches"], place["seeded"])
        default_generator.set_state(before)
        return made


@dataclass
class Progress:
    """How far a pass has come; the loader keeps this, and not the pass, whose workers end when nobody needs them.

    `generators` are the states at its start, `seeded` tells whether a seed for workers was drawn then.
    """

    batches: int
    generators: list[Any]
    epoch: int | None
    seeded: bool
    finished: bool = False


class LoaderPass:
    """An iterator over the batches of one pass."""

    def __init__(self, loader: DataLoader, source: SerialPass | WorkerPass, progress: Progress) -> None:
        self.loader = loader
        self.source = source
        self.progress = progress
        self._number = source.number

    def __iter__(self) -> LoaderPass:
        return self

    def __next__(self) -> Any:
        if self._number != self.source.number:
            raise _unusable("the workers are persistent and have begun another pass: they make one at a time")
        try:
            batch = self.source.next()
        except StopIteration:
            self.progress.finished = True
            raise
        self.progress.batches += 1
        return batch

    def __len__(self) -> int:
        return len(self.loader)


class _Endless:
    """The indices of a stream, which has none."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    if shuffle not in (None, False):
        raise _unusable(f"DataLoader with IterableDataset: expected unspecified shuffle option, but got {shuffle=}")
    if sampler is not None:
        raise _unusable(f"DataLoader with IterableDataset: expected unspecified sampler option, but got {sampler=}")
    if batch_sampler is not None:
        raise _unusable(
            f"DataLoader with IterableDataset: expected unspecified batch_sampler option, but got {batch_sampler=}"
        )


def _unusable(what: str) -> SpecError:
    return SpecError("IG412", what, where=user_line())
