"""Random bits: the Mersenne Twister, a block of the state at a time, and Philox, a vector of counters at a time."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.special.frame import Count, Frame, each_panel, estimate, panels
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.dims import product
from ingot.compiler.ops.random import PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL, WORDS

# Matsumoto & Nishimura 1998, table II, MT19937.
MIDDLE = 397
MATRIX = 0x9908B0DF
UPPER, LOWER = 0x80000000, 0x7FFFFFFF
TEMPERING = ((11, None), (-7, 0x9D2C5680), (-15, 0xEFC60000), (18, None))  # shift (left if negative), mask


def emit_mt19937(frame: Frame) -> Emitted:
    """Words are tempered from the state's copy in the result, which becomes a new block when all of it was drawn."""
    f, (n,) = frame.f, frame.stmt.results[0].shape
    words, state = frame.results
    lanes = frame.target.lanes(32)
    frame.module.declare("memcpy", "declare ptr @memcpy(ptr, ptr, i64)")
    f.effect(f"call ptr @memcpy({state}, {frame.operands[0]}, i64 {4 * (WORDS + 2)})")
    drawn = f.offset(state, WORDS, 4)
    block, count = frame.const(WORDS), frame.size(n)
    start = least(f, f.cast("zext", f.load(drawn, "i32"), "i64"), block)

    def some(carried: list[Reg]) -> Sequence[Reg]:
        position, done = carried
        spent = f.cmp("eq", position, block)
        (position,) = f.if_(spent, lambda: next_block(frame, state, lanes), lambda: [position])
        take = least(f, f.sub(block, position), f.sub(count, done))

        def temper(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            word = f.load(f.offset(state, f.add(position, at), 4), "i32", lanes, mask=mask)
            f.store(tempered(f, word), f.offset(words, f.add(done, at), 4), mask=mask)
            return []

        frame.vectors(take, lanes, temper)
        return [f.add(position, take), f.add(done, take)]

    position, _ = f.while_(lambda c: f.cmp("slt", c[1], count), some, [start, frame.const(0)])
    f.store(f.cast("trunc", position, "i32"), drawn)
    return frame.emitted(1, 100.0 + 0.5 * estimate(n))


def least(f: Function, a: Reg, b: Reg) -> Reg:
    return f.select(f.cmp("ult", a, b), a, b)


def tempered(f: Function, word: Reg) -> Reg:
    for shift, mask in TEMPERING:
        moved = f.lshr(word, f.like(word, shift)) if shift > 0 else f.shl(word, f.like(word, -shift))
        word = f.xor(word, moved if mask is None else f.and_(moved, f.like(word, mask)))
    return word


def next_block(frame: Frame, state: Reg, lanes: int) -> list[Reg]:
    """state[k] = state[k + 397] ^ twist(state[k], state[k + 1]), indices modulo 624; gives the position 0.

    Ascending vectors read what the words before them have become only where the definition does, 227 words back.
    """
    f = frame.f

    def words(first: int, count: int, middle: int) -> None:
        def step(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            here = f.offset(state, f.add(at, frame.const(first)), 4)
            word, following, far = (f.load(f.offset(here, i, 4), "i32", lanes, mask=mask) for i in (0, 1, middle))
            f.store(twisted(f, word, following, far), here, mask=mask)
            return []

        frame.vectors(count, lanes, step)

    words(0, WORDS - MIDDLE, MIDDLE)
    words(WORDS - MIDDLE, MIDDLE - 1, MIDDLE - WORDS)
    word, following, far = (f.load(f.offset(state, i, 4), "i32") for i in (WORDS - 1, 0, MIDDLE - 1))
    f.store(twisted(f, word, following, far), f.offset(state, WORDS - 1, 4))
    return [frame.const(0)]


def twisted(f: Function, word: Reg, following: Reg, far: Reg) -> Reg:
    mixed = f.or_(f.and_(word, f.like(word, UPPER)), f.and_(following, f.like(word, LOWER)))
    odd = f.sub(f.like(word, 0), f.and_(following, f.like(word, 1)))  # all ones or zero
    return f.xor(far, f.xor(f.lshr(mixed, f.like(word, 1)), f.and_(odd, f.like(word, MATRIX))))


def emit_philox(frame: Frame) -> Emitted:
    """Each vector is the four words of as many counters as fit; panels of words are the units of work."""
    f, shape = frame.f, frame.stmt.results[0].shape
    outer, n = product(shape[:-1]), shape[-1]
    blocks = frame.target.lanes(32)
    lanes = 4 * blocks
    cut = panels(frame.target, outer, n, lanes)

    def row(unit: Reg, first: Reg, width: Count) -> None:
        pair = f.mul(unit, frame.const(8))
        key, offset = (f.offset(p, pair) for p in frame.operands)
        k0, k1, low, high = (f.load(f.offset(p, 4 * i), "i32") for p in (key, offset) for i in (0, 1))
        base = f.or_(f.cast("zext", low, "i64"), f.shl(f.cast("zext", high, "i64"), frame.const(32)))
        out = f.add(f.mul(unit, frame.size(n)), first)

        def step(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            number = f.add(base, f.lshr(f.add(first, at), frame.const(2)))
            counters = f.add(f.splat(number, blocks), f.iota("i64", blocks))
            words = philox_words(f, counters, k0, k1)
            f.store(interleaved(f, words), f.offset(frame.results[0], f.add(out, at), 4), mask=mask)
            return []

        frame.vectors(width, lanes, step)

    each_panel(frame, cut, row)
    return frame.emitted(cut.units, 10.0 + cut.columns * 10.0 / blocks)


def philox_words(f: Function, counters: Reg, k0: Reg, k1: Reg) -> list[Reg]:
    """The four words of each 64-bit counter, whose upper half of 64 bits is 0."""
    lanes = counters.lanes

    def halves(x: Reg, multiplier: int) -> tuple[Reg, Reg]:
        wide = f.mul(f.cast("zext", x, "i64"), f.const("i64", multiplier, lanes))
        return f.cast("trunc", wide, "i32"), f.cast("trunc", f.lshr(wide, f.like(wide, 32)), "i32")

    c0, c1 = f.cast("trunc", counters, "i32"), f.cast("trunc", f.lshr(counters, f.like(counters, 32)), "i32")
    c2 = c3 = f.const("i32", 0, lanes)
    for _ in range(PHILOX_ROUNDS):
        (low0, high0), (low2, high2) = halves(c0, PHILOX_MULTIPLIERS[0]), halves(c2, PHILOX_MULTIPLIERS[1])
        c0, c1, c2, c3 = f.xor(f.xor(high2, c1), k0), low2, f.xor(f.xor(high0, c3), k1), low0
        k0, k1 = (f.add(k, f.const("i32", w)) for k, w in zip((k0, k1), PHILOX_WEYL, strict=True))
    return [c0, c1, c2, c3]


def interleaved(f: Function, words: Sequence[Reg]) -> Reg:
    """Four vectors as one: all words of the first lane, then those of the second …"""
    a, b, c, d = words
    lanes = a.lanes
    if lanes == 1:
        vector = f.vector("i32", [0] * 4)
        for i, word in enumerate(words):
            vector = f.insert(vector, word, i)
        return vector
    low, high = (f.shuffle(x, y, range(2 * lanes)) for x, y in ((a, b), (c, d)))
    return f.shuffle(low, high, [lane + word * lanes for lane in range(lanes) for word in range(4)])
