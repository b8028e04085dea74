"""Gradients: the tape's rules, hooks, custom functions, modes, higher derivatives, and conventions at edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from peer import Case, Input, distinct, given, nograd, positive, real, unit
from tape_programs import SEEDS, program, run

FLOATS = ("float64",)


def leaf(x: Any) -> Any:
    """A leaf of its own with these numbers."""
    return x.detach().clone().requires_grad_()


def tape(name: str, run: Callable[..., Any], inputs: list[Input], **options: Any) -> Case:
    """A case that walks the tape itself; its inputs are constants."""
    return Case(name, run, [nograd(i) for i in inputs], dtypes=FLOATS, grad=False, **options)


# ---- backward and grad


def accumulated(T: Any, x: Any) -> Any:
    x = leaf(x)
    (x * x).sum().backward()
    first = x.grad.clone()
    (x * 3).sum().backward()
    x.exp().sum().backward()
    return first, x.grad


def several_roots(T: Any, x: Any, y: Any) -> Any:
    x, y = leaf(x), leaf(y)
    T.autograd.backward([(x * y).sum(), (x * 2), y.exp().sum()], [None, T.ones_like(x), None])
    return x.grad, y.grad


def chosen_inputs(T: Any, x: Any, y: Any) -> Any:
    x, y = leaf(x), leaf(y)
    middle = x * 2
    (middle * y).sum().backward(inputs=[y, middle])
    return x.grad is None, y.grad, middle.grad


def unused(T: Any, x: Any) -> Any:
    x, y = leaf(x), leaf(x)
    z = (x * x).sum()
    found = T.autograd.grad(z, [x, y], allow_unused=True, retain_graph=True)
    filled = T.autograd.grad(z, [x, y], materialize_grads=True)
    return found, filled


def batched(T: Any, x: Any) -> Any:
    x = leaf(x)
    rows = T.arange(6, dtype=x.dtype).reshape(2, 3)
    return T.autograd.grad(x * x, x, rows, is_grads_batched=True)


def retained(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x * 2
    y.retain_grad()
    z = y * y
    z.sum().backward(retain_graph=True)
    z.sum().backward()
    return y.grad, x.grad, y.retains_grad


def twice_retained(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def twice_without_saved(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = (x + x).sum()
    y.backward()
    y.backward()
    return x.grad


def third(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = (x.tanh() * x * x).sum()
    (a,) = T.autograd.grad(y, x, create_graph=True)
    (b,) = T.autograd.grad(a.sum(), x, create_graph=True)
    (c,) = T.autograd.grad((b * a).sum(), x, create_graph=True)
    return y, a, b, c


def created(T: Any, x: Any) -> Any:
    x = leaf(x)
    (x**3).sum().backward(create_graph=True)
    return x.grad, T.autograd.grad(x.grad.sum(), x)


def penalty(T: Any, x: Any, w: Any) -> Any:
    x, w = leaf(x), leaf(w)
    (slope,) = T.autograd.grad((x @ w).tanh().sum(), x, create_graph=True)
    ((slope.norm(dim=1) - 1) ** 2).mean().backward()
    return w.grad


def integer_cotangent(T: Any, x: Any) -> Any:
    x = leaf(x)
    (x * x).backward(T.ones(2, 3, dtype=T.int64))
    return x.grad


# ---- flags


def flags(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x * 2
    d = y.detach()
    with T.no_grad():
        n = x * 2
        with T.enable_grad():
            e = x * 3
    with T.inference_mode():
        i = x * 2
    with T.set_grad_enabled(False):
        s = x * 2
    i = i.requires_grad
    return [t.requires_grad for t in (x, y, d, n, e, s)] + [i] + [t.is_leaf for t in (x, y, d, n, e)]


def results_of_integers(T: Any, x: Any) -> Any:
    x = leaf(x)
    return [t.requires_grad for t in (x.argmax(), x > 0, x.long(), x.sort(1).indices, x.sort(1).values, x.round())]


def detached_in_place(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x * 2
    y.detach_()
    return y.requires_grad, y.is_leaf, y.grad_fn is None, y


def frozen(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x.clone()
    x.requires_grad_(False)
    return x.requires_grad, y.requires_grad, (x * 2).requires_grad


def decorated(T: Any, x: Any) -> Any:
    x = leaf(x)

    @T.no_grad()  # type: ignore[untyped-decorator]
    def plain(v: Any) -> Any:
        return v * 2

    @T.no_grad()  # type: ignore[untyped-decorator]
    def rows(v: Any) -> Any:
        for row in v.unbind(0):
            yield row * 2

    @T.inference_mode()  # type: ignore[untyped-decorator]
    def inferred(v: Any) -> Any:
        return v * 2

    @T.enable_grad()  # type: ignore[untyped-decorator]
    def recorded(v: Any) -> Any:
        return v * 2

    with T.no_grad():
        inside = recorded(x).requires_grad
    return plain(x).requires_grad, [r.requires_grad for r in rows(x)], inferred(x).requires_grad, inside


# ---- writes in place


def written(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x * 1
    y += x.exp()
    y[0] = x[1] * 3
    y[:, 1].mul_(2)
    y[1].view(-1)[2] = 7.0
    return y, T.autograd.grad(y.pow(2).sum(), x)


def base_and_view(T: Any, x: Any) -> Any:
    x = leaf(x)
    base = x.clone()
    view = base[0]
    base.mul_(2)
    view.add_(x[1])
    base.sin_()
    return view, T.autograd.grad((view * view).sum() + base.sum(), x)


def unary_in_place(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x.clone().sin_().abs_().add_(0.1).log_().pow_(2).clamp_(0.01, 5).neg_().cos_()
    return y, T.autograd.grad(y.sum(), x)


def new_leaf_values(T: Any, x: Any) -> Any:
    x = leaf(x)
    (x * x).sum().backward()
    with T.no_grad():
        x -= 0.1 * x.grad
        x.grad.zero_()
    (x * x).sum().backward()
    return x, x.grad


def filled_then_used(T: Any, x: Any) -> Any:
    x = leaf(x)
    buffer = T.zeros(4, 3, dtype=x.dtype)
    buffer[1:3] = x
    buffer[0].copy_(x[0] * 2)
    return buffer, T.autograd.grad((buffer * buffer).sum(), x)


# ---- hooks


def hooked(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x * 3
    y.register_hook(lambda g: g * 2)
    handle = y.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    first = x.grad.clone()
    handle.remove()
    y.sum().backward()
    return first, x.grad


def hooks_in_order(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    return y.grad, x.grad


def accumulated_hook(T: Any, x: Any) -> Any:
    x = leaf(x)

    def step(p: Any) -> None:
        with T.no_grad():
            p -= 0.1 * p.grad
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    return x, x.grad is None


def hook_under_grad(T: Any, x: Any) -> Any:
    x = leaf(x)
    x.register_hook(lambda g: g * 10)
    return T.autograd.grad((x * 2).sum(), x)


def node_hooks(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = x.exp()
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 2 + go[0],))
    y.grad_fn.register_prehook(lambda go: (go[0] * 3,))
    y.sum().backward()
    return x.grad


# ---- custom functions


def scaled_square(T: Any) -> Any:
    class ScaledSquare(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, scale: float, label: str = "") -> Any:
            ctx.save_for_backward(x)
            ctx.scale = scale
            return x * x * scale

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False, False)
            return g * 2 * x * ctx.scale, None, None

    return ScaledSquare


def split_form(T: Any) -> Any:
    class Split(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return x * y, x + y, (x > y)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs, output[0])
            ctx.mark_non_differentiable(output[2])
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx: Any, gp: Any, gs: Any, _: Any) -> Any:
            x, y, _product = ctx.saved_tensors
            dx = dy = None
            if gp is not None:
                dx, dy = gp * y, gp * x
            if gs is not None:
                dx = gs if dx is None else dx + gs
                dy = gs if dy is None else dy + gs
            return dx, dy

    return Split


def custom(T: Any, x: Any) -> Any:
    x = leaf(x)
    y = scaled_square(T).apply(x, 3.0, "name")
    (a,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (b,) = T.autograd.grad((a * a).sum(), x)
    return y, a, b


def custom_split(T: Any, x: Any, y: Any) -> Any:
    x, y = leaf(x), leaf(y)
    product, total, larger = split_form(T).apply(x, y)
    only = T.autograd.grad(total.sum(), (x, y), retain_graph=True)
    both = T.autograd.grad((product * total).sum(), (x, y))
    return product, total, larger, only, both


def custom_in_place(T: Any, x: Any) -> Any:
    class Double(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            v.mul_(2)
            ctx.mark_dirty(v)
            return v

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(x)
    y = x.exp()
    z = y * 1
    out = Double.apply(z)
    return out, out is z, T.autograd.grad((out * z).sum(), x)


def straight_through(T: Any, x: Any) -> Any:
    class Round(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            return v.round()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = leaf(x)
    return T.autograd.grad((Round.apply(x * 2) ** 2).sum(), x)


def unmaterialized(T: Any, x: Any) -> Any:
    class Pair(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            return v * 1, v * 2

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b * 10

    x = leaf(x)
    first, _ = Pair.apply(x)
    return T.autograd.grad(first.sum(), x)


def identity_function(T: Any, x: Any) -> Any:
    class Reverse(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            return v.view_as(v)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return -g

    class Same(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            return v

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 5

    x = leaf(x)
    y = Reverse.apply(Same.apply(x))
    return y, y.is_leaf, x.is_leaf, T.autograd.grad((y * y).sum(), x)


def none_gradient(T: Any, x: Any, y: Any) -> Any:
    class First(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    x, y = leaf(x), leaf(y)
    First.apply(x, y).sum().backward()
    return x.grad, y.grad is None


def once(T: Any, x: Any) -> Any:
    class Once(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            ctx.save_for_backward(v)
            return v * v

        @staticmethod
        @T.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, g: Any) -> Any:
            (v,) = ctx.saved_tensors
            return 2 * v * g

    x = leaf(x)
    (a,) = T.autograd.grad(Once.apply(x).sum(), x)
    return a


# ---- functions of functions


def functional(T: Any, x: Any, y: Any) -> Any:
    F = T.autograd.functional

    def pair(a: Any, b: Any) -> Any:
        return a * b, (a + b).sum()

    def scalar(a: Any, b: Any) -> Any:
        return (a * a * b).sum() + (b**3).sum()

    v = (T.ones_like(x), T.full_like(y, 2.0))
    return {
        "jacobian": F.jacobian(pair, (x, y)),
        "single": F.jacobian(lambda a: a.exp(), x),
        "hessian": F.hessian(scalar, (x, y)),
        "one": F.hessian(lambda a: (a**3).sum(), x),
        "vjp": F.vjp(pair, (x, y), (T.ones_like(x), x.new_ones(()))),
        "jvp": F.jvp(pair, (x, y), v),
        "vhp": F.vhp(scalar, (x, y), v),
        "hvp": F.hvp(scalar, (x, y), v),
    }


def kept_elsewhere(T: Any, x: Any) -> Any:
    x = leaf(x)
    with T.autograd.graph.saved_tensors_hooks(lambda t: t * 2, lambda t: t / 2):
        y = (x.exp() * x.sin()).sum() + x.tanh().sum()
    return y, T.autograd.grad(y, x)


def checkpointed(T: Any, x: Any, w: Any) -> Any:
    x, w = leaf(x), leaf(w)

    def block(v: Any, scale: float) -> Any:
        return (v @ w).tanh() * scale

    y = T.utils.checkpoint.checkpoint(block, x, 2.0, use_reentrant=False)
    y.sum().backward()
    return y, x.grad, w.grad


# ---- conventions at edges: what a derivative is where there is none

EDGES: list[tuple[str, Callable[..., Any], list[Input]]] = [
    ("abs", lambda T, x: x.abs(), [given([-1.0, 0.0, -0.0, 2.0])]),
    ("sqrt", lambda T, x: x.sqrt(), [given([0.0, 1.0, 4.0])]),
    ("rsqrt", lambda T, x: x.rsqrt(), [given([0.0, 1.0])]),
    ("log", lambda T, x: x.log(), [given([0.0, 1.0])]),
    ("reciprocal", lambda T, x: x.reciprocal(), [given([0.0, 1.0])]),
    ("norm zeros", lambda T, x: x.norm(), [given(np.zeros(3))]),
    ("norm 1 zeros", lambda T, x: x.norm(p=1), [given([0.0, 1.0, -2.0])]),
    ("norm inf ties", lambda T, x: x.norm(p=float("inf")), [given([2.0, 1.0, -2.0])]),
    ("norm 3 zeros", lambda T, x: x.norm(p=3, dim=1), [given([[0.0, 0.0], [1.0, 0.0]])]),
    ("std constant", lambda T, x: x.std(), [given(np.ones(3))]),
    ("var single", lambda T, x: x.var(unbiased=False), [given([3.0])]),
    ("pow zero base", lambda T, x: x**2.5, [given([0.0, 1.0, 2.0])]),
    ("pow one", lambda T, x: x**1, [given([0.0, -1.0])]),
    ("pow zero", lambda T, x: x**0, [given([0.0, -1.0])]),
    ("pow half", lambda T, x: x**0.5, [given([0.0, 4.0])]),
    ("pow minus one", lambda T, x: x**-1, [given([0.0, 4.0])]),
    ("pow tensors", lambda T, x, y: x**y, [given([0.0, 0.0, 2.0, 0.0]), given([0.0, 2.0, 3.0, 1.0])]),
    ("pow scalar base", lambda T, x: 0.0**x, [given([0.0, 1.0, 2.0])]),
    ("pow base 2", lambda T, x: 2.0**x, [given([0.0, -1.0, 2.0])]),
    ("xlogy", lambda T, x, y: T.xlogy(x, y), [given([0.0, 0.0, 1.0]), nograd(given([0.0, 2.0, 3.0]))]),
    ("maximum ties", lambda T, x, y: T.maximum(x, y), [given([1.0, 2.0, 3.0]), given([1.0, 3.0, 2.0])]),
    ("minimum ties", lambda T, x, y: T.minimum(x, y), [given([1.0, 2.0, 3.0]), given([1.0, 3.0, 2.0])]),
    ("fmax ties", lambda T, x, y: T.fmax(x, y), [given([1.0, 2.0, np.nan]), given([1.0, np.nan, 2.0])]),
    ("fmin ties", lambda T, x, y: T.fmin(x, y), [given([1.0, 2.0, np.nan]), given([1.0, np.nan, 2.0])]),
    ("max ties", lambda T, x: x.max(), [given([3.0, 1.0, 3.0, 3.0])]),
    ("min ties", lambda T, x: x.min(), [given([1.0, 1.0, 3.0])]),
    ("amax ties", lambda T, x: x.amax(1), [given([[3.0, 3.0, 1.0], [2.0, 2.0, 2.0]])]),
    ("amin ties", lambda T, x: x.amin((0, 1)), [given([[3.0, 1.0, 1.0], [2.0, 1.0, 2.0]])]),
    ("max dim ties", lambda T, x: x.max(1).values, [given([[3.0, 3.0, 1.0], [2.0, 5.0, 5.0]])]),
    ("median", lambda T, x: x.median(), [given([3.0, 1.0, 2.0])]),
    ("prod one zero", lambda T, x: x.prod(), [given([0.0, 2.0, 3.0])]),
    ("prod two zeros", lambda T, x: x.prod(), [given([0.0, 0.0, 3.0])]),
    ("prod dim zero", lambda T, x: x.prod(1), [given([[0.0, 2.0], [3.0, 4.0]])]),
    ("cumprod zero", lambda T, x: x.cumprod(0), [given([2.0, 0.0, 3.0, 4.0])]),
    ("clamp edges", lambda T, x: x.clamp(-1, 1), [given([-2.0, -1.0, 0.0, 1.0, 2.0])]),
    ("clamp min edge", lambda T, x: x.clamp(min=0), [given([-1.0, 0.0, 1.0])]),
    (
        "clamp tensors",
        lambda T, x, low, high: T.clamp(x, low, high),
        [given([-2.0, -1.0, 0.0, 1.0, 2.0]), given(-np.ones(5)), given(np.ones(5))],
    ),
    ("relu zero", lambda T, x: T.relu(x), [given([-1.0, 0.0, 1.0])]),
    ("relu6 edges", lambda T, x: T.nn.functional.relu6(x), [given([0.0, 3.0, 6.0])]),
    ("hardtanh edges", lambda T, x: T.nn.functional.hardtanh(x), [given([-1.0, 0.0, 1.0])]),
    ("leaky zero", lambda T, x: T.nn.functional.leaky_relu(x, 0.1), [given([-1.0, 0.0, 1.0])]),
    ("elu zero", lambda T, x: T.nn.functional.elu(x), [given([-1.0, 0.0, 1.0])]),
    # PyTorch has 1/6 in float32.
    ("hardsigmoid edges", lambda T, x: T.nn.functional.hardsigmoid(x), [given([-3.0, 3.0])]),
    ("hardswish edges", lambda T, x: T.nn.functional.hardswish(x), [given([-3.0, 0.0, 3.0])]),
    ("softplus large", lambda T, x: T.nn.functional.softplus(x), [given([-50.0, 0.0, 50.0])]),
    ("l1 loss zero", lambda T, x: T.nn.functional.l1_loss(x, T.zeros_like(x)), [given([-1.0, 0.0, 1.0])]),
    ("smooth l1 edge", lambda T, x: T.nn.functional.smooth_l1_loss(x, T.zeros_like(x)), [given([-1.0, 0.0, 1.0])]),
    ("sign", lambda T, x: x.sign() * x, [given([-1.0, 0.0, 1.0])]),
    ("floor ceil round", lambda T, x: x.floor() + x.ceil() + x.round() + x.trunc(), [given([-1.5, 0.5])]),
    ("atan2 origin", lambda T, x, y: T.atan2(x, y), [given([0.0, 1.0]), given([0.0, 2.0])]),
    ("hypot origin", lambda T, x, y: T.hypot(x, y), [given([0.0, 3.0]), given([0.0, 4.0])]),
    ("asin edge", lambda T, x: x.asin(), [given([1.0, 0.0])]),
    ("acosh edge", lambda T, x: x.acosh(), [given([1.0, 2.0])]),
    ("where untaken nan", lambda T, x: T.where(x > 0, x.sqrt(), x), [given([-1.0, 4.0])]),
    (
        "where guarded",
        lambda T, x: T.where(x > 0, T.where(x > 0, x, T.ones_like(x)).log(), x * 2),
        [given([-1.0, 4.0])],
    ),
    ("where zero times inf", lambda T, x: T.where(x == 0, T.zeros_like(x), x / x), [given([0.0, 4.0])]),
    ("masked fill nan", lambda T, x: (x / x).masked_fill(x == 0, 0.0), [given([0.0, 4.0])]),
    ("nan to num", lambda T, x: x.nan_to_num(0.0), [given([np.nan, np.inf, -np.inf, 1.0])]),
    ("logsumexp inf", lambda T, x: x.logsumexp(0), [given([-np.inf, 1.0])]),
    ("softmax inf", lambda T, x: x.softmax(0), [given([-np.inf, 1.0, 2.0])]),
    ("sinc zero", lambda T, x: T.sinc(x), [given([0.0, 0.5])]),
    ("logaddexp equal", lambda T, x, y: T.logaddexp(x, y), [given([1.0, -np.inf]), given([1.0, 1.0])]),
    ("remainder", lambda T, x, y: T.remainder(x, y), [given([5.0, -5.0]), given([3.0, 3.0])]),
    ("fmod", lambda T, x, y: T.fmod(x, y), [given([5.0, -5.0]), given([3.0, 3.0])]),
    ("div modes", lambda T, x, y: T.div(x, y, rounding_mode="floor") * x, [given([5.0, -5.0]), given([3.0, 3.0])]),
    ("sort ties", lambda T, x: x.sort(stable=True).values * T.arange(4, dtype=x.dtype), [given([2.0, 1.0, 2.0, 1.0])]),
    ("var mean zero size", lambda T, x: x.sum() * 2, [given(np.zeros((0, 3)))]),
    ("normalize zero", lambda T, x: T.nn.functional.normalize(x, dim=0), [given([0.0, 0.0])]),
    (
        "cosine zero",
        lambda T, x, y: T.nn.functional.cosine_similarity(x, y, dim=0),
        [given([0.0, 0.0]), given([1.0, 2.0])],
    ),
    (
        "pairwise zero",
        lambda T, x, y: T.nn.functional.pairwise_distance(x, y),
        [given([[1.0, 2.0]]), given([[1.0, 2.0]])],
    ),
    ("cdist zero", lambda T, x, y: T.cdist(x, y), [given([[1.0, 2.0], [0.0, 1.0]]), given([[1.0, 2.0]])]),
    ("lerp", lambda T, x, y: T.lerp(x, y, 0.5), [given([1.0, 2.0]), given([3.0, 1.0])]),
    ("erfinv", lambda T, x: T.erfinv(x), [given([0.0, 0.5])]),
    ("bce zero", lambda T, x: T.nn.functional.binary_cross_entropy(x, T.ones_like(x)), [given([0.0, 0.5, 1.0])]),
]

# ---- second derivatives


def second(f: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient and the gradient of its weighted sum, of all inputs."""

    def run(T: Any, *tensors: Any) -> Any:
        leaves = [leaf(t) for t in tensors]
        y = f(T, *leaves)
        first = T.autograd.grad((y * y).sum(), leaves, create_graph=True)
        total = sum((g * T.arange(1, g.numel() + 1, dtype=g.dtype).reshape(g.shape).sin()).sum() for g in first)
        return first, T.autograd.grad(total, leaves, allow_unused=True)

    return run


