"""Runs the programs of torch_fuzz under PyTorch, under ingot and compiled; compares; makes what differs small."""

from __future__ import annotations

import builtins
import linecache
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch_fuzz import program, refused
from torch_fuzz_draw import Argument, Program, make_argument

import ingot

# Relative to the largest number of a tensor.
TOLERANCES = {"float64": 1e-9, "float32": 5e-5, "float16": 8e-3, "bfloat16": 6e-2}
NUDGES = {"float64": 1e-13, "float32": 3e-7, "float16": 1e-3, "bfloat16": 8e-3}
LAYOUTS = {"contiguous": "transposed", "transposed": "sliced", "sliced": "contiguous", "offset": "transposed"}


class Facts(NamedTuple):
    """What is compared of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    requires_grad: bool
    is_leaf: bool
    memory: int
    values: Any
    grad: Any


class Outcome(NamedTuple):
    """The tensors of a program, or the error it ended with."""

    facts: list[Facts]
    error: Exception | None


_NAMES = re.compile(r"^\s*(t\d+(?:, t\d+)*) = ", re.MULTILINE)


def pool_names(given: Program) -> list[str]:
    """The names of all tensors."""
    names = [a.name for a in given.arguments]
    for statement in given.body:
        for found in _NAMES.findall(statement):
            names += [n for n in found.split(", ") if n not in names]
    return names


_counter = [0]


def function_of(T: Any, given: Program) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The program as a function of its arguments; and the namespace it lives in."""
    names = [a.name for a in given.arguments]
    lines = [f"def program({', '.join(names)}):"]
    lines += [f"    {line}" for statement in given.body for line in statement.split("\n")]
    lines.append(f"    return ({', '.join(pool_names(given))},)")
    source = "\n".join(lines) + "\n"
    _counter[0] += 1
    file = f"<program {_counter[0]}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace: dict[str, Any] = {"T": T, "__name__": "program"}
    exec(compile(source, file, "exec"), namespace)
    return namespace["program"], namespace


def numbers(tensor: Any) -> Any:
    """The elements, as NumPy knows them."""
    kept = tensor.detach()
    if str(kept.dtype).endswith("bfloat16"):
        kept = kept.float()
    return np.array(kept.numpy())


def facts_of(names: list[str], tensors: Any) -> list[Facts]:
    """The facts of a pool; memory is numbered by first use."""
    memory: dict[int, int] = {}
    found = []
    for name, tensor in zip(names, tensors, strict=True):
        place = tensor.untyped_storage().data_ptr() if tensor.numel() else -1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            grad = tensor.grad
        found.append(
            Facts(
                name,
                str(tensor.dtype).split(".")[-1],
                tuple(tensor.shape),
                tuple(tensor.stride()),
                tensor.storage_offset(),
                tensor.requires_grad,
                tensor.is_leaf,
                memory.setdefault(place, len(memory)) if place > 0 else -1,
                numbers(tensor),
                None if grad is None else numbers(grad),
            )
        )
    return found


def execute(
    T: Any, given: Program, function: Callable[..., Any], shift: int = 0, moved: bool = False, nudge: float = 0
) -> Outcome:
    """Make the arguments, call the function, and do what follows."""
    made: dict[str, Any] = {}
    for a in given.arguments:
        layout = LAYOUTS.get(a.layout, a.layout) if moved else a.layout
        made[a.name] = make_argument(T, a, made, shift, layout, nudge)
    T.manual_seed(0)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            pool = function(*made.values())
            for statement in given.after:
                exec(statement, {"T": T, "pool": pool, "anchor": T.zeros((), requires_grad=True), **made})
            found = facts_of(pool_names(given), pool)
    except Exception as error:
        return Outcome([], error)
    return Outcome(found, None)


def builtin_of(error: Exception) -> type[BaseException]:
    """The builtin exception type that the error is one of."""
    for kind in type(error).__mro__:
        if kind.__module__ == "builtins" and kind is not NotImplementedError:
            return getattr(builtins, kind.__name__)  # type: ignore[no-any-return]
    return Exception


def coarsest(outcome: Outcome) -> str:
    """The floating dtype of least precision among the tensors."""
    order = ["float64", "float32", "float16", "bfloat16"]
    return max((f.dtype for f in outcome.facts if f.dtype in order), key=order.index, default="float64")


def _close(ours: Any, theirs: Any, dtype: str, slack: Any, what: str) -> bool:
    if ours is None or theirs is None:
        return (ours is None) == (theirs is None)
    if ours.shape != theirs.shape:
        return False
    if ours.dtype.kind in "biu" or theirs.dtype.kind in "biu":
        return bool(((ours == theirs) | (slack > 0)).all())
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(all="ignore"):
        finite = np.abs(b[np.isfinite(b)])
        scale = finite.max(initial=0.0)
        close = np.isnan(b) & (what != "values")
        close |= np.abs(a - b) <= TOLERANCES[dtype] * (scale + 1e-2) + 50 * slack
        if dtype in ("float16", "bfloat16"):
            # Where one rounds to infinity, the other may just not.
            close |= ~np.isfinite(a) & (np.abs(b) > 6e4) | ~np.isfinite(b) & (np.abs(a) > 6e4)
        return bool((close | (a == b) | (np.isnan(a) & np.isnan(b)) | ~np.isfinite(slack)).all())


