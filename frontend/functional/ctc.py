"""Connectionist temporal classification. Graves et al. 2006."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ir import Graph, Size, TensorType, Value
from ingot.compiler.ops import elementwise, source, transcendental
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.source import full
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.view import expand, pad
from ingot.compiler.ops.view import slice as slice_row
from ingot.core import TensorBase, array_of, tensor_from_array
from ingot.functional.arithmetic import div, eq, lt, ne, sub, where
from ingot.functional.gathering import gather
from ingot.functional.joining import cat, stack
from ingot.functional.losses import reduced
from ingot.functional.reductions import logsumexp, mean, sum
from ingot.functional.unary import exp, neg
from ingot.gate import apply, apply_several
from ingot.modes import modes
from ingot.promote import cast_to, expand_to, splat
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType, bool_
from ingot.runtime.errors import OperandError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

_IMPOSSIBLE = -math.inf


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all paths that spell the target. log_probs [T, N, C] or [T, C] of classes over time.

    targets: classes [N, S], padded, or all of them one after another in one dimension; the lengths say how many steps
    and classes belong to each. "mean" divides by the target's length first. `zero_infinity`: a target that cannot be
    spelled costs 0. As in PyTorch, the gradient is that of the scores before log_softmax.
    Raises OperandError (IG323) for shapes and lengths that do not fit.
    """
    single = log_probs._layout.ndim == 2
    batched = log_probs.unsqueeze(1) if single else log_probs
    if batched._layout.ndim != 3:
        raise _misfit(f"log_probs must be [T, N, C] or [T, C], not {list(log_probs._layout.shape)}")
    steps, rows, classes = batched._layout.shape
    if isinstance(classes, int) and not 0 <= blank < classes:
        raise _misfit(f"blank must be in label range [0, {classes}), but got {blank}")
    times = _lengths("input_lengths", input_lengths, rows, steps)
    sizes = _lengths("target_lengths", target_lengths, rows, None)
    labels = _padded(targets, sizes, rows, target_lengths)
    loss = _loss(batched, labels, times, sizes, blank)
    if zero_infinity:
        loss = where(eq(loss, math.inf), 0.0, loss)
    if reduction == "mean":
        return mean(div(loss, cast_to(sizes.clamp(min=1), loss._layout.dtype)))
    return reduced(loss.reshape(()) if single else loss, reduction)


def _misfit(what: str) -> OperandError:
    return OperandError("IG323", f"ctc_loss: {what}", where=user_line())


def _lengths(name: str, given: Any, rows: Any, most: Any) -> Tensor:
    """One length per row, int64. Values are checked outside of compiled code."""
    if isinstance(given, TensorBase):
        lengths: Tensor = given.reshape(-1)  # type: ignore[attr-defined]
    else:
        numbers = [given] if isinstance(given, int) else list(given)
        lengths = tensor_from_array(np.array(numbers, np.int64))
    if lengths._layout.shape != (rows,):
        raise _misfit(f"{name} must be of size batch_size {rows}, not {list(lengths._layout.shape)}")
    if modes.trace is None and lengths._layout.numel:
        known = array_of(lengths)
        if known.min() < 0 or (isinstance(most, int) and known.max() > most):
            raise _misfit(f"{name} must be from 0 to {'the number of classes given' if most is None else most}")
    return cast_to(lengths, dtypes.int64)


def _padded(targets: Tensor, sizes: Tensor, rows: Any, given: Any) -> Tensor:
    """The targets as [N, S]."""
    if targets._layout.ndim == 2 and targets._layout.shape[0] == rows:
        return cast_to(targets, dtypes.int64)
    if targets._layout.ndim != 1:
        raise _misfit(f"targets must be [N, S] or of one dimension, not {list(targets._layout.shape)}")
    total: Any = targets._layout.shape[0]
    longest = total
    if not isinstance(given, TensorBase):
        longest = given if isinstance(given, int) else max(given, default=0)
    elif modes.trace is None:
        longest = int(array_of(sizes).max()) if sizes._layout.numel else 0
    if modes.trace is None and int(array_of(sizes).sum()) > total:
        raise _misfit(f"there are {total} targets, fewer than the target_lengths add up to")
    if total == 0:
        return splat(0, dtypes.int64, (rows, longest))
    begins = (sizes.cumsum(0) - sizes).unsqueeze(1)
    places = begins + _counter(rows, longest)
    return cast_to(targets, dtypes.int64)[places.clamp(max=total - 1)]


