"""Derivatives compared with finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ingot.autograd.functional import jvp
from ingot.autograd.walk import grad
from ingot.core import Array, TensorBase, array_of, tensor_from_array, type_of
from ingot.modes import modes
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tape import needs_grad


class GradcheckError(GradError):
    """A derivative that finite differences contradict."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the derivatives of all differentiable outputs by all inputs that require grad are those of central
    differences: |analytical - numerical| <= atol + rtol * |numerical|.

    Raises GradcheckError (IG388), or returns False without `raise_exception`; SpecError (IG217) where nothing requires
    grad. All elements are always checked; each output is differentiated by itself, the others undefined.
    """
    given = (inputs,) if isinstance(inputs, TensorBase) else tuple(inputs)
    wrt = [i for i, t in enumerate(given) if isinstance(t, TensorBase) and needs_grad(t)]
    if not wrt:
        raise SpecError(
            "IG217",
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True.",
            where=user_line(),
            fix="x.double().requires_grad_()",
        )
    for i in wrt:
        if given[i].dtype.itemsize < 8:
            warnings.warn(
                f"Input #{i} is {type_of(given[i])!r}: its finite differences are rarely exact enough to be compared",
                stacklevel=2,
            )
    try:
        check = _Check(func, given, wrt, eps, atol, rtol)
        if check_backward_ad:
            check.backward(nondet_tol, check_grad_dtypes, check_batched_grad)
        if check_forward_ad:
            check.forward()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Check:
    """One comparison."""

    def __init__(
        self, func: Callable[..., Any], inputs: tuple[Any, ...], wrt: list[int], eps: float, atol: float, rtol: float
    ) -> None:
        self.func, self.inputs, self.wrt = func, inputs, wrt
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.where = user_line()

    def outputs(self) -> list[Any]:
        before, modes.grad = modes.grad, True
        try:
            made = self.func(*self.inputs)
        finally:
            modes.grad = before
        parts: Sequence[Any] = made if isinstance(made, tuple | list) else (made,)
        return [t for t in parts if isinstance(t, TensorBase)]

    def arrays(self) -> list[Array]:
        """The floating outputs as numbers."""
        found = [t for t in self.outputs() if t.is_floating_point()]
        return [np.array(array_of(t), dtype=np.float64) for t in found]

    def numerical(self, position: int) -> list[Array]:
        """d output / d input by central differences, one matrix per floating output: (input elements, output
        elements)."""
        numbers = array_of(self.inputs[position])
        rows: list[list[Array]] = []
        for index in np.ndindex(*numbers.shape):
            kept = numbers[index].copy()
            numbers[index] = kept + self.eps
            high = self.arrays()
            numbers[index] = kept - self.eps
            low = self.arrays()
            numbers[index] = kept
            rows.append([(a - b).ravel() / (2 * self.eps) for a, b in zip(high, low, strict=True)])
        outputs = self.arrays()
        if not rows:
            return [np.zeros((0, o.size)) for o in outputs]
        return [np.stack([row[k] for row in rows]) for k in range(len(outputs))]

    def analytical(self, output: Any, dtypes: bool) -> list[Array]:
        """The same by backward, one matrix per checked input."""
        columns: list[list[Array]] = []
        tensors = [self.inputs[i] for i in self.wrt]
        shape = tuple(output.shape)
        for index in np.ndindex(*shape):
            seed = np.zeros(shape, output.dtype.numpy)
            seed[index] = 1
            found = grad(output, tensors, tensor_from_array(seed), retain_graph=True, allow_unused=True)
            for tensor, part in zip(tensors, found, strict=True):
                if part is not None and (
                    type_of(part).shape != type_of(tensor).shape or (dtypes and part.dtype is not tensor.dtype)
                ):
                    raise GradcheckError(
                        "IG388",
                        f"the gradient of {type_of(tensor)!r} is {type_of(part)!r}",
                        where=self.where,
                    )
            columns.append(
                [
                    np.zeros(t.numel()) if g is None else np.array(array_of(g.detach()), dtype=np.float64).ravel()
                    for t, g in zip(tensors, found, strict=True)
                ]
            )
        if not columns:
            return [np.zeros((t.numel(), 0)) for t in tensors]
        return [np.stack([column[k] for column in columns], axis=1) for k in range(len(tensors))]

    def backward(self, nondet_tol: float, dtypes: bool, batched: bool) -> None:
        outputs = [t for t in self.outputs() if t.is_floating_point()]
        numerical = [self.numerical(i) for i in self.wrt]
        for number, output in enumerate(outputs):
            if not needs_grad(output):
                for position, parts in zip(self.wrt, numerical, strict=True):
                    self.compare(number, position, parts[number], np.zeros_like(parts[number]), "analytical")
                continue
            found = self.analytical(output, dtypes)
            for position, parts, made in zip(self.wrt, numerical, found, strict=True):
                self.compare(number, position, parts[number], made, "analytical")
            again = self.analytical(output, dtypes)
            for position, first, second in zip(self.wrt, found, again, strict=True):
                if np.abs(first - second).max(initial=0.0) > nondet_tol:
                    self.differ(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                        f"times gives different values, for output {number} with respect to input {position}",
                        [("first", first), ("second", second)],
                    )
            if batched:
                self.batched(number, output, found)

    def batched(self, number: int, output: Any, found: list[Array]) -> None:
        """`is_grads_batched` gives the same."""
        count = output.numel()
        seeds = np.eye(count, dtype=output.dtype.numpy).reshape(count, *output.shape)
        tensors = [self.inputs[i] for i in self.wrt]
        made = grad(
            output, tensors, tensor_from_array(seeds), retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        for position, expected, part in zip(self.wrt, found, made, strict=True):
            if part is not None:
                self.compare(number, position, expected, array_of(part).reshape(count, -1).T, "batched")

    def forward(self) -> None:
        """Forward derivatives, by jvp."""
        checked = tuple(self.inputs[i] for i in self.wrt)

        def inner(*tensors: Any) -> Any:
            given = list(self.inputs)
            for i, tensor in zip(self.wrt, tensors, strict=True):
                given[i] = tensor
            made = self.func(*given)
            parts: Sequence[Any] = made if isinstance(made, tuple | list) else (made,)
            return tuple(t for t in parts if isinstance(t, TensorBase) and t._layout.dtype.is_floating_point)

        for place, position in enumerate(self.wrt):
            numerical = self.numerical(position)
            rows: list[list[Array]] = []
            for index in np.ndindex(*checked[place].shape):
                tangents = [np.zeros(tuple(t.shape), t.dtype.numpy) for t in checked]
                tangents[place][index] = 1
                _, found = jvp(inner, checked, tuple(tensor_from_array(t) for t in tangents))
                rows.append([np.array(array_of(part), dtype=np.float64).ravel() for part in found])
            for number, expected in enumerate(numerical):
                if rows:
                    made = np.stack([row[number] for row in rows])
                    self.compare(number, position, expected, made, "forward analytical")

    def compare(self, number: int, position: int, numerical: Array, analytical: Array, label: str) -> None:
        if np.allclose(analytical, numerical, self.rtol, self.atol, equal_nan=True):
            return
        self.differ(
            f"Jacobian mismatch for output {number} with respect to input {position},",
            [("numerical", numerical), (label, analytical)],
        )

    def differ(self, what: str, both: Sequence[tuple[str, Array]]) -> None:
        """Raises GradcheckError with both matrices, cut to what an error shows, and where they differ most."""
        (first, a), (second, b) = both
        gap = np.abs(np.nan_to_num(a - b, nan=np.inf))
        row, column = np.unravel_index(int(np.argmax(gap)), gap.shape) if gap.size else (0, 0)
        detail = []
        for label, matrix in both:
            text = np.array2string(
                matrix, precision=4, suppress_small=True, threshold=12, edgeitems=1, max_line_width=90
            )
            detail.append(f"{label}: {text}")
        detail.append(
            f"most at [input element {row}, output element {column}]: {first} {a[row, column]:.6g}, "
            f"{second} {b[row, column]:.6g}"
        )
        raise GradcheckError("IG388", what, where=self.where, detail=detail)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """As `gradcheck`, for the gradient as a function of the inputs and of its cotangents (`grad_outputs`, drawn where
    they are not given)."""
    given = (inputs,) if isinstance(inputs, TensorBase) else tuple(inputs)
    before, modes.grad = modes.grad, True
    try:
        made = func(*given)
    finally:
        modes.grad = before
    outputs = [t for t in (made if isinstance(made, tuple | list) else (made,)) if _flows(t)]
    if grad_outputs is None:
        random = np.random.default_rng(0)
        seeds = [_seed(random, t, gen_non_contig_grad_outputs) for t in outputs]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, TensorBase) else list(grad_outputs)
    count = len(given)

    def slopes(*tensors: Any) -> Any:
        inside, cotangents = tensors[:count], tensors[count:]
        results = func(*inside)
        ends = [t for t in (results if isinstance(results, tuple | list) else (results,)) if _flows(t)]
        wrt = [t for t in inside if isinstance(t, TensorBase) and needs_grad(t)]
        found = grad(ends, wrt, cotangents, create_graph=True, allow_unused=True)
        return tuple(part for part in found if part is not None)

    return gradcheck(
        slopes,
        (*given, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )


def _flows(value: Any) -> bool:
    return isinstance(value, TensorBase) and needs_grad(value)


def _seed(random: np.random.Generator, output: Any, apart: bool) -> Any:
    """A cotangent in [-1, 1); with gaps in memory if `apart`."""
    numbers = random.uniform(-1, 1, (*output.shape, 2) if apart else tuple(output.shape)).astype(output.dtype.numpy)
    made: Any = tensor_from_array(np.ascontiguousarray(numbers).reshape(numbers.shape))
    return (made[..., 0] if apart else made).detach().requires_grad_()
