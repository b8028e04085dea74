"""`make bench`: ingot beside torch, torch.compile and jax, where those are installed.

Each framework runs in a process of its own. They take turns workload by workload and several times over, so that a
machine that is slow for a while is slow for all of them. Times are medians; what counts is the ratio to the best peer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("torch", "torch.compile", "jax")
# Set on some machines for other builds of OpenBLAS; with them NumPy and its peers run at half speed.
UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Worker:
    """A framework's process; `absent` says why it cannot take part."""

    def __init__(self, name: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in UNWANTED}
        environment["PYTHONPATH"] = str(ROOT)
        if name.startswith("torch"):
            environment["OMP_PROC_BIND"] = "true"
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.absent: str | None = self.read().get("absent")

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"absent": "its process ended", "error": "its process ended"}

    def ask(self, workload: str, seconds: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            print(json.dumps({"workload": workload, "seconds": seconds}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return {"error": "its process ended"}
        return self.read()

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()


def measure(workers: Sequence[Worker], workload: str, rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Framework -> its time to the first result and its median time, or why there is none."""
    found = {worker.name: worker.ask(workload, seconds) for worker in workers}
    running = [worker for worker in workers if "first_seconds" in found[worker.name]]
    slots: dict[str, list[float]] = {worker.name: [] for worker in running}
    for _ in range(rounds):
        for worker in running:
            said = worker.ask(workload, seconds)
            if "microseconds" in said:
                slots[worker.name].append(said["microseconds"])
            else:
                found[worker.name] = said
    for name, times in slots.items():
        if times:
            found[name]["microseconds"] = statistics.median(times)
    return found


def cell(found: dict[str, Any]) -> str:
    if "microseconds" in found:
        return f"{found['microseconds']:,.1f}"
    return "-" if "missing" in found else "failed"


def report(workload: str, found: dict[str, dict[str, Any]]) -> str:
    """One line: times in microseconds, the ratio (above 1: ingot is faster than the best peer), first results."""
    mine = found["ingot"].get("microseconds")
    peers = [f["microseconds"] for name, f in found.items() if name != "ingot" and "microseconds" in f]
    ratio = f"{min(peers) / mine:.2f}x" if mine and peers else ""
    firsts = " ".join(f"{f['first_seconds']:.2f}" if "first_seconds" in f else "-" for f in found.values())
    cells = "".join(f"{cell(f):>15}" for f in found.values())
    return f"{workload:<22}{cells}{ratio:>9}   {firsts}"


def workload_names() -> list[str]:
    # The list is read where it is made, in a process that loads no framework.
    code = "from benchmarks.workloads import WORKLOADS; print(*WORKLOADS)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout.split()


def main() -> int:
    parser = argparse.ArgumentParser(description="ingot beside its peers; times in microseconds per call")
    parser.add_argument("workloads", nargs="*", help="run these alone")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each framework (default 3)")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn (default 0.3)")
    parser.add_argument("--json", type=Path, help="also write every number to this file")
    arguments = parser.parse_args()
    known = workload_names()
    unknown = [name for name in arguments.workloads if name not in known]
    if unknown:
        parser.error(f"no workload called {', '.join(unknown)}; there are {', '.join(known)}")
    workers = [Worker(name) for name in ("ingot", *PEERS)]
    for worker in workers:
        if worker.absent:
            print(f"{worker.name} does not take part: {worker.absent}", file=sys.stderr)
    taking_part = [worker for worker in workers if not worker.absent]
    if not taking_part or taking_part[0].name != "ingot":
        return 1
    heads = "".join(f"{worker.name:>15}" for worker in taking_part)
    print(f"{'microseconds':<22}{heads}{'ratio':>9}   seconds to the first result")
    results = {}
    for name in arguments.workloads or known:
        results[name] = measure(taking_part, name, arguments.rounds, arguments.seconds)
        print(report(name, results[name]), flush=True)
        for framework, found in results[name].items():
            if "error" in found:
                print(f"  {framework}: {found['error']}", file=sys.stderr)
    for worker in workers:
        worker.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