def _counter(rows: Any, count: Any) -> Tensor:
    """0 .. count - 1 in every row."""
    return apply(source.iota, type=TensorType(dtypes.int64, (rows, count)), axis=1)


def _loss(log_probs: Tensor, labels: Tensor, times: Tensor, sizes: Tensor, blank: int) -> Tensor:
    steps, rows, _ = log_probs._layout.shape
    longest: Any = labels._layout.shape[1]
    count = 2 * longest + 1
    dtype = log_probs._layout.dtype
    # Blanks between, before and after the classes; so are those that pad a shorter target.
    known = where(lt(_counter(rows, longest), sizes.unsqueeze(1)), labels, blank)
    blanks = splat(blank, dtypes.int64, (rows, longest))
    spelled = cat([stack([blanks, known], 2).reshape((rows, 2 * longest)), splat(blank, dtypes.int64, (rows, 1))], 1)
    emitted = gather(log_probs, 2, expand_to(spelled.unsqueeze(0), (steps, rows, count)))
    # A blank may be left out between two classes that differ.
    before = cat([splat(blank, dtypes.int64, (rows, min(2, count))), spelled], 1).narrow(1, 0, count)
    skips = ne(spelled, blank) & ne(spelled, before)
    start = where(eq(_counter(rows, count), 0), splat(0.0, dtype), _IMPOSSIBLE)
    number = apply(source.iota, type=TensorType(dtypes.int64, (steps, rows, 1)), axis=0)
    runs = lt(number, times.reshape((1, rows, 1)))
    body = _body(dtype, rows, count)
    ended = apply_several(scan, start, emitted, runs, skips, body=body, carries=1, xs=2, length=steps)[0]
    last = (2 * sizes).unsqueeze(1)
    ends = cat([gather(ended, 1, last), where(eq(last, 0), _IMPOSSIBLE, gather(ended, 1, (last - 1).clamp(min=0)))], 1)
    return neg(_finite(ends)) + _gradient_of_scores(log_probs, runs)


def _finite(ends: Tensor) -> Tensor:
    """logsumexp of two numbers, with gradients of 0 where both are -inf."""
    impossible = eq(ends.amax(1, True), _IMPOSSIBLE)
    found = logsumexp(where(impossible, 0.0, ends), 1)
    return where(impossible.reshape(found._layout.shape), _IMPOSSIBLE, found)


def _gradient_of_scores(log_probs: Tensor, runs: Tensor) -> Tensor:
    """0, with the gradient that turns that of log-probabilities into that of the scores before log_softmax."""
    probabilities = exp(log_probs)
    return sum(where(runs, sub(probabilities, probabilities.detach()), 0.0), (0, 2))


@functools.lru_cache(maxsize=256)
def _body(dtype: DType, rows: Size, count: Size) -> Graph:
    """One step: the logarithms of the probabilities of having spelled each prefix, before and after it."""
    shape = (rows, count)
    reached = make_input(type=TensorType(dtype, shape), name="reached")
    emitted = make_input(type=TensorType(dtype, shape), name="emitted")
    runs = make_input(type=TensorType(bool_, (rows, 1)), name="runs")
    skips = make_input(type=TensorType(bool_, shape), name="skips")
    impossible = full(reached.type, _IMPOSSIBLE)
    one = _moved(reached, 1)
    two = elementwise.select(skips, _moved(reached, 2), impossible)
    top = elementwise.maximum(elementwise.maximum(reached, one), two)
    shift = elementwise.select(elementwise.eq(top, impossible), full(reached.type, 0.0), top)
    parts: Sequence[Value] = [transcendental.exp(elementwise.sub(x, shift)) for x in (reached, one, two)]
    total = elementwise.add(elementwise.add(parts[0], parts[1]), parts[2])
    nothing = elementwise.eq(total, full(reached.type, 0.0))
    safe = elementwise.select(nothing, full(reached.type, 1.0), total)
    joined = elementwise.add(elementwise.add(transcendental.log(safe), shift), emitted)
    after = elementwise.select(nothing, impossible, joined)
    return Graph(
        (reached, emitted, runs, skips),
        (elementwise.select(expand(runs, shape=shape), after, reached),),
        (),
        "ctc",
    )


def _moved(x: Value, by: int) -> Value:
    """The columns moved to the right, impossible ones from the left."""
    rows, columns = x.shape
    by = min(by, columns) if isinstance(columns, int) else by
    kept = slice_row(x, start=(0, 0), stop=(rows, columns - by), step=(1, 1))
    return pad(kept, low=(0, by), high=(0, 0), interior=(0, 0), value=_IMPOSSIBLE)