SECOND: list[tuple[str, Callable[..., Any], list[Input]]] = [
    ("matmul", lambda T, x, y: x @ y, [real(2, 3), real(3, 4)]),
    ("bmm", lambda T, x, y: T.bmm(x, y), [real(2, 2, 3), real(2, 3, 2)]),
    ("linear", lambda T, x, w, b: T.nn.functional.linear(x, w, b), [real(2, 3), real(4, 3), real(4)]),
    ("softmax", lambda T, x: x.softmax(1), [real(2, 4)]),
    ("log_softmax", lambda T, x: x.log_softmax(1), [real(2, 4)]),
    ("layer_norm", lambda T, x, w, b: T.nn.functional.layer_norm(x, (4,), w, b), [real(3, 4), real(4), real(4)]),
    ("logsumexp", lambda T, x: x.logsumexp(0), [real(4, 2)]),
    ("var", lambda T, x: x.var(1), [real(3, 4)]),
    ("std", lambda T, x: x.std(1), [real(3, 4)]),
    ("norm", lambda T, x: x.norm(dim=1), [real(3, 4)]),
    ("prod", lambda T, x: x.prod(1), [real(3, 3)]),
    ("cumprod", lambda T, x: x.cumprod(1), [positive(2, 4)]),
    ("cumsum", lambda T, x: x.cumsum(0), [real(3, 2)]),
    ("max", lambda T, x: x.max(1).values, [distinct(3, 4)]),
    ("sort", lambda T, x: x.sort(1).values, [distinct(3, 4)]),
    ("gelu", lambda T, x: T.nn.functional.gelu(x), [real(6)]),
    ("gelu tanh", lambda T, x: T.nn.functional.gelu(x, approximate="tanh"), [real(6)]),
    ("silu", lambda T, x: T.nn.functional.silu(x), [real(6)]),
    ("mish", lambda T, x: T.nn.functional.mish(x), [real(6)]),
    ("elu", lambda T, x: T.nn.functional.elu(x), [real(6)]),
    ("selu", lambda T, x: T.nn.functional.selu(x), [real(6)]),
    ("softplus", lambda T, x: T.nn.functional.softplus(x), [real(6)]),
    ("logsigmoid", lambda T, x: T.nn.functional.logsigmoid(x), [real(6)]),
    ("tanh sigmoid", lambda T, x: x.tanh() + x.sigmoid(), [real(6)]),
    ("trigonometric", lambda T, x: x.sin() * x.cos() + x.tan(), [unit(6)]),
    ("inverse trigonometric", lambda T, x: x.asin() + x.acos() * x.atan(), [unit(6)]),
    ("hyperbolic", lambda T, x: x.sinh() + x.cosh() * x.asinh() + x.atanh(), [unit(6)]),
    ("logs", lambda T, x: x.log() + x.log2() * x.log10() + x.log1p(), [positive(6)]),
    ("exps", lambda T, x: x.exp2() + x.expm1(), [real(6)]),
    ("roots", lambda T, x: x.sqrt() + x.rsqrt() + x.reciprocal(), [positive(6)]),
    ("erf", lambda T, x: x.erf() + x.erfc(), [real(6)]),
    ("pow", lambda T, x, y: x**y, [positive(5), real(5)]),
    ("div", lambda T, x, y: x / y, [real(5), positive(5)]),
    ("atan2", lambda T, x, y: T.atan2(x, y), [real(5), positive(5)]),
    ("gather", lambda T, x: x.gather(1, T.tensor([[0, 2], [1, 1]])), [real(2, 3)]),
    ("scatter_add", lambda T, x, y: x.scatter_add(1, T.tensor([[0, 2], [1, 1]]), y), [real(2, 3), real(2, 2)]),
    ("index", lambda T, x: x[T.tensor([0, 0, 1])], [real(2, 3)]),
    ("index_add", lambda T, x, y: x.index_add(0, T.tensor([1, 1]), y), [real(3, 2), real(2, 2)]),
    ("where", lambda T, x, y: T.where(x > y, x * y, x), [real(4), real(4)]),
    ("cat stack", lambda T, x, y: T.cat([x, y]) * T.stack([x, y]).reshape(-1), [real(3), real(3)]),
    ("views", lambda T, x: x.t()[1:].reshape(-1).flip(0)[::2], [real(3, 4)]),
    ("pad", lambda T, x: T.nn.functional.pad(x, (1, 2), value=3.0), [real(2, 3)]),
    ("einsum", lambda T, x, y: T.einsum("ij,jk->ik", x, y), [real(2, 3), real(3, 2)]),
    ("mse", lambda T, x, y: T.nn.functional.mse_loss(x, y), [real(4), real(4)]),
    ("huber", lambda T, x, y: T.nn.functional.huber_loss(x, y), [real(4), real(4)]),
    ("cross_entropy", lambda T, x: T.nn.functional.cross_entropy(x, T.tensor([0, 2])), [real(2, 3)]),
    (
        "bce with logits",
        lambda T, x: T.nn.functional.binary_cross_entropy_with_logits(x, T.full_like(x, 0.3)),
        [real(4)],
    ),
    ("kl_div", lambda T, x, y: T.nn.functional.kl_div(x, y, reduction="sum"), [real(4), positive(4)]),
    ("conv2d", lambda T, x, w: T.nn.functional.conv2d(x, w, padding=1), [real(1, 2, 4, 4), real(3, 2, 3, 3)]),
    ("conv1d", lambda T, x, w: T.nn.functional.conv1d(x, w, stride=2), [real(1, 2, 7), real(3, 2, 3)]),
    (
        "conv_transpose2d",
        lambda T, x, w: T.nn.functional.conv_transpose2d(x, w, stride=2),
        [real(1, 2, 3, 3), real(2, 2, 2, 2)],
    ),
    ("avg_pool2d", lambda T, x: T.nn.functional.avg_pool2d(x, 2), [real(1, 2, 4, 4)]),
    ("max_pool2d", lambda T, x: T.nn.functional.max_pool2d(x, 2), [distinct(1, 2, 4, 4)]),
    (
        "batch_norm",
        lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, training=True),
        [real(4, 3), real(3), real(3)],
    ),
    ("embedding", lambda T, w: T.nn.functional.embedding(T.tensor([0, 1, 1]), w), [real(3, 2)]),
    ("bilinear", lambda T, x, y, w: T.nn.functional.bilinear(x, y, w), [real(2, 3), real(2, 2), real(2, 3, 2)]),
    ("outer", lambda T, x, y: T.outer(x, y), [real(3), real(2)]),
    ("lerp", lambda T, x, y, w: T.lerp(x, y, w), [real(3), real(3), real(3)]),
    ("addcmul", lambda T, x, y, z: T.addcmul(x, y, z, value=2), [real(3), real(3), real(3)]),
    ("cosine_similarity", lambda T, x, y: T.nn.functional.cosine_similarity(x, y), [real(2, 3), real(2, 3)]),
    ("normalize", lambda T, x: T.nn.functional.normalize(x, dim=1), [real(2, 3)]),
    ("lgamma digamma", lambda T, x: x.lgamma() + x.digamma(), [positive(4)]),
    ("topk", lambda T, x: x.topk(2)[0], [distinct(5)]),
    ("tril", lambda T, x: x.tril() @ x.triu(), [real(3, 3)]),
    ("diagonal", lambda T, x: T.diagonal(x) * x.diag(), [real(3, 3)]),
    ("repeat roll", lambda T, x: x.repeat(2, 1) * x.roll(1, 0).repeat(2, 1), [real(2, 3)]),
]


