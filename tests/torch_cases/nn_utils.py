"""`nn.utils`: gradients that are clipped, parameters as vectors, reparametrisations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from peer import Case, given, real


def with_gradients(clip: Callable[[Any, list[Any]], Any]) -> Callable[..., Any]:
    """What `clip` gives for leaves that have a gradient, and the gradients after it."""

    def run(T: Any, *gradients: Any) -> Any:
        leaves = [T.zeros_like(g).requires_grad_() for g in gradients]
        T.autograd.backward([(leaf * g).sum() for leaf, g in zip(leaves, gradients, strict=True)])
        leaves.append(T.zeros(2).requires_grad_())
        result = clip(T, leaves)
        return result, [leaf.grad for leaf in leaves[:-1]]

    return run


def norm_case(name: str, *args: Any, **options: Any) -> Case:
    def clip(T: Any, leaves: list[Any]) -> Any:
        return T.nn.utils.clip_grad_norm_(leaves, *args, **options)

    return Case(f"clip_grad_norm_ {name}", with_gradients(clip), [real(3, 4), real(5), real()], grad=False)


CLIPPING = [
    norm_case("small", 1.0),
    norm_case("large", 1e4),
    norm_case("1", 0.5, norm_type=1),
    norm_case("inf", 0.5, norm_type=math.inf),
    norm_case("inf as text", 0.5, norm_type="inf"),
    norm_case("3", 0.5, 3.0, False, foreach=False),
    norm_case("0", 0.5, 0.0),
    norm_case("-inf", 0.01, -math.inf),
    Case(
        "clip_grad_norm_ half",
        with_gradients(lambda T, p: T.nn.utils.clip_grad_norm_(p, 0.5)),
        [real(3, 4), real(5)],
        dtypes=("float16", "bfloat16"),
        grad=False,
    ),
    Case(
        "clip_grad_norm_ one", with_gradients(lambda T, p: T.nn.utils.clip_grad_norm_(p[0], 1)), [real(3)], grad=False
    ),
    Case(
        "clip_grad_norm_ iterator",
        with_gradients(lambda T, p: T.nn.utils.clip_grad_norm_(iter(p), 1.0)),
        [real(3), real(2, 2)],
        grad=False,
    ),
    Case(
        "clip_grad_norm_ NaN",
        with_gradients(lambda T, p: T.nn.utils.clip_grad_norm_(p, 1.0)),
        [real(3), given(np.array([1.0, np.nan]))],
        grad=False,
        dtypes=("float64",),
    ),
    Case("clip_grad_norm_ nothing", lambda T: T.nn.utils.clip_grad_norm_([], 1.0), dtypes=("float32",), grad=False),
    Case(
        "clip_grad_norm_ finite",
        with_gradients(lambda T, p: T.nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)),
        [real(3)],
        grad=False,
        jit=False,
    ),
    Case.misuse(
        "clip_grad_norm_ not finite",
        with_gradients(lambda T, p: T.nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)),
        [given(np.array([1.0, np.inf]))],
    ),
    Case(
        "clip_grad_value_", with_gradients(lambda T, p: T.nn.utils.clip_grad_value_(p, 0.7)), [real(3, 4)], grad=False
    ),
    Case(
        "get_total_norm",
        lambda T, a, b: [T.nn.utils.get_total_norm([a, b]), T.nn.utils.get_total_norm(a, 1.0)],
        [real(3, 4), real(2)],
        dtypes="half",
        grad=False,
    ),
    Case("get_total_norm nothing", lambda T: T.nn.utils.get_total_norm([]), dtypes=("float32",), grad=False),
    Case(
        "get_total_norm promoted",
        lambda T, a, b: T.nn.utils.get_total_norm([a, b.double()]),
        [real(3, 4), real(2)],
        dtypes=("float32",),
        grad=False,
        # The parts are norms in float32, whose rounding depends on the order of the sum.
        rtol=1e-6,
    ),
    Case(
        "clip_grads_with_norm_",
        with_gradients(lambda T, p: T.nn.utils.clip_grads_with_norm_(p, 1.0, T.tensor(3.0))),
        [real(3, 4)],
        grad=False,
    ),
]


def from_vector(T: Any, vector: Any) -> Any:
    layer = T.nn.Linear(3, 2).to(vector.dtype)
    T.nn.utils.vector_to_parameters(vector, layer.parameters())
    return [*layer.parameters(), T.nn.utils.parameters_to_vector(layer.parameters())]


VECTORS = [
    Case(
        "parameters_to_vector",
        lambda T, a, b, c: T.nn.utils.parameters_to_vector([a, b, c]),
        [real(2, 3), real(2), real()],
        # torch views its parameters, so others than contiguous ones are an error there.
        layouts=False,
    ),
    Case("vector_to_parameters", from_vector, [real(8)], grad=False, jit=False),
    Case.misuse("vector_to_parameters of a list", lambda T: T.nn.utils.vector_to_parameters([1.0], [])),
]

CASES = CLIPPING + VECTORS
