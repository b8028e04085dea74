"""Cases that run under PyTorch and under ingot, and what is compared of them.

A case is a function of the module (`torch` or `ingot`) and of tensors. Its inputs are described, not given: each run
makes the same numbers for both sides, in the dtype and memory layout that is asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

DTYPES: dict[str, tuple[str, ...]] = {
    "float": ("float32", "float64"),
    "half": ("float32", "float64", "float16", "bfloat16"),
    "all": ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"),
}
# Relative to the largest number of a result, and to each number of it.
TOLERANCES = {"float64": 1e-9, "float32": 3e-5, "float16": 4e-3, "bfloat16": 3e-2}
LAYOUTS = ("contiguous", "transposed", "sliced", "expanded")


@dataclass(frozen=True)
class Input:
    """How to make the numbers of one tensor."""

    shape: tuple[int, ...]
    make: Callable[[np.random.Generator, tuple[int, ...]], Array]
    # Of the dtype that the case runs in; otherwise the dtype of the numbers stays.
    follows: bool = True
    grad: bool = True
    # Equal numbers in it are not meant, so it is not made by expanding.
    apart: bool = False


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> Input:
    """Numbers in [low, high)."""
    return Input(shape, lambda random, s: random.uniform(low, high, s))


def positive(*shape: int, low: float = 0.1, high: float = 3.0) -> Input:
    """Numbers above 0."""
    return real(*shape, low=low, high=high)


def unit(*shape: int) -> Input:
    """Numbers within (-1, 1)."""
    return real(*shape, low=-0.95, high=0.95)


def distinct(*shape: int) -> Input:
    """Numbers no two of which are close to each other, in any order."""

    def make(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        count = int(np.prod(shape))
        return (random.permutation(count) - count / 2 + 0.25).reshape(shape) / 4

    return Input(shape, make, apart=True)


def integer(*shape: int, low: int = -5, high: int = 6) -> Input:
    """int64 numbers in [low, high), whatever the dtype of the case."""
    return Input(shape, lambda random, s: random.integers(low, high, s), follows=False, grad=False, apart=True)


def boolean(*shape: int) -> Input:
    """Truth values, whatever the dtype of the case."""
    return Input(shape, lambda random, s: random.integers(0, 2, s).astype(bool), follows=False, grad=False, apart=True)


def given(array: Any) -> Input:
    """These numbers, in their dtype."""
    numbers = np.asarray(array)
    grad = numbers.dtype.kind == "f"
    return Input(numbers.shape, lambda random, s: numbers.copy(), follows=False, grad=grad, apart=True)


def nograd(spec: Input) -> Input:
    """The same, not differentiated."""
    return replace(spec, grad=False)


@dataclass(frozen=True)
class Case:
    """One comparison; see `tests/torch_cases`."""

    name: str
    run: Callable[..., Any]
    inputs: Sequence[Input] = ()
    dtypes: str | tuple[str, ...] = "float"
    grad: bool = True
    layouts: bool = True
    jit: bool = True
    # The random numbers are PyTorch's for the same seed.
    seeded: bool = False
    rtol: float | None = None
    atol: float | None = None
    # What makes the module, for cases of modules.
    build: Callable[[Any], Any] | None = None
    # Whether a new module's parameters are PyTorch's for the same seed.
    init: bool = True
    raises: bool = field(default=False)

    @staticmethod
    def module(name: str, build: Callable[[Any], Any], inputs: Sequence[Input], **options: Any) -> Case:
        """A module: its parameters are made equal, its outputs, gradients and buffers are compared."""
        call = options.pop("call", lambda module, *tensors: module(*tensors))
        return Case(name, lambda T, module, *tensors: call(module, *tensors), inputs, build=build, **options)

    @staticmethod
    def misuse(name: str, run: Callable[..., Any], inputs: Sequence[Input] = (), **options: Any) -> Case:
        """A mistake: both sides raise, and our exception is one of PyTorch's type."""
        return Case(
            name, run, inputs, raises=True, dtypes=("float32",), grad=False, layouts=False, jit=False, **options
        )


class Run(NamedTuple):
    """One way to run a case."""

    case: Case
    dtype: str
    layout: str
    mode: str  # "eager" or "jit"


def runs(case: Case) -> Iterator[Run]:
    """Every dtype; for the first of them every layout, and compiled from contiguous and transposed memory."""
    names = DTYPES[case.dtypes] if isinstance(case.dtypes, str) else case.dtypes
    varied = [s for s in case.inputs if len(s.shape) > 0]
    for name in names:
        yield Run(case, name, "contiguous", "eager")
    if case.layouts and varied:
        for layout in LAYOUTS[1:]:
            if layout != "transposed" or any(len(s.shape) > 1 for s in varied):
                yield Run(case, names[0], layout, "eager")
    if case.jit:
        for name in names:
            yield Run(case, name, "contiguous", "jit")
        if case.layouts and any(len(s.shape) > 1 for s in varied):
            yield Run(case, names[0], "transposed", "jit")


