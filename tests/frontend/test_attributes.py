"""Attributes of modules that compiled functions set: every call sets them, and who reads them sees it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.runtime.errors import TraceError


class Scores(nn.Module):
    """Remembers what it saw, as modules do whose attention is plotted later."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.scores: Any = None

    def forward(self, x: Any) -> Any:
        scores = ingot.softmax(self.linear(x), dim=-1)
        self.scores = scores.detach()
        self.pair = (scores.detach().sum(), [x.shape[0], "rows"])
        return scores.sum(-1)


def batches(*sizes: int) -> list[Any]:
    ingot.manual_seed(0)
    return [ingot.rand(n, 3) for n in sizes]


def test_every_call_sets_them() -> None:
    model = Scores()
    twin = copy.deepcopy(model)
    call = ingot.jit(lambda x: model(x))
    for x in batches(4, 4, 5, 4, 5, 5):
        call(x)
        twin(x)
        np.testing.assert_allclose(model.scores.numpy(), twin.scores.numpy(), rtol=1e-6)
        assert model.pair[0].item() == pytest.approx(twin.pair[0].item())
        assert model.pair[1] == [x.shape[0], "rows"]
    assert call.stats()["compiles"] == 2


def test_eager_calls_between_compile_nothing() -> None:
    model = Scores()
    call = ingot.jit(lambda x: model(x))
    for x in batches(4, 4, 4):
        call(x)
        expected = model.scores
        model(x + 1)
        assert (model.scores != expected).any()
    assert call.stats()["compiles"] == 1


def test_losses_kept_by_layers() -> None:
    class Loss(nn.Module):
        def __init__(self, target: Any) -> None:
            super().__init__()
            self.target = target

        def forward(self, x: Any) -> Any:
            self.loss = ((x - self.target) ** 2).mean()
            return x

    one, two = Loss(ingot.tensor(1.0)), Loss(ingot.tensor(2.0))
    model = nn.Sequential(nn.Linear(3, 2), one, nn.Tanh(), two)

    def total(x: Any) -> Any:
        model(x)
        return one.loss + two.loss

    call = ingot.jit(total)
    for x in batches(4, 4):
        result = call(x)
        result.backward()
        found = model[0].weight.grad.clone()
        model.zero_grad()
        assert (one.loss + two.loss).item() == pytest.approx(result.item())
        total(x).backward()
        np.testing.assert_allclose(found.numpy(), model[0].weight.grad.numpy(), rtol=1e-5)
        model.zero_grad()
    assert call.stats()["compiles"] == 1


def test_gradients_flow_from_an_attribute() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            self.hidden = self.linear(x)
            return self.hidden.detach()

    model = Hidden()
    call = ingot.jit(lambda x: model(x))
    (x,) = batches(4)
    for _ in range(2):
        call(x)
        model.zero_grad()
        model.hidden.sum().backward()
        np.testing.assert_allclose(model.linear.weight.grad.numpy(), np.tile(x.numpy().sum(0), (2, 1)), rtol=1e-5)


class State(nn.Module):
    """Carries a state from call to call in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Any = None

    def forward(self, x: Any) -> Any:
        self.state = x if self.state is None else self.state + x
        return self.state * 1


def test_one_that_is_read_first_is_an_error() -> None:
    model = State()
    with pytest.raises(TraceError, match=r"(?s)IG189.*State.state was set to a traced tensor.*self.state = x.*read"):
        ingot.jit(lambda x: model(x))(ingot.ones(2))
    assert not ingot.is_tensor(model.state)
    model(ingot.ones(2))
    with pytest.raises(TraceError, match=r"(?s)IG189.*State.state.*register_buffer"):
        ingot.jit(lambda x: model(x))(ingot.ones(2))
    np.testing.assert_array_equal(model.state.numpy(), [1, 1])


def test_one_that_may_be_missing_is_an_error() -> None:
    class Lazy(nn.Module):
        def forward(self, x: Any) -> Any:
            if not hasattr(self, "first"):
                self.first = x * 1
            return x

    with pytest.raises(TraceError, match="IG189"):
        ingot.jit(Lazy())(ingot.ones(2))


def test_a_function_that_reads_them_sees_each() -> None:
    model = Scores()
    write = ingot.jit(lambda x: model(x))
    read = ingot.jit(lambda: model.scores * 2)
    for x in batches(4, 4, 4):
        write(x)
        np.testing.assert_allclose(read().numpy(), model.scores.numpy() * 2)


def test_constants_follow_the_arguments() -> None:
    class Shape(nn.Module):
        def forward(self, x: Any) -> Any:
            self.rows, self.shape = x.shape[0], x.shape
            return x * 2

    model = Shape()
    call = ingot.jit(model)
    for n in (2, 3, 2, 3, 3, 2):
        call(ingot.ones(n))
        assert model.rows == n and model.shape == (n,)


def test_arguments_and_views_of_them() -> None:
    class Inputs(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            self.whole, self.row, self.both = x, x[0], [x.t(), y]
            return x + y

    model = Inputs()
    call = ingot.jit(model)
    for value in range(3):
        x, y = ingot.full((2, 3), float(value)), ingot.ones(3)
        call(x, y)
        assert model.whole is x and model.both[1] is y
        x += 1
        assert model.row.tolist() == [value + 1] * 3 and model.both[0].tolist() == [[value + 1] * 2] * 3


def test_modules_made_inside_keep_theirs() -> None:
    class Temporary(nn.Module):
        def forward(self, x: Any) -> Any:
            self.twice = x * 2
            return x

    def call(x: Any) -> Any:
        made = Temporary()
        made(x)
        return made.twice

    np.testing.assert_array_equal(ingot.jit(call)(ingot.ones(2)).numpy(), [2, 2])


def test_names_of_the_class_are_refused() -> None:
    class Default(nn.Module):
        latest: Any = None

        def forward(self, x: Any) -> Any:
            self.latest = x * 2
            return x

    model = Default()
    with pytest.raises(TraceError, match=r"IG189.*latest"):
        ingot.jit(model)(ingot.ones(2))
    assert model.latest is None


def test_they_are_attributes_like_others() -> None:
    model = Scores()
    ingot.jit(lambda x: model(x))(batches(4)[0])
    assert "scores" in dir(model) and hasattr(model, "pair")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.scores.numpy(), model.scores.numpy())
    shallow = copy.copy(model)
    shallow.scores = 3
    assert isinstance(model.scores, ingot.Tensor)
    del model.scores
    assert not hasattr(model, "scores")
    with pytest.raises(AttributeError):
        del model.scores


class Modes(nn.Module):
    """A module of the user's, with an attribute of the object, one of the class, and dropout below."""

    factor = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.offset = 1.0
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.drop(x) * self.factor + self.offset


