"""mt19937 is PyTorch's CPU generator; philox is the published one."""

from __future__ import annotations

import numpy as np
import pytest

from ingot.compiler.ir import TensorType
from ingot.compiler.ops.random import mt19937, mt19937_seed, philox, philox_block
from ingot.compiler.ops.source import input as make_input
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError


def reference(seed: int, count: int) -> list[int]:
    """Matsumoto and Nishimura's mt19937ar.c, word by word."""
    words = [seed & 0xFFFFFFFF]
    for i in range(1, 624):
        words.append((1812433253 * (words[-1] ^ (words[-1] >> 30)) + i) & 0xFFFFFFFF)
    out: list[int] = []
    while len(out) < count:
        for k in range(624):
            y = (words[k] & 0x80000000) | (words[(k + 1) % 624] & 0x7FFFFFFF)
            words[k] = words[(k + 397) % 624] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
        for y in words:
            y ^= y >> 11
            y ^= (y << 7) & 0x9D2C5680
            y ^= (y << 15) & 0xEFC60000
            out.append(y ^ (y >> 18))
    return out[:count]


@pytest.mark.parametrize("seed", [0, 8, 5489, 2**32 + 8, -1])
def test_mt19937_draws_the_reference_numbers(seed: int) -> None:
    state = mt19937_seed(seed)
    drawn, _ = mt19937.eval(state, n=1500)
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == reference(seed, 1500)


def test_mt19937_known_values() -> None:
    # The first outputs for the default seed of mt19937ar.c, and PyTorch's torch.manual_seed(8); torch.rand(4).
    drawn, _ = mt19937.eval(mt19937_seed(5489), n=3)
    assert drawn.tolist() == [3499211612, 581869302, 3890346734]
    drawn, _ = mt19937.eval(mt19937_seed(8), n=4)
    np.testing.assert_allclose((drawn & 0xFFFFFF) * 2.0**-24, [0.5979, 0.8453, 0.9464, 0.2965], atol=5e-5)


def test_mt19937_continues_where_it_stopped() -> None:
    state = mt19937_seed(3)
    state[625] = 77
    whole, last = mt19937.eval(state, n=2000)
    parts, now = [], state
    for n in (1, 0, 622, 1, 1, 700, 675):
        before = now.copy()
        part, now = mt19937.eval(now, n=n)
        parts.append(part)
        assert now is not before
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(now, last)
    assert now[625] == 77, "the distributions' word is kept"
    np.testing.assert_array_equal(state[:624], mt19937_seed(3)[:624], "the operand is not changed")


# Random123's kat_vectors: counter, key, result of philox4x32-10.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter: list[int], key: list[int], expected: list[int]) -> None:
    words = philox_block([np.array(c, np.uint64) for c in counter], [np.array(k, np.uint64) for k in key])
    assert [int(w) for w in words] == expected


def test_philox_blocks_follow_each_other() -> None:
    key = np.array([5, 6], np.uint32)
    assert philox.eval(np.zeros(2, np.uint32), np.zeros(2, np.uint32), n=4).tolist() == KNOWN[0][2]
    whole = philox.eval(key, np.array([0xFFFFFFFE, 7], np.uint32), n=16)
    # The offset's low word runs over into the high one.
    tail = philox.eval(key, np.array([0, 8], np.uint32), n=8)
    np.testing.assert_array_equal(whole[8:], tail)
    np.testing.assert_array_equal(philox.eval(key, np.array([0xFFFFFFFE, 7], np.uint32), n=7), whole[:7])
    assert len(set(whole.tolist())) == 16


def test_philox_of_several_keys() -> None:
    keys, offsets = np.array([[1, 2], [3, 4]], np.uint32), np.array([[0, 0], [9, 0]], np.uint32)
    both = philox.eval(keys, offsets, n=6)
    for key, offset, row in zip(keys, offsets, both, strict=True):
        np.testing.assert_array_equal(philox.eval(key, offset, n=6), row)


def test_refused() -> None:
    def value(shape: tuple[int, ...]) -> object:
        return make_input(type=TensorType(dtypes.uint32, shape), name="x")

    with pytest.raises(ShapeError, match=r"IG150.*u32\[626\], got u32\[624\]"):
        mt19937(value((624,)), n=1)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"IG150.*-1"):
        mt19937(value((626,)), n=-1)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"IG151"):
        philox(value((2,)), value((3,)), n=1)  # type: ignore[arg-type]
    damaged = mt19937_seed(0)
    damaged[624] = 625
    with pytest.raises(ShapeError, match="625 of 624"):
        mt19937.eval(damaged, n=1)
