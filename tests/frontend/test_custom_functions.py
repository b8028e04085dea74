"""autograd.Function, checkpoints, gradcheck, anomaly mode, gradient modes, and functions of functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ingot
from ingot import nn
from ingot.autograd import Function, functional, gradcheck, gradgradcheck
from ingot.autograd.function import once_differentiable
from ingot.runtime.errors import GradError
from ingot.utils.checkpoint import checkpoint, checkpoint_sequential


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Any, scale: float) -> Any:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.scale, None


class Product(Function):
    @staticmethod
    def forward(x: Any, y: Any) -> Any:
        return x * y

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        assert ctx.needs_input_grad == (True, True)
        return g * y, g * x


class FirstOnly(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * ctx.saved_tensors[0] * g


def double(*numbers: float) -> Any:
    return ingot.tensor(numbers, dtype=ingot.float64, requires_grad=True)


def test_functions_to_the_third_order() -> None:
    x = double(0.3, -1.2)
    assert gradcheck(lambda v: Cube.apply(v, 2.0), (x,)) and gradgradcheck(lambda v: Cube.apply(v, 2.0), (x,))
    assert gradcheck(Product.apply, (x, double(2.0, 3.0))) and gradgradcheck(Product.apply, (x, double(2.0, 3.0)))

    def slopes(v: Any) -> Any:
        (a,) = ingot.autograd.grad(Cube.apply(v, 2.0).sum(), v, create_graph=True)
        (b,) = ingot.autograd.grad(a.sum(), v, create_graph=True)
        (c,) = ingot.autograd.grad(b.sum(), v)
        return a, b, c

    for call in (slopes, ingot.jit(slopes)):
        a, b, c = call(x)
        assert a.tolist() == pytest.approx((6 * x * x).tolist()) and b.tolist() == pytest.approx((12 * x).tolist())
        assert c.tolist() == [12, 12]


def test_functions_behind_the_border_of_a_compiled_one() -> None:
    f = ingot.jit(lambda v: Cube.apply(v * 2, 1.0))
    assert gradcheck(f, (double(0.3, -1.2),)) and gradgradcheck(f, (double(0.3, -1.2),))


def test_functions_guard_what_they_saved() -> None:
    calls: list[Callable[..., Any]] = [lambda f, x: f(x), lambda f, x: ingot.jit(f)(x)]
    for call in calls:

        def twice(x: Any) -> Any:
            y = Cube.apply(x * 1, 1.0).sum()
            y.backward()
            y.backward()
            return y

        with pytest.raises(GradError, match="IG306"):
            call(twice, double(1.0))

        def stale(x: Any) -> Any:
            middle = x * 1
            y = Cube.apply(middle, 1.0).sum()
            middle.add_(1)
            y.backward()
            return y

        with pytest.raises(GradError, match="IG302"):
            call(stale, double(1.0))


def test_functions_save_buffers_that_were_written_to_between_calls() -> None:
    scale = ingot.tensor(2.0)

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, scale: Any) -> Any:
            ctx.save_for_backward(scale)
            return x * scale

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0], None

    @ingot.jit
    def slope(x: Any) -> Any:
        return ingot.autograd.grad(Scaled.apply(x, scale).sum(), x)[0]

    for factor in (3.0, 5.0):
        scale.fill_(factor)
        assert slope(ingot.ones(2, requires_grad=True)).tolist() == [factor, factor]


def test_once_differentiable() -> None:
    x = double(1.0, 2.0)
    FirstOnly.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 4]
    (slope,) = ingot.autograd.grad(FirstOnly.apply(x).sum(), x, create_graph=True)
    with pytest.raises(GradError, match="IG386"):
        ingot.autograd.grad((slope * x).sum(), x)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_compute_again(reentrant: bool) -> None:
    runs = 0
    layer = nn.Linear(3, 3)

    def block(x: Any, scale: float) -> Any:
        nonlocal runs
        runs += 1
        return nn.functional.dropout(layer(x).tanh() * scale, 0.5)

    found = []
    calls: list[Callable[..., Any]] = [
        lambda x: block(x, 2.0),
        lambda x: checkpoint(block, x, 2.0, use_reentrant=reentrant),
    ]
    for call in calls:
        ingot.manual_seed(0)
        layer.zero_grad()
        x = ingot.ones(2, 3, requires_grad=True)
        y = call(x)
        after = ingot.rand(1).item()
        (y * y).sum().backward()
        found.append((y.tolist(), x.grad.tolist(), layer.weight.grad.tolist(), after))
    assert found[0] == found[1] and runs == 3


def test_checkpoints_of_sequences_and_in_compiled_code() -> None:
    ingot.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    x = ingot.ones(2, 3)
    found = []
    calls: list[Callable[..., Any]] = [net, lambda v: checkpoint_sequential(net, 2, v, use_reentrant=False)]
    for call in calls:
        for compiled in (False, True):
            net.zero_grad()
            loss = (ingot.jit(call) if compiled else call)(x).sum()
            loss.backward()
            found.append([p.grad.norm().item() for p in net.parameters()])
    assert all(row == pytest.approx(found[0], rel=1e-5) for row in found)


def test_checkpoints_that_do_something_else() -> None:
    runs = [0]

    def moody(x: Any) -> Any:
        runs[0] += 1
        return x.exp() * x if runs[0] == 1 else x * 1

    x = double(1.0)
    y = checkpoint(moody, x, use_reentrant=False)
    with pytest.raises(GradError, match="IG387"):
        y.sum().backward()


def test_gradcheck_shows_both_matrices() -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    with pytest.raises(GradError, match=r"(?s)IG388.*output 0.*input 1.*numerical.*analytical.*2, .*3"):
        gradcheck(lambda n, x: Wrong.apply(x), (ingot.tensor([1]), double(1.0, 2.0)))
    assert not gradcheck(Wrong.apply, (double(1.0),), raise_exception=False)
    assert gradcheck(lambda x: (x.exp(), x * 2), (double(1.0, 2.0),), check_forward_ad=True, check_batched_grad=True)


def test_third_derivatives_against_finite_differences() -> None:
    def curvature(x: Any, w: Any) -> Any:
        y = (x @ w).tanh().softmax(1)[:, 0].sum() + (x * w.T).exp().mean()
        first = ingot.autograd.grad(y, (x, w), create_graph=True)
        return ingot.autograd.grad(sum((g * g).sum() for g in first), (x, w), create_graph=True)

    x = ingot.tensor([[0.3, -0.2], [0.1, 0.7]], dtype=ingot.float64, requires_grad=True)
    w = ingot.tensor([[0.5, 0.4], [-0.6, 0.9]], dtype=ingot.float64, requires_grad=True)
    assert gradcheck(curvature, (x, w))
    assert gradcheck(ingot.jit(curvature), (x, w))


@pytest.mark.parametrize("compiled", [False, True])
def test_functions_of_functions(compiled: bool) -> None:
    def all_of(x: Any) -> Any:
        def cubes(v: Any) -> Any:
            return (v**3).sum()

        return (
            functional.jacobian(lambda v: v * v, x),
            functional.hessian(cubes, x),
            functional.vjp(lambda v: v * v, x, x)[1],
            functional.jvp(lambda v: v * v, x, x)[1],
            functional.vhp(cubes, x, x)[1],
            functional.hvp(cubes, x, x)[1],
        )

    x = ingot.tensor([1.0, 2.0])
    found = [t.tolist() for t in (ingot.jit(all_of) if compiled else all_of)(x)]
    assert found == [[[2, 0], [0, 4]], [[6, 0], [0, 12]], [2, 8], [2, 8], [6, 24], [6, 24]]


def test_anomaly_mode_names_the_line() -> None:
    x = ingot.zeros(2, requires_grad=True)
    compiled = ingot.jit(lambda v: (v.sqrt() * 0).sum())
    compiled(x)
    with ingot.autograd.detect_anomaly():
        calls: list[Callable[..., Any]] = [lambda v: (v.sqrt() * 0).sum(), compiled]
        for call in calls:
            with pytest.raises(
                GradError, match=r"(?s)IG383.*SqrtBackward0.*test_custom_functions.py:\d+.*v.sqrt\(\) \* 0"
            ):
                call(x).backward()
        y = x * 1
        z = (y * y).sum()
        y.add_(1)
        with pytest.raises(GradError, match=r"(?s)IG302.*the operation: .*z = \(y \* y\)"):
            z.backward()
    assert not ingot.autograd.is_anomaly_enabled()

    def inside(v: Any) -> Any:
        with ingot.autograd.detect_anomaly():
            return v * 2

    with pytest.raises(RuntimeError, match=r"IG393.*inside"):
        ingot.jit(inside)(x)
    assert not ingot.autograd.is_anomaly_enabled()
    compiled(x).backward()
    assert x.grad.isnan().all()


def test_gradient_modes_decorate() -> None:
    plain: Any = ingot.no_grad(lambda: ingot.is_grad_enabled())

    @ingot.no_grad()
    def rows(n: int) -> Iterator[Any]:
        got = yield ingot.is_grad_enabled()
        yield got, ingot.is_grad_enabled()

    class Quiet:
        @ingot.inference_mode()
        def state(self) -> tuple[bool, bool]:
            return ingot.is_grad_enabled(), ingot.is_inference_mode_enabled()

        @ingot.set_grad_enabled(False)
        def off(self) -> bool:
            return ingot.is_grad_enabled()

    steps: Any = rows(1)
    assert (plain(), next(steps), ingot.is_grad_enabled(), steps.send(5)) == (False, False, True, (5, False))
    assert Quiet().state() == (False, True) and not Quiet().off() and ingot.is_grad_enabled()
    with ingot.no_grad(), ingot.enable_grad():
        assert ingot.is_grad_enabled()
    with ingot.inference_mode(), ingot.inference_mode(False):
        assert ingot.is_grad_enabled() and not ingot.is_inference_mode_enabled()


def accumulate(w: Any) -> Callable[[Any], Any]:
    def step(x: Any) -> Any:
        (w * x).sum().backward()
        loss = (w * w * x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        return w.grad * 1

    return step


def test_several_backward_calls_in_one_compiled_step() -> None:
    x = ingot.tensor([2.0, 3.0])
    found = []
    for compile_it in (False, True):
        w = ingot.ones(2, requires_grad=True)
        step: Any = accumulate(w)
        step = ingot.jit(step) if compile_it else step
        found.append([step(x).tolist(), step(x).tolist(), w.grad.tolist()])
    assert found[0] == found[1] == [[10, 15], [20, 30], [20, 30]]
