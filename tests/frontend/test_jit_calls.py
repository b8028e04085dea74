"""A call of a compiled function is one native call, and whatever the function reads by itself is seen to change."""

from __future__ import annotations

import cProfile
import functools
import gc
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ingot
from ingot import nn, optim
from ingot.core import version_of
from ingot.runtime import dispatch, flags, pool

SCALE: Any = 2.0
TENSORS: Any = []


@pytest.fixture(autouse=True, params=["native", "safe"])
def call_path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test runs through both call paths."""
    if request.param == "native" and not dispatch.activate():
        pytest.skip("no native runtime on this system")
    with flags.DISPATCH.override(request.param):
        yield str(request.param)


def frames_of_ingot(call: Callable[[], Any]) -> list[str]:
    """The Python functions of ingot's that run during a call."""
    folders = tuple(
        str(module.__file__).rsplit("/", 1)[0] for module in map(sys.modules.get, ("ingot", "ingot.runtime")) if module
    )
    seen: list[str] = []

    def profile(frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folders):
            seen.append(frame.f_code.co_qualname)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen


def training(order: str, loss_of: Callable[[Any], Any]) -> tuple[Any, Any, Any, Any]:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    loss_function = nn.CrossEntropyLoss()

    @ingot.jit
    def step(x: Any, y: Any) -> Any:
        if order == "zero first":
            optimiser.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimiser.step()
        if order == "zero last":
            optimiser.zero_grad()
        return loss_of(loss)

    return step, model, ingot.randn(32, 8), ingot.randint(0, 4, (32,))


@pytest.mark.parametrize("order", ["zero first", "zero last"])
@pytest.mark.parametrize("loss_of", [lambda loss: loss, lambda loss: loss.detach(), lambda loss: None])
def test_a_training_step_is_one_native_call(order: str, loss_of: Callable[[Any], Any], call_path: str) -> None:
    step, model, x, y = training(order, loss_of)
    for _ in range(4):
        step(x, y)
    addresses = [parameter.data_ptr() for parameter in model.parameters()]
    before = {**dispatch.counters(), **pool.stats()}
    for _ in range(100):
        step(x, y)
    after = {**dispatch.counters(), **pool.stats()}
    changed = {name: after[name] - before[name] for name in after}
    assert changed["program_calls"] == 100
    assert changed["misses"] == changed["python_callbacks"] == changed["system_allocations"] == 0
    assert changed["allocated"] == 0
    assert [parameter.data_ptr() for parameter in model.parameters()] == addresses
    if call_path == "native":
        assert frames_of_ingot(lambda: step(x, y)) == []
    assert step.stats()["compiles"] <= 2


def test_a_compiled_optimiser_step_reads_gradients_natively(call_path: str) -> None:
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    other.load_state_dict(model.state_dict())
    optimiser, reference = optim.SGD(model.parameters(), lr=0.1), optim.SGD(other.parameters(), lr=0.1)
    update = ingot.jit(lambda: optimiser.step())
    x = ingot.randn(8, 4)

    def backward(module: Any) -> None:
        module.zero_grad()
        (module(x) ** 2).mean().backward()

    for _ in range(4):
        backward(model)
        update()
        backward(other)
        reference.step()
    backward(model)
    before = dispatch.counters()
    if call_path == "native":
        assert frames_of_ingot(update) == []
    else:
        update()
    assert dispatch.counters()["misses"] == before["misses"]
    backward(other)
    reference.step()
    for mine, eager in zip(model.parameters(), other.parameters(), strict=True):
        assert (mine - eager).abs().max().item() < 1e-6


def test_gradients_that_accumulate_are_right() -> None:
    step, model, x, y = training("accumulate", lambda loss: loss)
    reference, other, _, _ = training("accumulate", lambda loss: loss)
    other.load_state_dict(model.state_dict())
    for _ in range(5):
        step(x, y)
        reference.__wrapped__(x, y)
    for mine, eager in zip(model.parameters(), other.parameters(), strict=True):
        assert (mine.grad - eager.grad).abs().max().item() < 1e-4
        assert (mine - eager).abs().max().item() < 1e-4


class Plain:
    shared = 1.5

    def __init__(self, tensor: Any) -> None:
        self.weight = tensor
        self.sizes = [2.0, 3.0]
        self.inner = types.SimpleNamespace(rate=0.5)

    def __call__(self, x: Any) -> Any:
        return x * self.weight * self.sizes[0] + self.inner.rate * self.doubled

    @property
    def doubled(self) -> Any:
        return self.shared * 2


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def globals_rebound() -> Any:
    def rebind(name: str, value: Any) -> Callable[[], None]:
        return lambda: globals().__setitem__(name, value)

    rebind("SCALE", 2.0)()
    rebind("TENSORS", [ingot.tensor([1.0, 2.0])])()
    return lambda x: x * SCALE + TENSORS[0], [
        rebind("SCALE", 3.0),
        rebind("SCALE", 2.0),
        rebind("SCALE", 2),
        rebind("TENSORS", [ingot.tensor([5.0, 5.0])]),
        lambda: TENSORS.__setitem__(0, ingot.tensor([7.0, 7.0])),
        lambda: TENSORS.insert(0, 4.0),
    ]


