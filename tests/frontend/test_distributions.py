"""Distributions: compiled sampling, moments of samples, gradients through samples, checks, caches of transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import distributions as D
from ingot.compiler.ops.draw import gamma_slope

MAKERS: dict[str, Callable[[], Any]] = {
    "Gamma": lambda: D.Gamma(ingot.tensor([0.5, 2.0, 30.0]), ingot.tensor([1.0, 2.0, 0.5])),
    "Beta": lambda: D.Beta(ingot.tensor([0.5, 2.0]), ingot.tensor([1.5, 3.0])),
    "Dirichlet": lambda: D.Dirichlet(ingot.tensor([0.5, 2.0, 3.0])),
    "Chi2": lambda: D.Chi2(ingot.tensor([3.0, 8.0])),
    "StudentT": lambda: D.StudentT(ingot.tensor([9.0, 20.0]), 1.0, 2.0),
    "Poisson": lambda: D.Poisson(ingot.tensor([0.5, 4.0, 40.0])),
    "Binomial": lambda: D.Binomial(10, ingot.tensor([0.2, 0.7])),
    "Geometric": lambda: D.Geometric(ingot.tensor([0.2, 0.7])),
    "Multinomial": lambda: D.Multinomial(5, ingot.tensor([0.2, 0.3, 0.5])),
    "Normal": lambda: D.Normal(ingot.tensor([0.0, 2.0]), 3.0),
    "Mixture": lambda: D.MixtureSameFamily(
        D.Categorical(ingot.tensor([0.25, 0.75])), D.Normal(ingot.tensor([0.0, 4.0]), ingot.tensor([1.0, 2.0]))
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_samples_have_the_moments(name: str) -> None:
    ingot.manual_seed(3)
    d = MAKERS[name]()
    drawn = d.sample((20000,)).numpy().astype(np.float64)
    mean, variance = d.mean.numpy(), d.variance.numpy()
    np.testing.assert_allclose(drawn.mean(0), mean, atol=6 * float(np.sqrt(variance.max() / 20000)))
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.15)


@pytest.mark.parametrize("name", MAKERS)
def test_compiled_samples_are_eager_ones(name: str) -> None:
    def draw() -> Any:
        d = MAKERS[name]()
        x = d.sample((4,))
        return x, d.log_prob(x)

    compiled = ingot.jit(draw)
    ingot.manual_seed(5)
    eager = [draw() for _ in range(2)]
    ingot.manual_seed(5)
    for one in eager:
        for a, b in zip(compiled(), one, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=1e-6)


def test_sampling_goes_on_at_every_call() -> None:
    sample = ingot.jit(lambda: D.Gamma(2.0, 1.0).sample((3,)))
    assert not np.array_equal(sample().numpy(), sample().numpy())


def test_gamma_gradient_is_that_of_the_mean() -> None:
    """d E[x] / d concentration = 1 / rate, d E[x] / d rate = -concentration / rate^2."""
    ingot.manual_seed(0)
    shape = ingot.tensor([0.3, 2.0, 50.0], requires_grad=True)
    rate = ingot.tensor([1.0, 2.0, 0.5], requires_grad=True)
    D.Gamma(shape, rate).rsample((20000,)).mean(0).sum().backward()
    assert shape.grad is not None and rate.grad is not None
    np.testing.assert_allclose(shape.grad.numpy(), [1.0, 0.5, 2.0], rtol=0.05)
    np.testing.assert_allclose(rate.grad.numpy(), [-0.3, -0.5, -200.0], rtol=0.05)


def test_gamma_slope_is_the_slope_along_a_level() -> None:
    a, x, h = np.array([0.05, 0.7, 3.0, 40.0, 800.0]), np.array([0.01, 1.5, 2.0, 45.0, 790.0]), 1e-5

    def level(shape: Any, at: Any) -> Any:
        return ingot.igamma(ingot.tensor(shape), ingot.tensor(at)).numpy()

    slope = -(level(a + h, x) - level(a - h, x)) / (level(a, x * (1 + h)) - level(a, x * (1 - h))) * x
    from_row = gamma_slope.eval(a, x)
    np.testing.assert_allclose(from_row, slope, rtol=2e-3)


def test_reparameterised_gradients_in_compiled_code() -> None:
    def loss(mean: Any, log_std: Any) -> Any:
        d = D.Normal(mean, log_std.exp())
        z = d.rsample()
        return (z**2).sum() + D.kl_divergence(d, D.Normal(0.0, 1.0)).sum()

    mean, log_std = ingot.tensor([0.5, -1.0]), ingot.tensor([0.1, 0.2])
    both = ingot.func.value_and_grad(loss, argnums=(0, 1))
    ingot.manual_seed(1)
    want = both(mean, log_std)
    ingot.manual_seed(1)
    got = ingot.jit(both)(mean, log_std)
    for a, b in zip(ingot.tree.leaves(got), ingot.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_a_distribution_made_outside_is_used_inside() -> None:
    """Nothing is kept in the object that a trace made."""
    d = D.Categorical(logits=ingot.tensor([[0.1, 2.0, -1.0]]))
    f = ingot.jit(lambda x: d.log_prob(x) + d.entropy())
    x = ingot.tensor([1])
    np.testing.assert_allclose(f(x).numpy(), (d.log_prob(x) + d.entropy()).numpy(), rtol=1e-6)
    assert d.probs.shape == (1, 3)


def test_checks_name_the_constraint() -> None:
    with pytest.raises(ValueError, match=r"parameter scale .* to satisfy the constraint GreaterThan\(lower_bound=0"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match=r"within the support \(Boolean\(\)\)"):
        D.Bernoulli(0.5).log_prob(ingot.tensor(0.5))
    assert np.isfinite(float(D.Bernoulli(0.5, validate_args=False).log_prob(ingot.tensor(0.5))))
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_a_cached_transform_gives_back_its_argument() -> None:
    x = ingot.tensor([20.0])
    t = D.TanhTransform(cache_size=1)
    assert t.inv(t(x)) is x
    assert np.isinf(D.TanhTransform().inv(D.TanhTransform()(x)).numpy()).all()


def test_register_kl() -> None:
    class Point(D.Normal):
        pass

    @D.register_kl(Point, D.Normal)
    def _point_normal(p: Any, q: Any) -> Any:
        return -q.log_prob(p.loc)

    found = D.kl_divergence(Point(1.0, 1.0), D.Normal(0.0, 1.0))
    np.testing.assert_allclose(float(found), -float(D.Normal(0.0, 1.0).log_prob(ingot.tensor(1.0))))
    assert float(D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0))) == 0.0
    with pytest.raises(NotImplementedError, match=r"No KL"):
        D.kl_divergence(D.Cauchy(0.0, 1.0), D.Normal(0.0, 1.0))
