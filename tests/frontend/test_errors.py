"""The texts of the errors that users meet while a function is traced, whole, with the line that caused them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.jit import trace_specs
from ingot.runtime.errors import CODES, IngotError, explain
from ingot.source_lines import describe

HERE = __file__


def text_of(call: Callable[[], Any]) -> str:
    with pytest.raises(IngotError) as caught:
        call()
    assert caught.value.code in CODES
    assert explain(caught.value.code).startswith(caught.value.code)
    lines = str(caught.value).replace(HERE, "FILE").split("\n")
    assert len(lines) <= 12
    # The line's number changes with every edit of this file.
    return "\n".join(re.sub(r"at FILE:\d+: ", "at FILE: ", line) for line in lines)


def test_truth() -> None:
    @ingot.jit
    def step(x: Any, best: Any) -> Any:
        loss = (x * x).sum()
        if loss < best:
            best = loss
        return best

    assert text_of(lambda: step(ingot.ones(2), ingot.tensor(1.0))) == (
        "[IG180] bool() was asked of a traced tensor bool[]\n"
        "  at FILE: if loss < best:\n"
        "  its value depends on: x, best\n"
        "  compiled code is made before the value is known\n"
        "  write instead: ingot.where(loss < best, a, b)"
    )


def test_while_and_assert() -> None:
    @ingot.jit
    def loop(x: Any) -> Any:
        while x.sum() < 10:
            x = x * 2
        return x

    assert "a fixed number of steps that keep the old value: ingot.where(x.sum() < 10, new, old)" in text_of(
        lambda: loop(ingot.ones(2))
    )

    @ingot.jit
    def checked(x: Any) -> Any:
        assert x.sum() > 0, "positive"
        return x

    assert "the check outside of compiled code: assert x.sum() > 0" in text_of(lambda: checked(ingot.ones(2)))


def test_number() -> None:
    @ingot.jit
    def repeat(x: Any, n: Any) -> Any:
        return [x] * int(n)

    assert text_of(lambda: repeat(ingot.ones(2), ingot.tensor(3))) == (
        "[IG181] int() was asked of a traced tensor i64[]\n"
        "  at FILE: return [x] * int(n)\n"
        "  its value depends on: n\n"
        "  compiled code is made before the value is known\n"
        "  write instead: tensor arithmetic instead of a Python number, or pass the number as a Python int"
    )


def test_index_and_size() -> None:
    @ingot.jit
    def pick(names: list[str], i: Any) -> Any:
        return names[i]

    assert text_of(lambda: pick(["a", "b"], ingot.tensor(1))).startswith(
        "[IG182] an index or a size was asked of a traced tensor i64[]\n  at FILE: return names[i]\n"
    )
    assert "IG182" in text_of(lambda: ingot.jit(lambda x: x.view(x.sum().long(), -1))(ingot.ones(2)))


def test_iteration() -> None:
    def total(rows: Any) -> Any:
        return sum(row for row in rows)

    assert ingot.jit(total)(ingot.ones(2, 2)).tolist() == [2.0, 2.0]
    assert text_of(lambda: trace_specs(total, ["f32[n,2]"])) == (
        "[IG183] iteration over dimension 0 of the size n: how many steps that are is known at each call alone\n"
        "  at FILE: return sum(row for row in rows)\n"
        "  write instead: an operation along the dimension (sum, cumsum, ...), or a number instead of the name in the "
        "spec"
    )


def test_unpacking_and_loops_over_rows() -> None:
    def distances(edges: Any, points: Any) -> Any:
        source, target = edges
        total = sum((row * row).sum() for row in points[source] - points[target])
        for a, b in zip(points, points.flip(0), strict=True):
            total = total + a @ b
        return total

    edges, points = ingot.tensor([[0, 1, 2], [1, 2, 0]]), ingot.randn(3, 2)
    np.testing.assert_allclose(ingot.jit(distances)(edges, points).item(), distances(edges, points).item(), rtol=1e-5)


@pytest.mark.parametrize(
    ("use", "code"),
    [
        (lambda x: x.item(), "IG184"),
        (lambda x: x.tolist(), "IG184"),
        (lambda x: x.numpy(), "IG184"),
        (lambda x: float(x), "IG181"),
        (lambda x: np.add(x, 1), "IG184"),
        (lambda x: x.nonzero(), "IG185"),
        (lambda x: x[x > 0], "IG185"),
        (lambda x: f"{x.sum().item()}", "IG184"),
    ],
)
def test_elements(use: Callable[[Any], Any], code: str) -> None:
    text = text_of(lambda: ingot.jit(use)(ingot.ones(1)))
    assert text.startswith(f"[{code}]") and "at FILE: " in text and "write instead:" in text


def test_elements_of_captured_state_would_be_frozen() -> None:
    threshold = ingot.tensor(0.5)
    text = text_of(lambda: ingot.jit(lambda x: x > threshold.item())(ingot.ones(1)))
    assert "item() was asked of a captured f32[]" in text
    assert "its value would be frozen into the compiled code" in text


def test_constants_have_elements() -> None:
    f = ingot.jit(lambda x: x * ingot.linspace(0, 1, 3)[-1].item())
    assert f(ingot.ones(2)).tolist() == [1, 1]


HISTORY: list[Any] = []
COUNTS = {"calls": 0}


def test_side_effects() -> None:
    @ingot.jit
    def step(x: Any) -> Any:
        loss = x.sum()
        HISTORY.append(loss)
        return loss

    assert text_of(lambda: step(ingot.ones(2))) == (
        "[IG189] step changed HISTORY, a list from outside, while it was traced\n"
        "  at FILE: HISTORY.append(loss)\n"
        "  it now holds a traced tensor f32[], which ends with the trace\n"
        "  compiled code does not run the Python statement again\n"
        "  write instead: return the value and change HISTORY outside, "
        "or keep state in a tensor and write to it in place"
    )
    assert HISTORY == []

    @ingot.jit
    def counted(x: Any) -> Any:
        COUNTS["calls"] += 1
        return x

    assert "counted changed COUNTS, a dict from outside" in text_of(lambda: counted(ingot.ones(2)))
    assert COUNTS == {"calls": 0}


class Owner:
    def __init__(self) -> None:
        self.cache: Any = None
        self.items: list[Any] = []


def test_side_effects_on_objects() -> None:
    owner = Owner()

    @ingot.jit
    def f(x: Any) -> Any:
        owner.cache = x * 2
        return x

    assert "f set owner.cache, while it was traced" in text_of(lambda: f(ingot.ones(2)))
    assert owner.cache is None

    @ingot.jit
    def g(x: Any) -> Any:
        owner.items.append(1)
        return x

    assert "changed owner.items, a list from outside" in text_of(lambda: g(ingot.ones(2)))


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: Any) -> Any:
        self.count += 1
        return x


def test_side_effects_on_modules() -> None:
    text = text_of(lambda: ingot.jit(Counting())(ingot.ones(2)))
    assert text.startswith("[IG189] Counting.count was set to 1 while it was traced\n  at FILE: self.count += 1\n")
    assert "self.register_buffer('count', ...)" in text


def test_leaks() -> None:
    @ingot.jit
    def leaking(x: Any) -> Any:
        globals()["LEAKED"] = x * 2
        return x

    leaking(ingot.ones(2))
    assert text_of(lambda: globals()["LEAKED"] + 1) == (
        "[IG187] a tensor of type f32[2] made while leaking was traced is used after the trace has ended\n"
        '  at FILE: assert text_of(lambda: globals()["LEAKED"] + 1) == (\n'
        '  made at FILE: globals()["LEAKED"] = x * 2\n'
        "  write instead: return it from leaking instead of storing it elsewhere"
    )
    assert "IG187" in text_of(lambda: globals()["LEAKED"].item())
    assert "IG187" in text_of(lambda: ingot.jit(lambda x: x + globals()["LEAKED"])(ingot.ones(2)))
    assert "traced" in repr(globals().pop("LEAKED"))


def test_foreign_random_numbers() -> None:
    @ingot.jit
    def noisy(x: Any) -> Any:
        return x + random.random()

    assert text_of(lambda: noisy(ingot.ones(2))) == (
        "[IG190] noisy drew numbers from Python's or NumPy's random generator; compiled code would repeat them\n"
        "  at FILE: return x + random.random()\n"
        "  write instead: ingot.rand(...), ingot.randint(...): their generator is part of the compiled function"
    )
    assert "IG190" in text_of(lambda: ingot.jit(lambda x: x + float(np.random.rand()))(ingot.ones(2)))


def test_shapes_and_dtypes_in_a_layer() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))

    @ingot.jit
    def predict(x: Any) -> Any:
        return model(x)

    assert text_of(lambda: predict(ingot.ones(2, 3))) == (
        "[IG228] linear: the last size of the input must be the weight's last size\n"
        "  at FILE: return model(x)\n"
        "  operands: f32[2,4] and f32[2,5]"
    )
    assert "expected both operands to have the same dtype, but got ingot.float64 and ingot.float32" in text_of(
        lambda: predict(ingot.ones(2, 3).double())
    )


def test_backward_beyond_the_function() -> None:
    w = ingot.ones(2, requires_grad=True)
    outside = w * 2

    @ingot.jit
    def f() -> Any:
        w.grad = None
        outside.sum().backward()
        return w.grad

    assert text_of(f).startswith(
        "[IG315] backward() reaches a tensor f32[2] that was computed outside of the compiled function, from a leaf "
        "f32[2] whose .grad the function uses itself\n  at FILE: outside.sum().backward()\n"
    )
    assert w.grad is None

    @ingot.jit
    def g() -> Any:
        outside.square().sum().backward(create_graph=True)

    assert text_of(g).startswith("[IG315] backward(create_graph=True) reaches a tensor f32[2]")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("f32(3)", "a spec is a dtype and, in brackets, its sizes"),
        ("f33[3]", "there is no dtype 'f33'"),
        ("f32[3,-1]", "'-1' is neither a size nor a name"),
        ("", "a spec is a dtype and, in brackets, its sizes"),
    ],
)
def test_specs(spec: str, why: str) -> None:
    text = text_of(lambda: ingot.jit(lambda x: x, specs=[spec]))
    assert text.startswith(f"[IG730] the spec {spec!r} cannot be read\n  {why}")
    assert text.endswith("write instead: f32[32,784], i64[b] or f32[]")


def test_static_arguments_hold_no_tensors() -> None:
    f = ingot.jit(lambda x, n: x * n, static_argnames=["n"])
    assert f(ingot.ones(2), 3).tolist() == [3, 3]
    assert "IG733" in text_of(lambda: f(ingot.ones(2), ingot.tensor(3)))


def test_long_lines_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "long.py"
    file.write_text("x = 1" + " + 1" * 100)
    assert len(describe(str(file), 1)) == len(f"{file}:1: ") + 160