def cells_rebound() -> Any:
    rate = 2.0
    table = {"a": 1.0, "b": (1, [2.0])}

    def set_rate(value: Any) -> None:
        nonlocal rate
        rate = value

    def fn(x: Any) -> Any:
        return x * rate + table["a"] + table["b"][1][0]  # type: ignore[index]

    return fn, [
        lambda: set_rate(3.0),
        lambda: set_rate(ingot.tensor([1.0, 2.0])),
        lambda: table.update(a=9.0),
        lambda: table["b"][1].append(1.0),  # type: ignore[index]
        lambda: table["b"][1].__setitem__(0, -1.0),  # type: ignore[index]
        lambda: set_rate(2.0),
    ]


def objects_changed() -> Any:
    plain = Plain(ingot.tensor([1.0, 2.0]))
    slotted = Slotted(1.0)
    return lambda x: plain(x) + slotted.value, [
        lambda: setattr(plain, "weight", ingot.tensor([3.0, 3.0])),
        lambda: plain.sizes.__setitem__(0, 5.0),
        lambda: setattr(plain.inner, "rate", 0.25),
        lambda: setattr(plain, "inner", types.SimpleNamespace(rate=1.0)),
        lambda: setattr(slotted, "value", 8.0),
        lambda: setattr(plain, "shared", 4.5),
        lambda: setattr(plain, "sizes", (1.0,)),
    ]


def functions_changed() -> Any:
    box: dict[str, Any] = {"helper": lambda x: x + 1.0}
    helper = box["helper"]
    bound = 1.0

    def replace(fn: Any) -> None:
        nonlocal helper
        helper = fn

    def rebind(value: float) -> None:
        nonlocal bound
        bound = value

    def through(x: Any) -> Any:
        return helper(x) * bound

    return lambda x: through(x) + box["helper"](x), [
        lambda: replace(lambda x: x - 1.0),
        lambda: rebind(3.0),
        lambda: box.update(helper=lambda x: x * 3.0),
    ]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.options = types.SimpleNamespace(gain=1.0)
        self.stack = [ingot.tensor([1.0, 1.0])]

    def forward(self, x: Any) -> Any:
        return x * SCALE * self.options.gain + self.stack[0]


def modules_changed() -> Any:
    globals()["SCALE"] = 2.0
    model = nn.Sequential(Network())
    inner: Any = model[0]
    return lambda x: model(x), [
        lambda: globals().__setitem__("SCALE", 4.0),
        lambda: setattr(inner.options, "gain", 3.0),
        lambda: inner.stack.__setitem__(0, ingot.tensor([2.0, 3.0])),
        lambda: inner.stack.append(1.0),
    ]


def methods_changed() -> Any:
    plain = Plain(ingot.tensor([1.0, 2.0]))
    return plain.__call__, [
        lambda: setattr(plain, "weight", ingot.tensor([3.0, 3.0])),
        lambda: plain.sizes.insert(0, 7.0),
    ]


def partials_changed() -> Any:
    options = {"gain": 2.0}
    return functools.partial(lambda options, x: x * options["gain"], options), [lambda: options.update(gain=3.0)]


CASES = [
    globals_rebound,
    cells_rebound,
    objects_changed,
    functions_changed,
    modules_changed,
    methods_changed,
    partials_changed,
]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_changes_outside_the_arguments_are_noticed(make: Callable[[], Any]) -> None:
    fn, changes = make()
    compiled = ingot.jit(fn)
    x = ingot.tensor([1.0, 10.0])
    for change in [lambda: None, *changes]:
        change()
        for _ in range(3):
            assert compiled(x).tolist() == fn(x).tolist()


def test_values_that_come_back_are_served_by_what_was_compiled_for_them() -> None:
    rate = 2.0

    @ingot.jit
    def scaled(x: Any) -> Any:
        return x * rate

    x = ingot.tensor([1.0])
    for rate in (2.0, 3.0, 2.0, 3.0):  # noqa: B007 - the closure reads it
        scaled(x)
    before = dispatch.counters()
    for rate in (2.0, 3.0) * 5:
        assert scaled(x).item() == rate
    after = dispatch.counters()
    assert scaled.stats()["compiles"] == 2
    assert after["misses"] == before["misses"] and after["program_calls"] == before["program_calls"] + 10


def test_names_that_are_gone_are_noticed() -> None:
    rate = 2.0
    cell = (lambda: rate).__closure__[0]  # type: ignore[index]

    @ingot.jit
    def by_cell(x: Any) -> Any:
        return x * rate

    globals()["TEMPORARY"] = 3.0
    by_name = ingot.jit(lambda x: x * TEMPORARY)  # type: ignore[name-defined]  # noqa: F821
    x = ingot.tensor([1.0])
    for _ in range(3):
        assert (by_cell(x).item(), by_name(x).item()) == (2.0, 3.0)
    del globals()["TEMPORARY"], cell.cell_contents
    for compiled in (by_cell, by_name):
        for _ in range(2):
            with pytest.raises(NameError):
                compiled(x)
    globals()["TEMPORARY"] = 5.0
    cell.cell_contents = 4.0
    assert (by_cell(x).item(), by_name(x).item()) == (4.0, 5.0)
    del globals()["TEMPORARY"]