def _slack(a: Any, b: Any) -> Any:
    """How much a tensor moves when the arguments are nudged."""
    if a is None or b is None or a.shape != b.shape:
        return np.inf
    with np.errstate(all="ignore"):
        return np.where(
            (a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a.astype(np.float64) - b.astype(np.float64))
        )


def difference(
    given: Program, ours: Outcome, theirs: Outcome, nudged: Callable[[], list[Outcome]], label: str
) -> str | None:
    """What differs, in a line; None where they agree."""
    body = "\n".join(given.body)
    walked = "backward(" in body or "grad(" in body
    jit, moved = label != "eager", label == "jit moved"
    # Compiled as_strided copies; results with hooks, and leaves made inside, have memory of their own.
    apart = ("hook", "retain_grad", "as_strided", "requires_grad_()", "grad(", "detach()", ".data")
    copied = "as_strided" in body or (jit and any(name in body for name in apart))
    if theirs.error is not None:
        if ours.error is None:
            text = str(theirs.error)
            if "second time" in text:
                # What a derivative keeps differs, and a pass outside does not see what one inside has freed.
                return None
            if "derivative for" in text or "Integer division with addcdiv" in text:
                return None
            if (
                re.search("Output . of|A view was created", text)
                or "does not support bool" in text
                or "Index put requires" in text
                or "is being used in an in-place" in text
            ):
                # torch refuses what it cannot follow: writes beside views of several results, and shapes that change.
                return None
            if "modified by an inplace" in text or (moved and "view size is not" in text):
                # What the derivative reads differs; the layout of results differs.
                return None
            return f"torch raises {type(theirs.error).__name__}: {str(theirs.error)[:90]}"
        if not isinstance(ours.error, builtin_of(theirs.error)):
            return (
                f"torch raises {type(theirs.error).__name__}: {str(theirs.error)[:80]}, "
                f"ingot {type(ours.error).__mro__[:3]}: {str(ours.error)[:200]}"
            )
        return None
    if ours.error is not None:
        return f"ingot raises {type(ours.error).__name__}: {str(ours.error)[:300]}"
    for a, b in zip(ours.facts, theirs.facts, strict=True):
        shifted = re.search(r"no_grad\(\):\n\s+\w+\.\w*(squeeze|transpose|t)_\(", body) or "detach_()" in body
        for what in ("dtype", "shape", "requires_grad", "is_leaf", "strides", "offset", "memory"):
            if what in ("strides", "offset") and any(name in body for name in ("as_strided", "median", "grad(")):
                # A copy where a gradient is recorded.
                continue
            if (jit and what in ("is_leaf", "strides", "offset")) or ((moved or copied) and what == "memory"):
                continue
            if what in ("strides", "offset") and 0 in a.shape:
                continue
            if what in ("requires_grad", "is_leaf") and "float" not in b.dtype:
                # torch may mark integers as differentiable.
                continue
            if what in ("requires_grad", "is_leaf") and shifted:
                # Views of what is taken off the tape stay on it in PyTorch.
                continue
            if jit and what == "requires_grad" and walked and b.requires_grad:
                # What a backward pass inside has freed is off the tape.
                continue
            if what == "strides" and all(
                s == t or n == 1 for s, t, n in zip(a.strides, b.strides, a.shape, strict=True)
            ):
                continue
            mine, his = getattr(a, what), getattr(b, what)
            if mine != his:
                return f"{a.name}.{what}: ingot {mine}, torch {his}"
    dtype = coarsest(theirs)
    others: list[Outcome] | None = None
    for position, (a, b) in enumerate(zip(ours.facts, theirs.facts, strict=True)):
        for what in ("values", "grad"):
            mine, his = getattr(a, what), getattr(b, what)
            # A gradient that is not a number in torch, as an untaken branch multiplies it by 0, may be one here.
            reach = "grad" if walked else what
            if reach == "grad" and (".data" in body or (jit and ("hook" in body or (walked and given.after)))):
                # Torch's derivatives read what was written through .data; hooks that a compiled function puts on its
                # arguments end with the call; a backward pass inside leaves nothing to walk outside.
                continue
            if _close(mine, his, dtype, np.zeros(()), reach):
                continue
            if others is None:
                others = nudged()
            if any(o.error is not None for o in others):
                return None
            slack = sum(_slack(getattr(o.facts[position], what), his) for o in others)
            if not _close(mine, his, dtype, slack, reach):
                return f"{a.name}.{what} ({dtype}): ingot {mine}, torch {his}".replace("\n", " ")
    return None


