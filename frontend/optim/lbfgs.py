"""L-BFGS, with a line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ingot.functional.joining import cat
from ingot.modes import enable_grad, modes, no_grad
from ingot.optim.optimizer import Optimizer, Params, check_option
from ingot.runtime.errors import OperandError, SpecError, TraceError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

# Of the line search: sufficient decrease, curvature, the smallest bracket, and how many evaluations at most.
_DECREASE, _CURVATURE, _NARROW, _MOST = 1e-4, 0.9, 1e-9, 25
_KEPT = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last `history_size` changes of the gradient. Nocedal & Wright 2006, algorithm 7.5.

    One group of parameters. `step` needs a closure that computes the loss and its gradients again. How often that is
    called depends on values, so steps are no part of compiled functions (TraceError, IG398); the closure can be one.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_option("learning rate", lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise SpecError("IG261", "LBFGS takes one group of parameters", where=user_line())

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter iterations; the loss before them is returned."""
        if modes.trace is not None:
            raise TraceError(
                "IG398",
                "LBFGS cannot be compiled: how often it evaluates the closure depends on values",
                where=user_line(),
                fix="@ingot.jit on the closure, and optimizer.step(closure) outside of it",
            )
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that computes the loss and its gradients")
        evaluate = enable_grad()(closure)
        with no_grad():
            return self._steps(evaluate)

    def _steps(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, most, tolerance = float(group["lr"]), group["max_iter"], group["tolerance_change"]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, evaluations = float(first), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if bool(gradient.abs().max() <= group["tolerance_grad"]):
            return first
        h = History(*[state.get(name) for name in _KEPT])
        for n in range(1, most + 1):
            state["n_iter"] += 1
            fresh = state["n_iter"] == 1
            h = h.begun(gradient) if fresh else h.extended(gradient, group["history_size"])
            direction = h.d
            before = loss
            t: Any = min(1.0, 1.0 / float(gradient.abs().sum())) * lr if fresh else lr
            slope = float(gradient.dot(direction))
            h = h._replace(t=t, prev_flat_grad=gradient.clone(), prev_loss=before)
            if slope > -tolerance:
                break
            evaluated = 0
            if group["line_search_fn"] is not None:
                here = Point(0.0, loss, gradient, slope)
                tries = min(_MOST, group["max_eval"] - evaluations)
                loss, gradient, t, evaluated = self._searched(closure, t, direction, here, tries)
                h = h._replace(t=t)
            else:
                self._add(t, direction)
                if n != most:
                    loss, evaluated = float(enable_grad()(closure)()), 1
                    gradient = self._gradient()
            evaluations += evaluated
            state["func_evals"] += evaluated
            if (
                n == most
                or evaluations >= group["max_eval"]
                or bool(gradient.abs().max() <= group["tolerance_grad"])
                or float((direction * t).abs().max()) <= tolerance
                or abs(loss - before) < tolerance
            ):
                break
        for name, value in zip(_KEPT, h, strict=True):
            state[name] = value
        return first

    def _searched(
        self, closure: Callable[[], Any], t: float, direction: Any, here: Point, tries: int
    ) -> tuple[float, Any, float, int]:
        """Search along the direction and go there: loss, gradient, step and how often the closure was called."""
        if self.param_groups[0]["line_search_fn"] != "strong_wolfe":
            raise OperandError("IG398", "line_search_fn is None or 'strong_wolfe'", where=user_line())
        params = self.param_groups[0]["params"]
        start = [p.clone() for p in params]

        def evaluate(step: float) -> Point:
            self._add(step, direction)
            value = float(closure())
            found = self._gradient()
            for p, kept in zip(params, start, strict=True):
                p.copy_(kept)
            return Point(step, value, found, float(found.dot(direction)))

        width = float(direction.abs().max())
        point, count = strong_wolfe(evaluate, here, t, width, tries)
        self._add(point.t, direction)
        return point.f, point.g, point.t, count

    def _gradient(self) -> Any:
        """All gradients as one vector; zeros where there is none."""
        params = self.param_groups[0]["params"]
        return cat([(p * 0 if p.grad is None else p.grad).reshape(-1) for p in params])

    def _add(self, t: float, direction: Any) -> None:
        offset = 0
        for p in self.param_groups[0]["params"]:
            p.add_(direction[offset : offset + p.numel()].reshape(p.shape), alpha=t)
            offset += p.numel()


class History(NamedTuple):
    """What is known of the curvature, under the names that are saved."""

    d: Any = None
    t: Any = None
    old_dirs: Any = None
    old_stps: Any = None
    ro: Any = None
    H_diag: Any = None
    prev_flat_grad: Any = None
    prev_loss: Any = None

    def begun(self, gradient: Any) -> History:
        """The direction of steepest descent, and nothing known."""
        return self._replace(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1)

    def extended(self, gradient: Any, size: int) -> History:
        """With the change since the last step, at most `size` of them, and the next direction."""
        changes, steps, inverses, scale = list(self.old_dirs), list(self.old_stps), list(self.ro), self.H_diag
        change, step = gradient - self.prev_flat_grad, self.d * self.t
        product = change.dot(step)
        if float(product) > 1e-10:
            if len(changes) == size:
                for kept in (changes, steps, inverses):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            inverses.append(1.0 / product)
            scale = product / change.dot(change)
        q, shares = -gradient, []
        for y, s, r in reversed(list(zip(changes, steps, inverses, strict=True))):
            shares.append(s.dot(q) * r)
            q = q - y * shares[-1]
        d = q * scale
        for y, s, r, share in zip(changes, steps, inverses, reversed(shares), strict=True):
            d = d + s * (share - y.dot(d) * r)
        return self._replace(d=d, old_dirs=changes, old_stps=steps, ro=inverses, H_diag=scale)


# ---- line search


class Point(NamedTuple):
    """A step along the direction: its size, loss, gradient, and slope of the loss along the direction."""

    t: float
    f: float
    g: Any
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, width: float, most: int
) -> tuple[Point, int]:
    """A step with enough decrease and a small slope, and how many were evaluated: after `most` more, the best is taken.

    Nocedal & Wright 2006, algorithms 3.5 (bracketing) and 3.6 (zoom). `width`: the largest element of the direction.
    """

    def too_high(point: Point) -> bool:
        return point.f > start.f + _DECREASE * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -_CURVATURE * start.slope

    point, before, count, tries = evaluate(t), start, 1, 0
    bracket = [start, point]
    while tries < most:
        if too_high(point) or (tries > 1 and point.f >= before.f):
            bracket = [before, point]
            break
        if flat(point):
            return point, count
        if point.slope >= 0:
            bracket = [before, point]
            break
        bounds = (point.t + 0.01 * (point.t - before.t), point.t * 10)
        t = cubic_minimum(before, point, bounds)
        before, point = point, evaluate(t)
        count += 1
        tries += 1
        bracket = [start, point]
    low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
    stuck = False
    while tries < most and abs(bracket[1].t - bracket[0].t) * width >= _NARROW:
        t, stuck = _inside(bracket, stuck)
        point = evaluate(t)
        count += 1
        tries += 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
            continue
        done = flat(point)
        if not done and point.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
        if done:
            break
    return bracket[low], count


def _inside(bracket: list[Point], stuck: bool) -> tuple[float, bool]:
    """The next step within a bracket; one close to an end is moved away from it when the last one was too."""
    lower, upper = sorted((bracket[0].t, bracket[1].t))
    t = cubic_minimum(bracket[0], bracket[1], (lower, upper))
    margin = 0.1 * (upper - lower)
    if min(upper - t, t - lower) >= margin:
        return t, False
    if stuck or t >= upper or t <= lower:
        return (upper - margin if abs(t - upper) < abs(t - lower) else lower + margin), False
    return t, True


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through two points with these slopes is least, within bounds. Nocedal & Wright, equation 3.59."""
    low, high = bounds
    if a.t == b.t:
        return (low + high) / 2.0
    first = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = first**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    left, right = (a, b) if a.t <= b.t else (b, a)
    root = math.sqrt(square)
    below = right.slope - left.slope + 2 * root
    if below == 0:
        return (low + high) / 2.0
    least = right.t - (right.t - left.t) * ((right.slope + root - first) / below)
    return min(max(least, low), high)