def test_functions_that_switch_modes_leave_them_so() -> None:
    model = Modes()

    @ingot.jit
    def train(x: Any) -> Any:
        model.train()
        return model(x)

    @ingot.jit
    def evaluate(x: Any) -> Any:
        model.eval()
        return model(x)

    x = ingot.ones(64)
    for _ in range(3):
        for found in (True, False):
            model.train(found)
            assert len(set(train(x).tolist())) == 2
            assert model.training and model.drop.training
            model.train(found)
            assert set(evaluate(x).tolist()) == {3.0}
            assert not model.training and not model.drop.training
    assert train.stats()["compiles"] == evaluate.stats()["compiles"] == 2


def test_a_mode_set_after_its_use_counts_at_the_next_call() -> None:
    model = nn.Sequential(nn.Dropout(0.5))

    @ingot.jit
    def once(x: Any) -> Any:
        y = model(x)
        model.eval()
        return y

    x = ingot.ones(64)
    assert len(set(once(x).tolist())) == 2
    assert not model.training
    for _ in range(2):
        assert set(once(x).tolist()) == {1.0}
    model.train()
    assert len(set(once(x).tolist())) == 2


def test_a_trace_that_fails_leaves_the_mode() -> None:
    model = Modes()

    @ingot.jit
    def fails(x: Any) -> Any:
        model.eval()
        return model(x) if x.sum() > 0 else x

    with pytest.raises(TraceError, match="IG180"):
        fails(ingot.ones(3))
    assert model.training and model.drop.training


def test_attributes_of_modules_that_do_not_run_are_checked() -> None:
    model = Modes()
    seen = [
        ingot.jit(lambda x: x * model.offset if model.training else x),
        ingot.jit(lambda x: x * (2 if any(below.training for below in model.children()) else 1)),
        ingot.jit(lambda x: x * model.drop.p),
        ingot.jit(lambda x: x * model.factor),
    ]

    def now() -> list[float]:
        return [function(ingot.ones(1)).item() for function in seen]

    assert now() == [1.0, 2.0, 0.5, 2.0]
    model.offset, model.drop.p, model.factor = 4.0, 0.25, 8.0
    assert now() == [4.0, 2.0, 0.25, 8.0]
    model.eval()
    assert now() == [1.0, 1.0, 0.25, 8.0]
    assert now() == [1.0, 1.0, 0.25, 8.0]
    assert all(function.stats()["compiles"] <= 3 for function in seen)


def test_attributes_of_classes_of_modules_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Modes().eval()
    call = ingot.jit(lambda x: model(x))
    x = ingot.ones(1)
    assert call(x).item() == 3.0
    model.factor = 3.0
    assert call(x).item() == 4.0
    del model.factor
    assert call(x).item() == 3.0
    monkeypatch.setattr(Modes, "factor", 5.0)
    assert call(x).item() == 6.0


def test_a_forward_of_the_object_is_seen() -> None:
    model = Modes().eval()
    call = ingot.jit(lambda x: model(x))
    x = ingot.ones(1)
    assert call(x).item() == 3.0
    model.forward = lambda x: x * 5  # type: ignore[method-assign]
    assert call(x).item() == 5.0
    del model.forward
    assert call(x).item() == 3.0