def failure(given: Program, modes: tuple[str, ...] = ("eager", "jit")) -> str | None:
    """The first way in which ingot differs from PyTorch; None for none."""
    theirs, _ = function_of(torch, given)

    def expect(**how: Any) -> tuple[Outcome, Callable[[], list[Outcome]]]:
        plain = execute(torch, given, theirs, **how)
        step = NUDGES[coarsest(plain)]
        return plain, lambda: [execute(torch, given, theirs, **how, nudge=n) for n in (step, -step)]

    ours, _ = function_of(ingot, given)
    compiled = ingot.jit(ours) if "jit" in modes else None
    runs: list[tuple[str, Any, dict[str, Any]]] = []
    if "eager" in modes:
        runs.append(("eager", ours, {}))
    if "jit" in modes:
        runs += [("jit", compiled, {}), ("jit again", compiled, {"shift": 1}), ("jit moved", compiled, {"moved": True})]
    body = "\n".join(given.body)
    for label, function, how in runs:
        if label == "jit moved" and re.search("reshape|flatten|ravel|contiguous", body):
            # Whether these copy depends on the layout of results.
            continue
        if label != "eager" and "as_strided" in body:
            # Compiled code offers it for rows of memory alone, as a copy.
            continue
        wanted, nudged = expect(**how)
        if wanted.error is not None and refused(wanted.error):
            continue
        found = execute(ingot, given, function, **how)
        if limited(found.error, body):
            return None
        told = difference(given, found, wanted, nudged, label)
        if told is not None:
            return f"{label}: {told}"
    return None


def limited(error: Exception | None, body: str) -> bool:
    """Whether the error names a limit that is meant."""
    code = getattr(error, "code", "")
    return (
        # Shapes that depend on data or change in place are not compiled; numbers that a dtype cannot hold are refused.
        code in ("IG189", "IG185", "IG211")
        # Leaves made inside of a compiled function, and torch's silence about places in axes of no elements.
        or code in ("IG187", "IG120")
        # `out=` that would have to grow; a leaf is refused before its index is looked at.
        or code in ("IG346", "IG301")
        # What a derivative keeps differs; indices are looked at where nothing is taken too.
        or code in ("IG306", "IG223", "IG121")
        # Written through `.data`: torch reads the changed numbers in the derivative.
        or (code == "IG302" and ".data" in body)
        # A gradient is recorded through as_strided for rows of memory alone.
        or (code in ("IG207", "IG212") and any(name in body for name in ("as_strided", "unfold", "expand")))
    )


def shrunk(given: Program, modes: tuple[str, ...]) -> tuple[Program, str]:
    """The program without what it fails without; and how it fails."""
    label = failure(given, modes)
    if label is None:
        return given, "differs at times"

    def kind(text: str) -> str:
        return re.sub(r"[at]\d+|[-\d.]+", "", text)[:34]

    def fails(candidate: Program) -> bool:
        try:
            told = failure(candidate, modes)
        except Exception:
            return False
        return told is not None and kind(told) == kind(label) and "NameError" not in told and "UnboundLocal" not in told

    changed = True
    while changed:
        changed = False
        if given.after and fails(given._replace(after=())):
            given, changed = given._replace(after=()), True
        for i in reversed(range(len(given.body))):
            candidate = given._replace(body=given.body[:i] + given.body[i + 1 :])
            if fails(candidate):
                given, changed = candidate, True
        for i, a in reversed(list(enumerate(given.arguments))):
            used = any(re.search(rf"\b{a.name}\b", s) for s in given.body) or any(
                b.within == a.name for b in given.arguments
            )
            options: list[tuple[Argument, ...]] = []
            if not used:
                options.append(())
            if a.grad:
                options.append((a._replace(grad=False),))
            if a.layout != "contiguous" and a.within is None:
                options.append((a._replace(layout="contiguous"),))
            if a.dtype not in ("float32", "bool"):
                options.append((a._replace(dtype="float32"),))
            for option in options:
                candidate = given._replace(arguments=given.arguments[:i] + option + given.arguments[i + 1 :])
                if candidate.arguments and fails(candidate):
                    given, changed = candidate, True
                    break
    return given, failure(given, modes) or label


def main(first: int, count: int, modes: tuple[str, ...]) -> None:
    """Run seeds and print what differs."""
    failed = statements = 0
    seen: dict[str, int] = {}
    for seed in range(first, first + count):
        given = program(seed)
        statements += len(given.body)
        told = failure(given, modes)
        if told is None:
            continue
        failed += 1
        small, told = shrunk(given, modes)
        mark = re.sub(r"[at]\d+|[-\d.]+|\[.*?\]", "", (small.body[-1] if small.body else "") + told)[:60]
        seen[mark] = seen.get(mark, 0) + 1
        if seen[mark] > 2:
            continue
        print(f"--- seed {seed}: {told[:400]}\n{small.text()}", flush=True)
    print(f"{count} seeds, {statements} statements, {failed} fail")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3].split(",")) if len(sys.argv) > 3 else ("eager", "jit"))
