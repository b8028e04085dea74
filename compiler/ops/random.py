"""Random bits: PyTorch's CPU generator (mt19937) and a counter-based one (philox). Distributions are composites."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, Size, TensorType
from ingot.compiler.ops.control import each_lane
from ingot.compiler.ops.table import no_jvp, no_vjp, register
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError

Array = np.ndarray[Any, Any]

WORDS = 624
# 624 words of state, how many of them were drawn, and one word that belongs to the distributions.
STATE = TensorType(dtypes.uint32, (WORDS + 2,))
MASK = 0xFFFFFFFF


def check_count(name: str, n: Size) -> None:
    if isinstance(n, int) and n < 0:
        raise ShapeError("IG150", f"{name} cannot draw {n} numbers")


# ---- mt19937


def mt19937_seed(seed: int) -> Array:
    """A fresh state, u32[626], as at::mt19937(seed) has it: the low 32 bits of the seed count.

    Matsumoto & Nishimura 2002, init_genrand. All words count as drawn, so the first draw makes a new block.
    """
    state = np.zeros(WORDS + 2, np.uint32)
    word = seed & MASK
    for i in range(WORDS):
        state[i] = word
        word = (1812433253 * (word ^ (word >> 30)) + i + 1) & MASK
    state[WORDS] = WORDS
    return state


def mt19937_type(state: TensorType, *, n: Size) -> tuple[TensorType, TensorType]:
    if state is not STATE:
        raise ShapeError("IG150", f"mt19937 takes a state {STATE}, got {state}")
    check_count("mt19937", n)
    return TensorType(dtypes.uint32, (n,)), STATE


def mt19937_eval(state: Array, *, n: int) -> tuple[Array, Array]:
    position = int(state[WORDS])
    if position > WORDS:
        raise ShapeError("IG150", f"mt19937: the state says that {position} of {WORDS} words were drawn")
    generator = np.random.MT19937(0)
    generator.state = {"bit_generator": "MT19937", "state": {"key": state[:WORDS], "pos": position}}
    drawn: Array = np.asarray(generator.random_raw(n)).astype(np.uint32)
    after: Any = generator.state["state"]
    return drawn, np.r_[after["key"], np.uint32(after["pos"]), state[WORDS + 1 :]].astype(np.uint32)


mt19937: Op = register(
    Op(
        name="mt19937",
        kind="random",
        infer=mt19937_type,
        eval=mt19937_eval,
        vjp=no_vjp,
        jvp=no_jvp,
        batch=lambda size, state, *, n: each_lane(mt19937, size, (state,), {"n": n}),
        dtypes=(dtypes.uint32,),
        # Words drawn (the state's 625th) must be at most 624, so samples keep all words small.
        samples=tuple(Sample((Arg((WORDS + 2,), "uint32", 0, WORDS),), {"n": n}) for n in (0, 1, 5, 700, 1300)),
        doc="(the next n 32-bit outputs, the state after them). The state u32[626] is 624 words, the number of them "
        "that were drawn, and a word for the distributions. Matsumoto & Nishimura 1998, ACM TOMACS 8(1).",
    )
)


# ---- philox

# Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox-4x32 with 10 rounds.
PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
PHILOX_WEYL = (0x9E3779B9, 0xBB67AE85)
PHILOX_ROUNDS = 10


def philox_type(key: TensorType, offset: TensorType, *, n: Size) -> TensorType:
    if key is not offset or key.dtype is not dtypes.uint32 or key.ndim < 1 or key.shape[-1] != 2:
        raise ShapeError("IG151", f"philox takes a key and an offset u32[..., 2] of one shape, got {key} and {offset}")
    check_count("philox", n)
    return key.with_shape((*key.shape[:-1], n))


def philox_block(counter: list[Array], key: list[Array]) -> list[Array]:
    """The four words for counters of four words under keys of two; uint64 arrays that hold 32-bit words."""
    mask = np.uint64(MASK)
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(PHILOX_ROUNDS):
        left, right = (c * np.uint64(m) for c, m in zip((c0, c2), PHILOX_MULTIPLIERS, strict=True))
        c0, c1 = (right >> np.uint64(32)) ^ c1 ^ k0, right & mask
        c2, c3 = (left >> np.uint64(32)) ^ c3 ^ k1, left & mask
        k0, k1 = ((k + np.uint64(w)) & mask for k, w in zip((k0, k1), PHILOX_WEYL, strict=True))
    return [c0, c1, c2, c3]


def philox_eval(key: Array, offset: Array, *, n: int) -> Array:
    wide_key, wide_offset = key.astype(np.uint64)[..., None, :], offset.astype(np.uint64)[..., None, :]
    first = wide_offset[..., 0] | wide_offset[..., 1] << np.uint64(32)
    count = first + np.arange(-(-n // 4), dtype=np.uint64)
    low, high, zero = count & np.uint64(MASK), count >> np.uint64(32), np.zeros_like(count)
    words = philox_block([low, high, zero, zero], [wide_key[..., 0], wide_key[..., 1]])
    flat = np.stack(words, axis=-1).reshape(*key.shape[:-1], 4 * count.shape[-1])
    return flat[..., :n].astype(np.uint32)


philox: Op = register(
    Op(
        name="philox",
        kind="random",
        infer=philox_type,
        eval=philox_eval,
        vjp=no_vjp,
        jvp=no_jvp,
        batch=lambda size, key, offset, *, n: philox(key, offset, n=n),
        dtypes=(dtypes.uint32,),
        samples=(
            *(Sample((Arg((2,), "uint32", 0, 9), Arg((2,), "uint32", 0, 9)), {"n": n}) for n in (0, 1, 4, 7)),
            Sample((Arg((3, 2), "uint32", 0, 9), Arg((3, 2), "uint32", 0, 9)), {"n": 5}),
        ),
        doc="n words of Philox4x32-10 for each key u32[..., 2] and offset u32[..., 2] -> u32[..., n]. Block j is the "
        "four words of the 128-bit counter whose low half is offset + j and whose high half is 0; low words come "
        "first. Salmon et al. 2011.",
    )
)