def _tensor(T: Any, spec: Input, numbers: Array, dtype: str) -> Any:
    if not spec.follows:
        return T.tensor(numbers)
    if dtype == "bool":
        return T.tensor(numbers > 0)
    if "int" in dtype:
        whole = np.trunc(3 * numbers)
        return T.tensor((np.abs(whole) if dtype[0] == "u" else whole).astype(dtype))
    return T.tensor(numbers.astype(np.float64 if dtype == "float64" else np.float32)).to(getattr(T, dtype))


def _placed(T: Any, tensor: Any, spec: Input, layout: str) -> Any:
    """The same numbers in another layout of memory (the first row repeated, when expanded)."""
    shape = spec.shape
    if layout == "transposed" and len(shape) > 1:
        order = list(range(len(shape)))[::-1]
        return tensor.permute(order).contiguous().permute(order)
    if layout == "sliced" and len(shape) > 0:
        room = T.zeros((*shape[:-1], 2 * shape[-1] + 1), dtype=tensor.dtype)
        place = room[..., 1::2]
        place.copy_(tensor)
        return place
    if layout == "expanded" and len(shape) > 0 and shape[0] > 1 and not spec.apart:
        return tensor[:1].expand(shape)
    return tensor


def _inputs(T: Any, run: Run) -> list[Any]:
    tensors = []
    names = DTYPES[run.case.dtypes] if isinstance(run.case.dtypes, str) else run.case.dtypes
    for position, spec in enumerate(run.case.inputs):
        random = np.random.default_rng(zlib.crc32(f"{run.case.name}/{position}".encode()))
        numbers = spec.make(random, spec.shape)
        tensor = _placed(T, _tensor(T, spec, numbers, run.dtype), spec, run.layout).detach()
        if run.case.grad and spec.grad and tensor.is_floating_point():
            tensor.requires_grad_()
        tensors.append(tensor)
    assert run.dtype in names
    return tensors


def _leaves(tree: Any, path: str = "result") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}[{key!r}]")
    elif isinstance(tree, (tuple, list)) and not hasattr(tree, "numel"):
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        yield path, tree


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "requires_grad") and hasattr(value, "stride")


def _weighted_sum(T: Any, results: Any) -> Any:
    """A number whose gradient tells all results apart; None when none of them can be differentiated."""
    total = None
    for position, (_, tensor) in enumerate(_leaves(results)):
        if _is_tensor(tensor) and tensor.is_floating_point() and tensor.requires_grad:
            weights = np.random.default_rng(position).uniform(0.5, 1.5, tuple(tensor.shape))
            part = (tensor * T.tensor(weights.astype(np.float32)).to(tensor.dtype)).sum()
            total = part if total is None else total + part.to(total.dtype)
    return total


class Outcome(NamedTuple):
    """What one side gave."""

    results: Any
    gradients: list[Any]
    state: dict[str, Any]


def _gradients(T: Any, results: Any, leaves: list[Any]) -> list[Any]:
    total = _weighted_sum(T, results)
    if total is None or not leaves:
        return [None for _ in leaves]
    return list(T.autograd.grad(total, leaves, allow_unused=True))


def function_outcome(T: Any, run: Run) -> Outcome:
    """The results and gradients of a function."""
    case = run.case
    tensors = _inputs(T, run)

    def call(*inputs: Any) -> Any:
        leaves = [t for t in inputs if t.requires_grad]
        results = case.run(T, *inputs)
        return results, _gradients(T, results, leaves) if case.grad else []

    def compiled(*inputs: Any) -> Any:
        return call(
            *(x.detach().requires_grad_() if t.requires_grad else x for x, t in zip(inputs, tensors, strict=True))
        )

    if case.seeded:
        T.manual_seed(0)
    if run.mode == "jit":
        plain = [t.detach() for t in tensors]
        results, gradients = T.jit(compiled)(*plain)
    else:
        results, gradients = call(*tensors)
    return Outcome(results, gradients, {})


