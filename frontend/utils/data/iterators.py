"""One pass over a DataLoader, in this process or with workers."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

from ingot.source_lines import user_line
from ingot.utils.data.channel import Channel, Closed, pair
from ingot.utils.data.errors import WorkerError
from ingot.utils.data.fetch import Fetch
from ingot.utils.data.worker import End, Failure, Job, Restart, work

# Seconds that a worker has to finish what it does before it is ended.
_GRACE = 5.0


class SerialPass:
    """Batches fetched in this process when they are asked for."""

    number = 0

    def __init__(self, indices: Iterator[Any], fetch: Fetch) -> None:
        self.indices = indices
        self.fetch = fetch

    def next(self) -> Any:
        """The next batch. Raises StopIteration."""
        return self.fetch(next(self.indices))


class Worker:
    """A worker process and the connection to it."""

    def __init__(self, context: Any, job: Job, others: list[Any]) -> None:
        from multiprocessing import resource_tracker  # 10 ms that only workers need

        ours, theirs = pair()
        self.channel = Channel(ours)
        forked = context.get_start_method() == "fork"
        inherited = [*others, ours] if forked else []
        self.process = context.Process(target=work, args=(theirs, inherited, job), daemon=True)
        if not forked:
            # Starting the first process starts this one too, which ends the mask.
            resource_tracker.ensure_running()
        # A worker inherits the mask, so that Ctrl-C does not end it before it can ignore that.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.done = False

    def receive(self, timeout: float) -> Any:
        """The next message. Raises WorkerError (IG414) when the process has gone or takes longer than `timeout`."""
        from multiprocessing.connection import wait  # 10 ms that only workers need

        if not self.channel.waiting:
            ready = wait([self.channel.socket, self.process.sentinel], timeout or None)
            if not ready:
                raise WorkerError(
                    "IG414",
                    f"DataLoader timed out after {timeout:g} seconds",
                    where=user_line(),
                    fix="a larger timeout, or 0 for none",
                )
        try:
            return self.channel.receive()
        except (Closed, BlockingIOError):
            raise self._gone() from None

    def send(self, task: Any) -> None:
        """Give the worker something to do. That it has gone shows when its answer is waited for: it may have sent
        others before."""
        with contextlib.suppress(Closed):
            self.channel.send(task)

    def _gone(self) -> WorkerError:
        self.process.join(_GRACE)
        code = self.process.exitcode
        how = f"with exit code {code}"
        if code is not None and code < 0:
            how = f"by signal {signal.Signals(-code).name}"
        return WorkerError(
            "IG414",
            f"DataLoader worker (pid {self.process.pid}) exited unexpectedly {how}",
            where=user_line(),
            detail=["num_workers=0 runs the dataset in this process, where its error can be seen"],
        )


def end_workers(workers: list[Worker], owner: int) -> None:
    """Close the connections, upon which workers return, and end those that do not. Only their parent may."""
    if os.getpid() != owner:
        return
    for worker in workers:
        worker.channel.close()
    deadline = time.monotonic() + _GRACE
    for worker in workers:
        worker.process.join(max(deadline - time.monotonic(), 0.0))
    for end in ("terminate", "kill"):
        alive = [worker.process for worker in workers if worker.process.is_alive()]
        for process in alive:
            getattr(process, end)()
        for process in alive:
            process.join(1.0)
    workers.clear()


class WorkerPass:
    """Batches fetched ahead by worker processes, in the order of the indices.

    The workers take turns. Each knows only its own connection, so the next batch is always that of a known worker.
    """

    def __init__(self, context: Any, jobs: list[Job], ahead: int, timeout: float, keep: bool) -> None:
        self.ahead = ahead
        self.timeout = timeout
        self.keep = keep
        self.workers: list[Worker] = []
        self.end = weakref.finalize(self, end_workers, self.workers, os.getpid())
        for job in jobs:
            others = [worker.channel.socket for worker in self.workers]
            self.workers.append(Worker(context, job, others))
        self.pending: deque[Worker] = deque()
        self.number = 0

    def begin(self, indices: Iterator[Any]) -> None:
        """Start a pass; it becomes the only one."""
        self.number += 1
        self.indices = indices
        self.pending.clear()
        self.turn = itertools.cycle(self.workers)
        for worker in self.workers:
            worker.done = False
        for _ in range(self.ahead * len(self.workers)):
            self._assign()

    def restart(self) -> None:
        """Leave the last pass, whose batches may still be on their way."""
        for worker in self.workers:
            worker.send(Restart())
        for worker in self.workers:
            while not isinstance(worker.receive(self.timeout), Restart):
                pass

    def _assign(self) -> None:
        worker = next((w for w in itertools.islice(self.turn, len(self.workers)) if not w.done), None)
        if worker is None:
            return
        index = next(self.indices, self)
        if index is not self:
            worker.send(index)
            self.pending.append(worker)

    def next(self) -> Any:
        """The next batch. Raises StopIteration, WorkerError (IG414) and whatever a worker's dataset raised."""
        while self.pending:
            worker = self.pending[0]
            if worker.done:
                self.pending.popleft()
                continue
            result = worker.receive(self.timeout)
            self.pending.popleft()
            if isinstance(result, End):
                worker.done = True
            self._assign()
            if isinstance(result, Failure):
                raise result.exception()
            if not isinstance(result, End):
                return result
        if not self.keep:
            self.end()
        raise StopIteration
