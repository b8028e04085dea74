"""Train a classifier of handwritten digits in one compiled step, and build it into a C library.

    python samples/digits.py [--epochs 40] [--out build/digits]

The data are scikit-learn's 1797 real digits of 8 x 8 pixels; 360 of them are held out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import ingot
from ingot import nn, optim

HELD_OUT = 360
BATCH = 32
LEARNING_RATE = 3e-3
EAGER_STEPS = 20

ingot.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimiser = optim.Adam(model.parameters(), lr=LEARNING_RATE)
loss_function = nn.CrossEntropyLoss()


def step(x: ingot.Tensor, y: ingot.Tensor) -> ingot.Tensor:
    """One step of training; the loss before it."""
    optimiser.zero_grad()
    loss: ingot.Tensor = loss_function(model(x), y)
    loss.backward()
    optimiser.step()
    return loss


train_step = ingot.jit(step)


@ingot.jit(specs=["f32[b,64]"])
def predict(x: ingot.Tensor) -> ingot.Tensor:
    """The most likely digit of each row."""
    digit: ingot.Tensor = model(x).argmax(1)
    return digit


def digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pixels from 0 to 1 and labels, in a fixed random order."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return (data.data[order] / 16).astype(np.float32), data.target[order].astype(np.int64)


def batches(count: int, rng: np.random.Generator) -> Iterator[np.ndarray[Any, Any]]:
    """The indices 0..count in random order, BATCH at a time; what does not fill a batch waits for the next epoch."""
    order = rng.permutation(count)
    yield from (order[i : i + BATCH] for i in range(0, count - BATCH + 1, BATCH))


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Seconds, and what the function returned."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def train(pixels: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], epochs: int) -> dict[str, list[float]]:
    """Seconds of each eager and each compiled step. The first steps run eagerly, to compare."""
    rng = np.random.default_rng(1)
    seconds: dict[str, list[float]] = {"eager": [], "compiled": []}
    with tqdm(range(epochs), unit="epoch") as progress:
        for epoch in progress:
            # The compiled step reads this number at every call, so it is not compiled again.
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - epoch / epochs)
            for rows in batches(len(labels), rng):
                x, y = ingot.from_numpy(pixels[rows]), ingot.from_numpy(labels[rows])
                eager = len(seconds["eager"]) < EAGER_STEPS
                elapsed, loss = timed(step if eager else train_step, x, y)
                seconds["eager" if eager else "compiled"].append(elapsed)
            progress.set_postfix(loss=f"{loss.item():.4f}")
    return seconds


def accuracy(pixels: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    return float((predict(ingot.from_numpy(pixels)).numpy() == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("build/digits"))
    arguments = parser.parse_args()

    pixels, labels = digits()
    seconds = train(pixels[HELD_OUT:], labels[HELD_OUT:], arguments.epochs)
    eager, compiled = (statistics.median(s) * 1e6 for s in seconds.values())
    stats = train_step.stats()
    cached = " (from the cache on disk)" if stats["cache_hits"] else ""

    print(f"accuracy on {HELD_OUT} held-out digits  {accuracy(pixels[:HELD_OUT], labels[:HELD_OUT]):8.2%}")
    print(f"a training step, eager           {eager:8.0f} us")
    print(f"a training step, compiled        {compiled:8.0f} us in {stats['kernels']} kernels")
    print(f"compilations of the step         {stats['compiles']:8d}, {stats['compile_ms']:.0f} ms{cached}")

    arguments.out.mkdir(parents=True, exist_ok=True)
    weights = arguments.out / "weights.safetensors"
    ingot.save(model.state_dict(), weights)
    for path in (weights, *ingot.aot.build(predict, arguments.out, name="digits")):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