def module_outcome(T: Any, run: Run, state: Mapping[str, Array] | None) -> tuple[Outcome, dict[str, Array]]:
    """The results and gradients of a module, and its parameters and buffers when new."""
    case = run.case
    assert case.build is not None
    T.manual_seed(0)
    module = case.build(T)
    new = {name: tensor.detach().clone().numpy() for name, tensor in module.state_dict().items()}
    if state is not None:
        module.load_state_dict({name: T.tensor(array) for name, array in state.items()})
    module.to(getattr(T, run.dtype))
    tensors = _inputs(T, run)
    if case.seeded:
        T.manual_seed(0)

    def call(*inputs: Any) -> Any:
        results = case.run(T, module, *inputs)
        total = _weighted_sum(T, results) if case.grad else None
        if total is not None:
            total.backward()
        return results

    if run.mode == "jit":
        results = T.jit(call)(*[t.detach() for t in tensors])
        gradients: list[Any] = []
    else:
        results = call(*tensors)
        gradients = [t.grad for t in tensors if t.requires_grad]
    after = {f"{name} after": tensor.detach() for name, tensor in module.state_dict().items()}
    after |= {f"{name}.grad": p.grad for name, p in module.named_parameters() if case.grad}
    return Outcome(results, gradients, after), new


def _array(tensor: Any) -> Array:
    plain = tensor.detach()
    if str(plain.dtype).endswith("bfloat16"):
        plain = plain.float()
    return np.asarray(plain.contiguous().numpy())


def _close(name: str, ours: Any, theirs: Any, case: Case) -> None:
    """Raises AssertionError unless dtype, shape and numbers agree."""
    dtype = str(theirs.dtype).split(".")[-1]
    assert str(ours.dtype).split(".")[-1] == dtype, f"{name}: dtype {ours.dtype}, torch has {theirs.dtype}"
    assert tuple(ours.shape) == tuple(theirs.shape), f"{name}: shape {tuple(ours.shape)}, torch {tuple(theirs.shape)}"
    a, b = _array(ours), _array(theirs)
    if dtype not in TOLERANCES:
        assert np.array_equal(a, b), f"{name}:\n{a}\ntorch has\n{b}"
        return
    rtol = TOLERANCES[dtype] if case.rtol is None else max(case.rtol, TOLERANCES[dtype])
    finite = np.abs(b[np.isfinite(b)].astype(np.float64))
    scale = float(finite.max()) if finite.size else 0.0
    atol = max(rtol * min(scale, 1e30), rtol * 1e-3) if case.atol is None else case.atol
    with np.errstate(invalid="ignore", over="ignore"):
        good = np.isclose(a.astype(np.float64), b.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True)
    assert good.all(), f"{name}:\n{a}\ntorch has\n{b}"


def _same(name: str, ours: Any, theirs: Any, case: Case) -> None:
    if _is_tensor(theirs):
        assert _is_tensor(ours), f"{name}: {type(ours).__name__}, torch has a tensor"
        _close(name, ours, theirs, case)
    elif isinstance(theirs, float):
        assert isinstance(ours, float), f"{name}: {ours!r}, torch has {theirs!r}"
        assert np.isclose(ours, theirs, rtol=case.rtol or 1e-5, atol=case.atol or 1e-6, equal_nan=True), (
            f"{name}: {ours} {theirs}"
        )
    elif type(theirs).__module__.startswith("torch"):
        # Devices, dtypes and the like: what they print is what they are.
        assert str(ours).split(".")[-1] == str(theirs).split(".")[-1], f"{name}: {ours}, torch has {theirs}"
    else:
        assert type(ours) is type(theirs) and ours == theirs, f"{name}: {ours!r}, torch has {theirs!r}"


def compare(ours: Outcome, theirs: Outcome, run: Run) -> None:
    """Raises AssertionError where the two sides differ."""
    case = run.case
    mine, other = list(_leaves(ours.results)), list(_leaves(theirs.results))
    assert [path for path, _ in mine] == [path for path, _ in other], "the results have another structure"
    for (path, a), (_, b) in zip(mine, other, strict=True):
        _same(path, a, b, case)
        if run.mode == "eager" and _is_tensor(b):
            assert a.requires_grad == b.requires_grad, f"{path}: requires_grad {a.requires_grad}, not {b.requires_grad}"
    looser = replace(case, rtol=4 * (case.rtol or TOLERANCES.get(run.dtype, 1e-5)))
    if run.mode == "eager" or not case.build:
        assert len(ours.gradients) == len(theirs.gradients)
        for position, (a, b) in enumerate(zip(ours.gradients, theirs.gradients, strict=True)):
            _same_gradient(f"gradient {position}", a, b, looser)
    assert ours.state.keys() == theirs.state.keys()
    for name, b in theirs.state.items():
        _same_gradient(name, ours.state[name], b, looser)


def _same_gradient(name: str, ours: Any, theirs: Any, case: Case) -> None:
    """A gradient that is missing on one side must be zero on the other."""
    if theirs is None or ours is None:
        present = ours if theirs is None else theirs
        assert present is None or not _array(present).any(), f"{name}: ours {ours}, torch has {theirs}"
        return
    _close(name, ours, theirs, case)
