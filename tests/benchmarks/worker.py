"""One framework in a process of its own: reads names of workloads from standard input, writes timings as JSON lines.

The first request for a workload prepares it and reports the time to its first result; each further request runs it for
about the given number of seconds and reports the median time of a call in microseconds.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.workloads import WORKLOADS, Framework, Run

REPEATS = 5


class Torch:
    """torch, eager or through torch.compile."""

    def __init__(self, compiles: bool) -> None:
        import torch

        torch.manual_seed(0)
        self.torch: Any = torch
        self.nn: Any = torch.nn
        self.optim: Any = torch.optim
        self.functional: Any = torch.nn.functional
        self.compiles = compiles

    def tensor(self, array: np.ndarray[Any, Any]) -> Any:
        return self.torch.from_numpy(array)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        call = self.torch.compile(function, fullgraph=True) if self.compiles else function
        without_gradients: Callable[..., Any] = self.torch.no_grad()(lambda *tensors: call(*tensors))
        return without_gradients

    def training_step(self, loss: Callable[..., Any], optimiser: Any) -> Callable[..., Any]:
        # torch.compile takes the loss whole; backward and the optimiser stay outside of what it can capture.
        forward = self.torch.compile(loss, fullgraph=True) if self.compiles else loss

        def step(*tensors: Any) -> Any:
            optimiser.zero_grad()
            value = forward(*tensors)
            value.backward()
            optimiser.step()
            return value

        return step


class Ingot:
    """ingot, everything under @jit."""

    def __init__(self) -> None:
        import ingot

        ingot.manual_seed(0)
        self.torch: Any = ingot
        self.nn: Any = ingot.nn
        self.optim: Any = ingot.optim
        self.functional: Any = ingot.nn.functional

    def tensor(self, array: np.ndarray[Any, Any]) -> Any:
        return self.torch.from_numpy(array)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def without_gradients(*tensors: Any) -> Any:
            with self.torch.no_grad():
                return function(*tensors)

        made: Callable[..., Any] = self.torch.jit(without_gradients)
        return made

    def training_step(self, loss: Callable[..., Any], optimiser: Any) -> Callable[..., Any]:
        def step(*tensors: Any) -> Any:
            optimiser.zero_grad()
            value = loss(*tensors)
            value.backward()
            optimiser.step()
            return value

        made: Callable[..., Any] = self.torch.jit(step)
        return made


def preparations(name: str) -> dict[str, Callable[[], Run]]:
    """The framework's workloads by name. Raises ImportError when it is not installed."""
    if name == "jax":
        from benchmarks.jax_workloads import JAX_WORKLOADS

        return JAX_WORKLOADS
    framework: Framework = Ingot() if name == "ingot" else Torch(compiles=name == "torch.compile")
    return {workload: functools.partial(prepare, framework) for workload, prepare in WORKLOADS.items()}


def timed(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def median_call(run: Run, seconds: float) -> float:
    """The median over a few repeats of the mean time of a call, in microseconds."""
    once = min(timed(run) for _ in range(2))
    calls = max(1, int(seconds / REPEATS / max(once, 1e-7)))
    means = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        means.append((time.perf_counter() - start) / calls)
    return statistics.median(means) * 1e6


def answer(request: dict[str, Any], prepare: dict[str, Callable[[], Run]], ready: dict[str, Run]) -> dict[str, Any]:
    name = request["workload"]
    if name not in prepare:
        return {"missing": True}
    if name not in ready:
        start = time.perf_counter()
        run = prepare[name]()
        run()
        ready[name] = run
        return {"first_seconds": time.perf_counter() - start}
    return {"microseconds": median_call(ready[name], request["seconds"])}


def main() -> int:
    # Whatever a framework prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        prepare = preparations(sys.argv[1])
    except ImportError as error:
        print(json.dumps({"absent": str(error)}), file=answers, flush=True)
        return 0
    print(json.dumps({"ready": True}), file=answers, flush=True)
    ready: dict[str, Run] = {}
    for line in sys.stdin:
        try:
            said = answer(json.loads(line), prepare, ready)
        except Exception as error:  # one workload that fails must not end the others
            said = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(said), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
