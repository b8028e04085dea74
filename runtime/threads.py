"""How many threads kernels may use, and the context through which compiled code reaches the thread pool.

The pool itself is native (threads.ll): workers start at the first parallel loop that wants them, spin briefly after
each, and then park. A forked child starts its own.
"""

import ctypes
import math
import os
import threading
from pathlib import Path

from ingot.runtime import flags, native
from ingot.runtime.errors import SpecError

_CGROUP = Path("/sys/fs/cgroup")


def available_cpus(root: Path = _CGROUP, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Processors this process may use: its affinity mask, limited by its cgroup's CPU quota rounded down."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    quota = cgroup_quota(root, membership)
    return count if quota is None else max(1, min(count, math.floor(quota)))


def cgroup_quota(root: Path = _CGROUP, membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """Processors' worth of time that the cgroup and its parents grant (v2 cpu.max, v1 cpu.cfs_*), or None."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, read = root, _quota_v2
        elif "cpu" in controllers.split(","):
            folder, read = root / "cpu", _quota_v1
        else:
            continue
        # Inside a container the path may not exist below the mounted root; the root then is the container's own group.
        inner = folder / path.lstrip("/")
        for group in (inner, *inner.parents):
            if group == folder.parent:
                break
            quota = read(group)
            if quota is not None:
                quotas.append(quota)
    return min(quotas, default=None)


def _quota_v2(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text())
        period = int((group / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


_lock = threading.Lock()
_count: int | None = None
# The address in force, once somebody asked; a list, so that generated code can read it in place.
published: list[int | None] = []
# One ingot_context per thread count, never freed: a running program may hold any of them.
_contexts: dict[int, "ctypes.Array[ctypes.c_int64]"] = {}


def get_num_threads() -> int:
    """Threads that a kernel may use, the caller included: set_num_threads, else the least of the processors available
    and INGOT_THREADS."""
    global _count
    if _count is None:
        asked = flags.THREADS.get()
        _count = min(available_cpus(), asked) if asked else available_cpus()
    return _count


def set_num_threads(count: int) -> None:
    """Let kernels use `count` threads from their next call on. Raises SpecError (IG001) below 1."""
    global _count
    if count < 1:
        raise SpecError("IG001", f"the number of threads must be positive, it is {count}")
    _count = count
    publish()


def context() -> int:
    """Address of the ingot_context to pass to an entry; 0 means serial."""
    if not published:
        publish()
    return published[0] or 0


def publish() -> int:
    """Find the context again, after the number of threads has changed or native code has come, and tell the native
    call path; its address."""
    runtime = native.load(build=False)
    address = 0 if runtime is None or get_num_threads() == 1 else _context(runtime, get_num_threads())
    if runtime is not None:
        runtime.set_word("entry_context", address)
    # None converts to a null pointer faster than 0 does.
    published[:] = [address or None]
    return address


def _context(runtime: native.NativeRuntime, count: int) -> int:
    with _lock:
        if count not in _contexts:
            functions = [runtime.address[name] for name in ("parallel_for", "job_number", "parallel_for_if_awake")]
            _contexts[count] = (ctypes.c_int64 * 5)(40, count, *functions)
            native.keep(_contexts[count])
    return ctypes.addressof(_contexts[count])


def stats() -> dict[str, int]:
    """`threads` allowed, `workers` started and `parked` at this moment."""
    runtime = native.load(build=False)
    if runtime is None:
        return {"threads": get_num_threads(), "workers": 0, "parked": 0}
    parked = ctypes.c_int32.from_address(runtime.address["job_sleepers"]).value
    return {"threads": get_num_threads(), "workers": runtime.word("workers_spawned"), "parked": parked}