def test_gradient_mode_is_each_threads_own() -> None:
    weight = ingot.tensor([2.0], requires_grad=True)

    @ingot.jit
    def scaled(x: Any) -> Any:
        return x * weight

    x = ingot.tensor([3.0])
    seen: list[bool] = []

    def here() -> None:
        seen.append(scaled(x).requires_grad)

    with ingot.no_grad():
        for _ in range(3):
            here()
        before = dispatch.counters()
        here()
        after = dispatch.counters()
        assert after["program_calls"] == before["program_calls"] + 1
        assert after["misses"] == before["misses"] and after["python_callbacks"] == before["python_callbacks"]
        other = threading.Thread(target=here)
        other.start()
        other.join()
        here()
    here()
    assert seen == [False] * 4 + [True, False, True]


def test_arguments_in_memory_that_the_function_writes_to() -> None:
    state = ingot.zeros(3)

    @ingot.jit
    def add(x: Any) -> Any:
        state.add_(x)
        return state * x

    x = ingot.ones(3)
    for _ in range(3):
        add(x)
    assert state.tolist() == [3.0, 3.0, 3.0]
    for _ in range(2):
        before = state.clone()
        assert add(state).tolist() == ((before + before) * (before + before)).tolist()
    assert add(x).tolist() == [13.0, 13.0, 13.0]


def test_many_tensors_in_a_list_are_checked_without_python(call_path: str) -> None:
    weights = [ingot.full((2,), float(i)) for i in range(20)]

    @ingot.jit
    def total(x: Any) -> Any:
        for weight in weights:
            x = x + weight
        return x

    x = ingot.zeros(2)
    for _ in range(3):
        total(x)
    if call_path == "native":
        assert frames_of_ingot(lambda: total(x)) == []
    weights[7] = ingot.full((2,), 100.0)
    assert total(x).tolist() == [283.0, 283.0]
    weights.pop()
    assert total(x).tolist() == [264.0, 264.0]


def test_compiled_code_does_not_outlive_what_it_writes_to() -> None:
    """The counts of writes that stand for versions keep neither the code nor the tensors alive, nor are they lost."""

    def made() -> tuple[Any, Any]:
        total = ingot.zeros(3)

        @ingot.jit
        def add(x: Any) -> None:
            total.add_(x)

        for _ in range(4):
            add(ingot.ones(3))
        return weakref.ref(total), total.detach()

    total, alias = made()
    gc.collect()
    assert total() is None
    assert version_of(alias._storage) == 4


class Trainer:
    """Its methods have names that the compiled step mentions of other objects."""

    def __init__(self) -> None:
        self.weight = ingot.ones(3, requires_grad=True)
        self.optimizer = optim.SGD([self.weight], lr=0.1)
        self.losses: list[float] = []
        self.steps = 0
        self.scale = 1.0
        self.compiled = ingot.jit(self.one_step)

    def step(self, x: Any) -> float:
        self.steps += 1
        self.losses.append(self.compiled(x).item())
        return self.losses[-1]

    def one_step(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.scaled((x * self.weight).square().sum())
        loss.backward()
        self.optimizer.step()
        return loss

    def scaled(self, loss: Any) -> Any:
        return loss * self.scale


def test_what_code_reads_that_did_not_run_does_not_matter() -> None:
    trainer = Trainer()
    x = ingot.ones(3)
    first = [trainer.step(x) for _ in range(4)]
    assert trainer.compiled.stats()["compiles"] == 1 and trainer.steps == 4
    trainer.scale = 2.0
    assert trainer.step(x) == pytest.approx(2 * first[3] * 0.64, rel=1e-5)
    assert trainer.compiled.stats()["compiles"] == 2


def test_compiling_while_a_profiler_runs() -> None:
    trainer = Trainer()
    profile = cProfile.Profile()
    profile.enable()
    try:
        trainer.step(ingot.ones(3))
        inside: Any = sys.getprofile()
    finally:
        profile.disable()
    assert inside is profile or inside is None
    assert any(getattr(entry.code, "co_name", "") == "one_step" for entry in profile.getstats())
    trainer.scale = 3.0
    assert trainer.step(ingot.zeros(3)) == 0.0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the second profiler is refused")
def test_a_profiler_that_takes_over_hides_nothing() -> None:
    settings = types.SimpleNamespace(scale=2.0)

    def scaled(x: Any) -> Any:
        return x * settings.scale

    @ingot.jit
    def f(x: Any) -> Any:
        profile = cProfile.Profile()
        profile.enable()
        y = scaled(x)
        profile.disable()
        return y

    assert f(ingot.ones(1)).item() == 2.0
    settings.scale = 3.0
    assert f(ingot.ones(1)).item() == 3.0
