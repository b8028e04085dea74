"""What errors say about mistakes that are made at a prompt: the type is PyTorch's, and the text names the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn

MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "integers into a layer": (
        lambda: nn.Linear(2, 3)(ingot.ones(4, 2, dtype=ingot.int64)),
        RuntimeError,
        r"input\.to\(ingot\.float32\)",
    ),
    "doubles into a layer": (
        lambda: nn.Linear(2, 3)(ingot.ones(4, 2).double()),
        RuntimeError,
        r"input\.to\(ingot\.flo",
    ),
    "integers times floats": (
        lambda: ingot.ones(2, 2, dtype=ingot.int64) @ ingot.ones(2, 2),
        RuntimeError,
        r"a\.to\(ingot\.float32\)",
    ),
    "floats times integers": (
        lambda: ingot.ones(2, 2) @ ingot.ones(2, 2, dtype=ingot.int64),
        RuntimeError,
        r"b\.to\(ingot\.float32\)",
    ),
    "a layer without its kernel": (
        lambda: nn.Conv2d(3, 4),  # type: ignore[call-arg]
        TypeError,
        r"^_Convolution\.__init__\(\) missing .*kernel_s",
    ),
    "integers without a size": (lambda: ingot.randint(10), TypeError, "a tuple of ints, is missing"),
    "a size that is no tuple": (lambda: ingot.randint(0, 10), TypeError, "size=10"),
    "a seed that is no number": (lambda: ingot.manual_seed("a"), ValueError, "'a'"),  # type: ignore[arg-type]
    "a seed of too many bits": (lambda: ingot.manual_seed(1 << 64), ValueError, "more than 64 bits"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name: str) -> None:
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("seed", [3, 3.7, "3", np.int64(3), np.uint8(3), ingot.tensor(3), ingot.tensor(3.0)])
def test_seeds_are_what_int_takes(seed: Any) -> None:
    assert ingot.manual_seed(seed).initial_seed() == 3


def test_lengths_in_a_tensor_are_for_eager_code() -> None:
    lstm = nn.LSTM(2, 3, batch_first=True)

    @ingot.jit
    def last(x: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return lstm(packed)[1][0]

    x = ingot.ones(2, 4, 2)
    with pytest.raises(RuntimeError, match=r"lengths as a list of ints \(lengths\.tolist\(\), outside\)"):
        last(x, ingot.tensor([2, 4]))
    assert last(x, [2, 4]).shape == (1, 2, 3)
