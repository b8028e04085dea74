"""Training that is interrupted and continued from a checkpoint gives the same bits as training that is not."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ingot
from ingot import nn, optim
from ingot.utils.data import DataLoader, TensorDataset


class Training:
    """A model with dropout, an optimiser, a schedule and a shuffled loader, made anew from a seed."""

    def __init__(self, compiled: bool, kind: str, workers: int, seed: int) -> None:
        ingot.manual_seed(0)
        data = TensorDataset(ingot.randn(20, 6), ingot.randn(20, 1))
        ingot.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.LayerNorm(8), nn.Linear(8, 1))
        if kind == "Adam":
            self.optimiser: Any = optim.Adam(self.model.parameters(), lr=0.02)
        else:
            self.optimiser = optim.SGD(self.model.parameters(), lr=0.02, momentum=0.9)
        self.schedule = optim.lr_scheduler.StepLR(self.optimiser, step_size=3, gamma=0.7)
        self.loader = DataLoader(data, batch_size=4, shuffle=True, num_workers=workers)
        self.batches: Any = iter(())
        self.update = ingot.jit(self._update) if compiled else self._update

    def _update(self, x: Any, y: Any) -> Any:
        self.optimiser.zero_grad()
        loss = (self.model(x) - y).square().mean()
        loss.backward()
        self.optimiser.step()
        return loss

    def step(self) -> float:
        """One update with the next batch, of the next pass if need be."""
        batch = next(self.batches, None)
        while batch is None:
            # A pass that continues behind its last batch is empty.
            self.batches = iter(self.loader)
            batch = next(self.batches, None)
        loss = self.update(*batch)
        self.schedule.step()
        return float(loss.item())

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "loader": self.loader.state_dict(),
            "random": ingot.get_rng_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.loader.load_state_dict(state["loader"])
        ingot.set_rng_state(state["random"])

    def digest(self) -> str:
        """What was learned, to the bit."""
        made = hashlib.sha256()
        for tensor in self.model.state_dict().values():
            made.update(tensor.numpy().tobytes())
        return made.hexdigest()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["Adam", "SGD"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_the_same_bits(tmp_path: Path, compiled: bool, kind: str, workers: int) -> None:
    if workers and not (sys.platform.startswith("linux") and kind == "Adam"):
        pytest.skip("one optimiser is enough for workers, which need Linux")
    whole = Training(compiled, kind, workers, seed=1)
    losses = [whole.step() for _ in range(14)]

    first = Training(compiled, kind, workers, seed=1)
    # The seventh update is in the middle of the second pass.
    assert [first.step() for _ in range(7)] == losses[:7]
    ingot.save(first.state(), tmp_path / "state.pt")

    second = Training(compiled, kind, workers, seed=99)
    second.load_state(ingot.load(tmp_path / "state.pt"))
    assert [second.step() for _ in range(7)] == losses[7:]
    assert second.digest() == whole.digest()


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_the_same_bits_in_another_process(tmp_path: Path, compiled: bool) -> None:
    whole = Training(compiled, "Adam", 0, seed=1)
    for step in range(10):
        if step == 5:
            ingot.save(whole.state(), tmp_path / "state.pt")
        whole.step()
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import ingot
from test_resuming import Training
training = Training({compiled}, "Adam", 0, seed=99)
training.load_state(ingot.load({str(tmp_path / "state.pt")!r}))
for _ in range(5):
    training.step()
print(training.digest())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == whole.digest(), done.stderr
