"""`nn.utils`: gradients that are clipped, parameters as vectors, reparametrisations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from peer import Case, given, nograd, positive, real


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


# ---- reparametrisations


def normed(how: str, layer: Callable[[Any], Any], **options: Any) -> Callable[[Any], Any]:
    """A layer whose weight goes through utils.<how>, or through utils.parametrizations.<how> if it begins with "p."."""

    def build(T: Any) -> Any:
        place = T.nn.utils.parametrizations if how.startswith("p.") else T.nn.utils
        return getattr(place, how.removeprefix("p."))(layer(T), **options)

    return build


def linear(T: Any) -> Any:
    return T.nn.Linear(3, 4)


def evaluating(T: Any) -> Any:
    return linear(T).eval()


def names(module: Any, x: Any) -> Any:
    return module(x), [n for n, _ in module.named_parameters()], [n for n, _ in module.named_buffers()]


NORMED = [
    *(
        Case.module(f"{how} {name}", normed(how, layer, **options), [shape], layouts=False)
        for how in ("weight_norm", "p.weight_norm", "spectral_norm", "p.spectral_norm")
        for name, layer, shape, options in (
            ("Linear", linear, real(2, 3), {}),
            ("Conv2d", lambda T: T.nn.Conv2d(2, 3, 3), real(1, 2, 5, 5), {}),
            ("Conv2d dim", lambda T: T.nn.Conv2d(2, 3, 3), real(1, 2, 5, 5), {"dim": 1}),
            ("ConvTranspose1d", lambda T: T.nn.ConvTranspose1d(2, 3, 3), real(1, 2, 5), {}),
            ("Embedding", lambda T: T.nn.Sequential(T.nn.Linear(3, 4))[0], real(2, 3), {"name": "weight"}),
        )
    ),
    *(
        Case.module(f"{how} whole", normed(how, linear, dim=None), [real(2, 3)], layouts=False)
        for how in ("weight_norm", "p.weight_norm")
    ),
    *(
        Case.module(f"{how} eval", normed(how, evaluating), [real(2, 3)], call=names, layouts=False)
        for how in ("weight_norm", "p.weight_norm", "spectral_norm", "p.spectral_norm")
    ),
    *(
        Case.module(
            f"{how} twice",
            normed(how, linear, n_power_iterations=2),
            [real(2, 3)],
            call=lambda m, x: m(x) + m(x).sin(),
            layouts=False,
        )
        for how in ("spectral_norm", "p.spectral_norm")
    ),
    Case.module("p.spectral_norm bias", normed("p.spectral_norm", linear, name="bias"), [real(2, 3)], layouts=False),
    Case.module(
        "weight_norm LSTM",
        lambda T: T.nn.utils.weight_norm(T.nn.LSTM(3, 4), "weight_hh_l0"),
        [real(5, 2, 3)],
        layouts=False,
    ),
    Case.module(
        "weight_norm removed",
        lambda T: T.nn.utils.remove_weight_norm(T.nn.utils.weight_norm(linear(T))),
        [real(2, 3)],
        call=names,
        layouts=False,
    ),
    Case.module(
        "spectral_norm removed",
        lambda T: T.nn.utils.remove_spectral_norm(T.nn.utils.spectral_norm(linear(T))),
        [real(2, 3)],
        call=names,
        layouts=False,
    ),
    Case.module(
        "p.weight_norm removed",
        lambda T: T.nn.utils.parametrize.remove_parametrizations(normed("p.weight_norm", linear)(T), "weight"),
        [real(2, 3)],
        call=names,
        layouts=False,
    ),
    Case.misuse("weight_norm again", lambda T: T.nn.utils.weight_norm(T.nn.utils.weight_norm(linear(T)))),
    Case.misuse("weight_norm of nothing", lambda T: T.nn.utils.weight_norm(T.nn.ReLU())),
    Case.misuse("remove_weight_norm of nothing", lambda T: T.nn.utils.remove_weight_norm(linear(T))),
    Case.misuse("spectral_norm again", lambda T: T.nn.utils.spectral_norm(T.nn.utils.spectral_norm(linear(T)))),
    Case.misuse("spectral_norm iterations", lambda T: T.nn.utils.spectral_norm(linear(T), n_power_iterations=0)),
    Case.misuse("remove_spectral_norm of nothing", lambda T: T.nn.utils.remove_spectral_norm(linear(T))),
    Case.misuse("p.weight_norm of nothing", lambda T: T.nn.utils.parametrizations.weight_norm(T.nn.ReLU())),
    Case.misuse("p.spectral_norm of nothing", lambda T: T.nn.utils.parametrizations.spectral_norm(linear(T), "x")),
]


def orthogonal(shape: tuple[int, int], **options: Any) -> Any:
    return lambda T: T.nn.utils.parametrizations.orthogonal(T.nn.Linear(*shape), **options)


ORTHOGONAL = [
    Case.module(
        f"orthogonal {shape[0]} {shape[1]} {how} {trivial}",
        orthogonal(shape, orthogonal_map=how, use_trivialization=trivial),
        [real(2, shape[0])],
        layouts=False,
        jit=how != "cayley",
        # Computed from numbers that were rounded to float32.
        rtol=1e-5,
        init=False,
    )
    for shape in ((3, 3), (3, 5), (5, 3))
    for how in (None, "matrix_exp", "cayley", "householder")
    for trivial in (True, False)
] + [
    Case(
        "orthogonal assigned",
        lambda T, x: of_orthogonal(T, x),
        [real(4, 4)],
        grad=False,
        jit=False,
        layouts=False,
        dtypes=("float64",),
        rtol=1e-6,
    ),
    Case.misuse("orthogonal map", lambda T: orthogonal((3, 3), orthogonal_map="x")(T)),
    Case.misuse("orthogonal vector", lambda T: orthogonal((3, 3), name="bias")(T)),
    Case.misuse("orthogonal of nothing", lambda T: orthogonal((3, 3), name="x")(T)),
]


def of_orthogonal(T: Any, x: Any) -> Any:
    layer = orthogonal((4, 4))(T).to(x.dtype)
    q = T.linalg.qr(x)[0]
    layer.weight = q
    return layer.weight - q


def symmetric(T: Any) -> Any:
    class Symmetric(T.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).mT

    return Symmetric()


def exponential(T: Any) -> Any:
    class Exponential(T.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.exp()

        def right_inverse(self, x: Any) -> Any:
            return x.abs().log()

    return Exponential()


def first_row(T: Any) -> Any:
    class First(T.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x[:1]

    return First()


def parametrized(*kinds: Any, of: str = "weight") -> Callable[[Any], Any]:
    def build(T: Any) -> Any:
        layer = T.nn.Linear(3, 3)
        for kind in kinds:
            T.nn.utils.parametrize.register_parametrization(layer, of, kind(T))
        return layer

    return build


def of(T: Any, *kinds: Any) -> Any:
    return parametrized(*kinds)(T)


def inspected(T: Any) -> Any:
    layer = T.nn.Linear(3, 3)
    weight = layer.weight
    is_parametrized = T.nn.utils.parametrize.is_parametrized
    T.nn.utils.parametrize.register_parametrization(layer, "weight", symmetric(T))
    inside = [is_parametrized(layer), is_parametrized(layer, "bias"), layer.parametrizations.weight.original is weight]
    T.nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    return inside, is_parametrized(layer), layer.weight is weight, type(layer) is T.nn.Linear


def assigned(T: Any, x: Any) -> Any:
    layer = of(T, exponential).to(x.dtype)
    layer.weight = x
    return layer.weight, layer.parametrizations.weight.original


def while_cached(T: Any) -> Any:
    layer = of(T, symmetric)
    with T.nn.utils.parametrize.cached():
        inside = layer.weight is layer.weight
    return inside, layer.weight is layer.weight


PARAMETRIZED = [
    Case.module("register_parametrization", parametrized(symmetric), [real(2, 3)], call=names, layouts=False),
    Case.module("register_parametrization inverse", parametrized(exponential), [real(2, 3)], layouts=False),
    Case.module("register_parametrization two", parametrized(symmetric, exponential), [real(2, 3)], layouts=False),
    Case.module("register_parametrization bias", parametrized(exponential, of="bias"), [real(2, 3)], layouts=False),
    Case.module(
        "remove_parametrizations",
        lambda T: T.nn.utils.parametrize.remove_parametrizations(of(T, symmetric), "weight"),
        [real(2, 3)],
        call=names,
        layouts=False,
    ),
    Case("is_parametrized", inspected, dtypes=("float32",), jit=False),
    Case("parametrize assigned", assigned, [real(3, 3, low=0.5, high=2)], grad=False, jit=False),
    Case("parametrize.cached", while_cached, dtypes=("float32",), jit=False),
    Case.misuse(
        "register_parametrization of nothing",
        lambda T: T.nn.utils.parametrize.register_parametrization(linear(T), "x", symmetric(T)),
    ),
    Case.misuse("register_parametrization shape", lambda T: of(T, first_row)),
    Case.misuse("register_parametrization second shape", lambda T: of(T, symmetric, first_row)),
    Case.misuse("parametrize assigned without inverse", lambda T: setattr(of(T, symmetric), "weight", T.eye(3))),
    Case.misuse(
        "remove_parametrizations of nothing",
        lambda T: T.nn.utils.parametrize.remove_parametrizations(linear(T), "weight"),
    ),
    Case.misuse(
        "remove_parametrizations of several",
        lambda T: T.nn.utils.parametrize.remove_parametrizations(
            normed("p.weight_norm", linear)(T), "weight", leave_parametrized=False
        ),
    ),
]


# ---- functional_call, fusion


def tied(T: Any) -> Any:
    net = T.nn.Sequential(T.nn.Linear(3, 3), T.nn.Linear(3, 3))
    net[1].weight = net[0].weight
    return net


def call_with(T: Any, build: Any, given: Any, *args: Any, **options: Any) -> Any:
    T.manual_seed(0)
    return T.func.functional_call(build(T).to(args[0].dtype if args else T.float32), given, *args, **options)


FUNCTIONAL = [
    Case(
        "functional_call",
        lambda T, w, b, x: call_with(T, linear, {"weight": w, "bias": b}, x),
        [real(4, 3), real(4), real(2, 3)],
    ),
    Case(
        "functional_call dicts strict",
        lambda T, w, b, x: T.func.functional_call(linear(T), [{"weight": w}, {"bias": b}], (x,), strict=True),
        [real(4, 3), real(4), real(2, 3)],
        layouts=False,
    ),
    Case(
        "functional_call keyword",
        lambda T, w, b, x: T.func.functional_call(linear(T), {"weight": w, "bias": b}, kwargs={"input": x}),
        [real(4, 3), real(4), real(2, 3)],
        layouts=False,
    ),
    Case(
        "functional_call nested",
        lambda T, w, b, c, x: T.func.functional_call(
            tied(T), {"0.weight": w, "0.bias": b, "1.bias": c}, (x,), strict=True
        ),
        [real(3, 3), real(3), real(3), real(2, 3)],
        layouts=False,
    ),
    Case(
        "functional_call not tied",
        lambda T, w, v, b, c, x: T.func.functional_call(
            tied(T), {"0.weight": w, "0.bias": b, "1.bias": c, "1.weight": v}, (x,), tie_weights=False
        ),
        [real(3, 3), real(3, 3), real(3), real(3), real(2, 3)],
        layouts=False,
    ),
    Case(
        "functional_call buffers",
        lambda T, x, m, v: [
            T.func.functional_call(
                T.nn.BatchNorm1d(3, dtype=x.dtype), {"running_mean": (m := m.clone()), "running_var": v}, x
            ),
            m,
        ],
        [real(4, 3), nograd(real(3)), nograd(positive(3))],
        layouts=False,
    ),
    Case(
        "stateless.functional_call",
        lambda T, w, b, x: T.nn.utils.stateless.functional_call(linear(T), {"weight": w, "bias": b}, x),
        [real(4, 3), real(4), real(2, 3)],
        layouts=False,
    ),
    Case.misuse(
        "functional_call missing",
        lambda T, w: T.func.functional_call(linear(T), {"weight": w}, T.ones(1, 3), strict=True),
        [real(4, 3)],
    ),
    Case.misuse(
        "functional_call repeated",
        lambda T, w: T.func.functional_call(linear(T), [{"weight": w}, {"weight": w}], T.ones(1, 3)),
        [real(4, 3)],
    ),
    Case.misuse(
        "functional_call tied twice",
        lambda T, w: T.func.functional_call(tied(T), {"0.weight": w, "1.weight": w + 1}, T.ones(1, 3)),
        [real(3, 3)],
    ),
    Case.misuse("functional_call number", lambda T: T.func.functional_call(linear(T), {"weight": 1}, T.ones(1, 3))),
    Case.misuse("functional_call no dict", lambda T: T.func.functional_call(linear(T), 1, T.ones(1, 3))),
]


def fused(layer: Callable[[Any], Any], norm: Callable[[Any], Any], fuse: str, *more: Any) -> Callable[..., Any]:
    def run(T: Any, x: Any) -> Any:
        T.manual_seed(0)
        first, second = layer(T).to(x.dtype).eval(), norm(T).to(x.dtype).eval()
        second.running_mean.fill_(0.5)
        second.running_var.fill_(2.0)
        made = getattr(T.nn.utils, fuse)(first, second, *more)
        return made(x), second(first(x)), made.weight, made.bias, made.weight.requires_grad

    return run


FUSED = [
    Case(
        "fuse_conv_bn_eval",
        fused(lambda T: T.nn.Conv2d(2, 3, 3), lambda T: T.nn.BatchNorm2d(3), "fuse_conv_bn_eval"),
        [real(1, 2, 5, 5)],
        jit=False,
        layouts=False,
    ),
    Case(
        "fuse_conv_bn_eval no bias, transposed",
        fused(
            lambda T: T.nn.ConvTranspose2d(2, 3, 3, bias=False),
            lambda T: T.nn.BatchNorm2d(3, affine=False),
            "fuse_conv_bn_eval",
            True,
        ),
        [real(1, 2, 5, 5)],
        jit=False,
        layouts=False,
    ),
    Case(
        "fuse_linear_bn_eval",
        fused(lambda T: T.nn.Linear(3, 4), lambda T: T.nn.BatchNorm1d(4), "fuse_linear_bn_eval"),
        [real(2, 3)],
        jit=False,
        layouts=False,
    ),
    Case.misuse(
        "fuse_conv_bn_eval training",
        lambda T: T.nn.utils.fuse_conv_bn_eval(T.nn.Conv2d(2, 3, 3), T.nn.BatchNorm2d(3)),
    ),
]


def skipped(T: Any) -> Any:
    layer = T.nn.utils.skip_init(T.nn.Linear, 3, 4, bias=False)
    return tuple(layer.weight.shape), layer.bias, T.rand(3)


SKIPPED = [Case("skip_init", skipped, seeded=True, dtypes=("float32",), jit=False)]

CASES = SKIPPED + ORTHOGONAL + CLIPPING + VECTORS + NORMED + PARAMETRIZED + FUNCTIONAL + FUSED