def random_program(seed: int) -> Case:
    steps = program(seed)
    inputs = [real(3, 4), real(3, 4)]
    # Compiling takes longer than running.
    return tape(f"program {seed}", lambda T, a, b: run(T, steps, a, b), inputs, layouts=False, jit=seed < 40)


CASES = [
    tape("accumulation", accumulated, [real(2, 3)]),
    tape("several roots", several_roots, [real(2, 3), real(2, 3)]),
    tape("inputs", chosen_inputs, [real(2, 3), real(2, 3)]),
    tape("allow_unused and materialize_grads", unused, [real(2, 3)]),
    tape("is_grads_batched", batched, [real(3)], layouts=False),
    tape("retain_grad", retained, [real(2, 3)]),
    tape("retain_graph", twice_retained, [real(2, 3)]),
    tape("twice through what saves nothing", twice_without_saved, [real(2, 3)]),
    tape("third derivatives", third, [real(2, 3)]),
    tape("create_graph in backward", created, [real(2, 3)]),
    tape("gradient penalty", penalty, [real(2, 3), real(3, 4)]),
    tape("cotangent of another dtype", integer_cotangent, [real(2, 3)]),
    tape("flags", flags, [real(2, 3)]),
    tape("flags of integers", results_of_integers, [real(2, 3)]),
    tape("detach_", detached_in_place, [real(2, 3)]),
    tape("requires_grad_ False", frozen, [real(2, 3)]),
    tape("decorators", decorated, [real(2, 3)]),
    tape("in place", written, [real(2, 3)]),
    tape("bases and views", base_and_view, [real(2, 3)]),
    tape("in place functions", unary_in_place, [real(2, 3)]),
    tape("leaf written under no_grad", new_leaf_values, [real(2, 3)]),
    tape("buffer filled", filled_then_used, [real(2, 3)]),
    tape("hooks", hooked, [real(2, 3)]),
    tape("hooks in order", hooks_in_order, [real(2, 3)]),
    tape("post accumulate hook", accumulated_hook, [real(2, 3)]),
    tape("hook under grad", hook_under_grad, [real(2, 3)]),
    tape("hooks of nodes", node_hooks, [real(2, 3)]),
    tape("Function", custom, [real(2, 3)]),
    tape("Function setup_context", custom_split, [real(2, 3), real(2, 3)]),
    tape("Function mark_dirty", custom_in_place, [real(2, 3)]),
    tape("Function straight through", straight_through, [real(2, 3)]),
    tape("Function materialized", unmaterialized, [real(2, 3)]),
    tape("Function identity", identity_function, [real(2, 3)]),
    tape("Function None gradient", none_gradient, [real(2, 3), real(2, 3)]),
    tape("Function once_differentiable", once, [real(2, 3)]),
    tape("functional", functional, [real(3), real(3)], layouts=False),
    tape("saved_tensors_hooks", kept_elsewhere, [real(2, 3)]),
    tape("checkpoint", checkpointed, [real(2, 3), real(3, 4)]),
    *[Case(f"edge {name}", run, inputs, dtypes=FLOATS, layouts=False) for name, run, inputs in EDGES],
    *[random_program(seed) for seed in SEEDS],
    *[tape(f"second {name}", second(run), inputs, layouts=False, rtol=1e-6) for name, run, inputs in SECOND],
]
