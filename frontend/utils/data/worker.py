"""What runs in a worker process of a DataLoader."""

from __future__ import annotations

import random
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ingot.rng import manual_seed
from ingot.runtime.errors import IngotError
from ingot.runtime.threads import set_num_threads
from ingot.utils.data.channel import Channel, Closed, packed
from ingot.utils.data.errors import WorkerError
from ingot.utils.data.fetch import Fetch, fetcher


@dataclass(frozen=True)
class WorkerInfo:
    """What a dataset can know about the worker that it runs in; its seed is the loader's plus `id`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Which worker of how many this process is; None in the main process."""
    return _info


class Job(NamedTuple):
    """What a worker is to do."""

    dataset: Any
    batched: bool
    collate: Callable[[Any], Any]
    drop_last: bool
    base_seed: int
    number: int
    workers: int
    init: Callable[[int], Any] | None


class Restart(NamedTuple):
    """Begin another pass."""


class End(NamedTuple):
    """The worker's stream is at its end."""


class Failure:
    """An exception on its way from a worker, with the traceback as text."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind = type(error)
        self.code = error.code if isinstance(error, IngotError) else None
        lines = "".join(traceback.format_exception(error))
        self.text = f"Caught {self.kind.__name__} {where}.\nOriginal {lines}"

    def without_class(self) -> Failure:
        """The same for a class that only the worker knows."""
        self.kind = RuntimeError
        self.code = None
        return self

    def exception(self) -> BaseException:
        """The exception, of the same class if one can be made of a text."""
        try:
            if self.code is not None:
                return _of_ours(self.kind, self.code, self.text)
            if issubclass(self.kind, KeyError):
                # A KeyError shows the repr of its key; this one shows lines.
                return self.kind(_Lines(self.text))
            return self.kind(self.text)
        except Exception:
            return WorkerError("IG414", "a worker failed", detail=self.text.splitlines()[-8:])


def _of_ours(kind: Any, code: str, text: str) -> BaseException:
    head, *rest = text.splitlines()
    made: BaseException = kind(code, head, detail=rest[-8:])
    return made


class _Lines(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def work(end: socket.socket, others: Sequence[socket.socket], job: Job) -> None:
    """Fetch batches until the loader closes the connection."""
    global _info
    # Ctrl-C reaches all processes of a terminal; the loader's ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for other in others:
        other.close()
    where = f"in DataLoader worker process {job.number}"
    channel = Channel(end)
    fetch, failure = None, None
    try:
        _prepare(job)
        if job.init is not None:
            job.init(job.number)
        fetch = _fetcher(job)
    except Exception as error:
        failure = Failure(error, where)
    try:
        _serve(channel, job, fetch, failure, where)
    except Closed:
        pass
    finally:
        channel.close()


def _prepare(job: Job) -> None:
    """One thread, and random numbers of its own, the same as PyTorch's workers have."""
    global _info
    seed = job.base_seed + job.number
    set_num_threads(1)
    random.seed(seed)
    manual_seed(seed)
    entropy = [job.number, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(entropy).generate_state(4))
    _info = WorkerInfo(job.number, job.workers, seed, job.dataset)


def _fetcher(job: Job) -> Fetch:
    return fetcher(job.dataset, job.batched, job.collate, job.drop_last)


def _serve(channel: Channel, job: Job, fetch: Fetch | None, failure: Failure | None, where: str) -> None:
    ended = False
    while True:
        task = channel.receive()
        result: Any
        if isinstance(task, Restart):
            ended, result = False, task
            fetch, failure = _again(job, failure, where)
        elif ended:
            continue
        elif failure is not None or fetch is None:
            result, failure = failure, None
        else:
            try:
                result = fetch(task)
            except StopIteration:
                result, ended = End(), True
            except Exception as error:
                result = Failure(error, where)
        _reply(channel, result, where)


def _again(job: Job, failure: Failure | None, where: str) -> tuple[Fetch | None, Failure | None]:
    try:
        return (_fetcher(job), None) if failure is None else (None, failure)
    except Exception as error:
        return None, Failure(error, where)


def _reply(channel: Channel, result: Any, where: str) -> None:
    try:
        message = packed(result)
    except Exception as error:
        failure = result if isinstance(result, Failure) else Failure(error, f"{where}, sending a batch")
        message = _packed_failure(failure)
    channel.send_packed(*message)


def _packed_failure(failure: Failure) -> Any:
    try:
        return packed(failure)
    except Exception:
        return packed(failure.without_class())
