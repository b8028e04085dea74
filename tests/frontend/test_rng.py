"""Random numbers: PyTorch's, eager and compiled, and generators."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch_golden

import ingot
from ingot.jit import trace_specs
from ingot.runtime.errors import DTypeError, SpecError, TraceError

CASES = torch_golden.cases("rng")
GOLDEN = torch_golden.golden()["rng"]


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_pytorch(name: str) -> None:
    found = [torch_golden.summary(t) for t in CASES[name](ingot)]
    assert torch_golden.differences(found, GOLDEN[name], 1e-6) == []


@pytest.mark.parametrize("name", CASES)
def test_compiled_numbers_are_those_of_pytorch(name: str) -> None:
    seed = int(name.split()[-1])
    results = torch_golden.compiled(ingot, CASES[name], lambda: ingot.manual_seed(seed))
    assert torch_golden.differences([torch_golden.summary(t) for t in results], GOLDEN[name], 1e-6) == []


def test_the_first_numbers_of_seed_8() -> None:
    ingot.manual_seed(8)
    np.testing.assert_allclose(ingot.rand((3, 4))[0].numpy(), [0.5979, 0.8453, 0.9464, 0.2965], atol=5e-5)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: ingot.rand(7),
        lambda: ingot.randn(5),
        lambda: ingot.randn(40),
        lambda: ingot.randint(0, 9, (3,)),
        lambda: ingot.empty(6).uniform_(-1, 1),
        lambda: ingot.empty(6).bernoulli_(0.4),
    ],
)
def test_eager_and_compiled_draws_continue_one_stream(draw: Callable[[], Any]) -> None:
    compiled = ingot.jit(draw)
    ingot.manual_seed(3)
    wanted = [draw().numpy() for _ in range(6)]
    ingot.manual_seed(3)
    found = [(compiled if i % 3 else draw)().numpy() for i in range(6)]
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert compiled.stats()["compiles"] == 1


def test_seeding_inside_of_compiled_code() -> None:
    @ingot.jit
    def step() -> Any:
        ingot.manual_seed(8)
        return ingot.rand(3)

    for _ in range(3):
        np.testing.assert_allclose(step().numpy(), [0.5979, 0.8453, 0.9464], atol=5e-5)
    np.testing.assert_allclose(ingot.rand(1).numpy(), [0.2965], atol=5e-5)


def test_generators_are_independent() -> None:
    mine = ingot.Generator().manual_seed(8)
    ingot.manual_seed(1)
    before = ingot.get_rng_state()
    np.testing.assert_allclose(ingot.rand(2, generator=mine).numpy(), [0.5979, 0.8453], atol=5e-5)
    assert ingot.get_rng_state().equal(before)
    assert mine.initial_seed() == 8
    assert ingot.default_generator.initial_seed() == ingot.initial_seed() == 1


def test_a_generator_without_a_seed_has_pytorchs() -> None:
    assert ingot.Generator().initial_seed() == 67280421310721


def test_seed_makes_an_unpredictable_stream() -> None:
    generator = ingot.Generator()
    seeds = {generator.seed() for _ in range(3)}
    assert len(seeds) == 3
    assert generator.initial_seed() in seeds


def test_state_is_taken_up_again_with_the_spare_normal() -> None:
    ingot.manual_seed(5)
    ingot.randn(3)
    state = ingot.get_rng_state()
    wanted = [ingot.randn(1).item() for _ in range(4)]
    ingot.set_rng_state(state)
    assert [ingot.randn(1).item() for _ in range(4)] == wanted
    with pytest.raises(SpecError, match="IG241"):
        ingot.set_rng_state(ingot.zeros(3))


def test_negative_seeds_are_taken_as_64_bits() -> None:
    first = ingot.rand(2, generator=ingot.Generator().manual_seed(-1))
    second = ingot.rand(2, generator=ingot.Generator().manual_seed(2**64 - 1))
    assert first.equal(second)


def test_a_chance_is_a_double_below_the_probability() -> None:
    ingot.manual_seed(2)
    uniform = ingot.rand(50, dtype=ingot.float64)
    ingot.manual_seed(2)
    assert ingot.empty(50).bernoulli_(0.3).equal((uniform < 0.3).float())


def test_numbers_never_reach_the_upper_bound() -> None:
    ingot.manual_seed(0)
    drawn = ingot.empty(2000).uniform_(1.0, 1.0 + 2.0**-22)
    assert bool((drawn < 1.0 + 2.0**-22).all())


def test_random_tensors_may_require_grad() -> None:
    assert ingot.rand(2, requires_grad=True).requires_grad
    assert ingot.randn(2, requires_grad=True).is_leaf


def test_what_cannot_be_compiled_says_so() -> None:
    with pytest.raises(TraceError, match=r"IG192.*\[b, 4\]"):
        trace_specs(lambda x: ingot.randn_like(x), ["f32[b,4]"])
    with pytest.raises(TraceError, match="get_state"):
        ingot.jit(lambda: ingot.get_rng_state())()


@pytest.mark.parametrize(
    ("draw", "error", "text"),
    [
        (lambda: ingot.randint(3, 3, (2,)), SpecError, "IG243.*from=3 >= to=3"),
        (lambda: ingot.rand(2, dtype=ingot.int64), DTypeError, "IG242"),
        (lambda: ingot.empty(2).uniform_(1, 0), SpecError, "from=1 > to=0"),
        (lambda: ingot.empty(2).normal_(0, -1), SpecError, "std >= 0.0"),
        (lambda: ingot.empty(2).bernoulli_(1.5), SpecError, "p to be in"),
        (lambda: ingot.empty(2).exponential_(0), SpecError, "lambda"),
        (lambda: ingot.empty(2).random_(5, 5), SpecError, "IG243"),
    ],
)
def test_bad_arguments(draw: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        draw()


def test_generators_can_be_copied() -> None:
    generator = ingot.Generator().manual_seed(4)
    ingot.rand(3, generator=generator)
    again = copy.deepcopy(generator)
    assert ingot.rand(4, generator=generator).equal(ingot.rand(4, generator=again))


def test_weights_are_finite_in_every_dtype(recwarn: pytest.WarningsRecorder) -> None:
    for dtype in (ingot.float16, ingot.bfloat16, ingot.float32, ingot.float64):
        assert ingot.multinomial(ingot.tensor([0.0, 1.0], dtype=dtype), 3, replacement=True).tolist() == [1, 1, 1]
        with pytest.raises(RuntimeError, match="and finite, not inf"):
            ingot.multinomial(ingot.tensor([math.inf, 1.0], dtype=dtype), 1)
    assert not recwarn.list
