"""Kullback-Leibler divergences: a table of closed forms by the types of the two distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ingot.core import is_tensor
from ingot.distributions.bernoulli import Bernoulli
from ingot.distributions.beta import Beta
from ingot.distributions.binomial import Binomial
from ingot.distributions.categorical import Categorical
from ingot.distributions.constraints import Constraint
from ingot.distributions.dirichlet import Dirichlet
from ingot.distributions.distribution import Distribution, sum_rightmost
from ingot.distributions.exponential import Exponential
from ingot.distributions.gamma import Gamma
from ingot.distributions.geometric import Geometric
from ingot.distributions.gumbel import EULER, Gumbel
from ingot.distributions.half_normal import HalfNormal
from ingot.distributions.independent import Independent
from ingot.distributions.laplace import Laplace
from ingot.distributions.log_normal import LogNormal
from ingot.distributions.multivariate_normal import MultivariateNormal
from ingot.distributions.normal import Normal
from ingot.distributions.one_hot_categorical import OneHotCategorical
from ingot.distributions.poisson import Poisson
from ingot.distributions.transformed_distribution import TransformedDistribution
from ingot.distributions.transforms import AffineTransform
from ingot.distributions.uniform import Uniform
from ingot.functional.activations import softplus
from ingot.functional.arithmetic import where
from ingot.functional.systems import solve_triangular
from ingot.runtime.errors import DTypeError, SpecError, UnavailableError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Divergence = Callable[[Any, Any], Any]
F = TypeVar("F", bound=Divergence)
_TABLE: dict[tuple[type[Any], type[Any]], Divergence] = {}


def register_kl(type_p: type[Any], type_q: type[Any]) -> Callable[[F], F]:
    """A decorator: the function gives kl_divergence(p, q) for distributions of these types and their subclasses."""
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise DTypeError(
                "IG214", f"Expected type_p and type_q to be Distribution subclasses but got {kind}", where=user_line()
            )

    def decorator(function: F) -> F:
        _TABLE[type_p, type_q] = function
        return function

    return decorator


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expectation under p of log p(x) - log q(x), of shape batch_shape.

    Raises UnavailableError (IG377) for a pair without a closed form.
    """
    for first in type(p).__mro__:
        for second in type(q).__mro__:
            known = _TABLE.get((first, second))
            if known is not None:
                found: Tensor = known(p, q)
                return found
    raise UnavailableError(
        "IG377",
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}",
        where=user_line(),
        fix="p.log_prob(x) - q.log_prob(x) at samples x of p, or register_kl",
    )


def _infinite(x: Tensor) -> Tensor:
    return x.detach() * 0 + math.inf


@register_kl(Normal, Normal)
def _normal_normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(LogNormal, LogNormal)
def _log_normal_log_normal(p: LogNormal, q: LogNormal) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(HalfNormal, HalfNormal)
def _half_normal_half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal_normal(p.base_dist, q.base_dist)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    n: int = p.event_shape[0]
    if p.event_shape != q.event_shape:
        raise SpecError(
            "IG376",
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed",
            where=user_line(),
        )
    below, own = q.scale_tril, p.scale_tril
    lead = (below[..., 0, 0] + own[..., 0, 0]).shape
    below, own = below.expand((*lead, n, n)), own.expand((*lead, n, n))
    spread = solve_triangular(below, own, upper=False).square().sum((-2, -1))
    away = solve_triangular(below, (q.loc - p.loc).unsqueeze(-1), upper=False).square().sum((-2, -1))
    half_logs = below.diagonal(0, -2, -1).log().sum(-1) - own.diagonal(0, -2, -1).log().sum(-1)
    return half_logs + 0.5 * (spread + away - n)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    chance = p.probs
    t1 = chance * (softplus(-q.logits) - softplus(-p.logits))
    t2 = (1 - chance) * (softplus(q.logits) - softplus(p.logits))
    t1 = where(q.probs == 0, math.inf, t1)
    t1 = where(chance == 0, 0.0, t1)
    t2 = where(q.probs == 1, math.inf, t2)
    return t1 + where(chance == 1, 0.0, t2)


@register_kl(Binomial, Binomial)
def _binomial_binomial(p: Binomial, q: Binomial) -> Tensor:
    chance = p.probs
    found = p.total_count * (chance * (p.logits - q.logits) + (-chance).log1p() - (-q.probs).log1p())
    return where(p.total_count > q.total_count, math.inf, found)


@register_kl(Categorical, Categorical)
def _categorical_categorical(p: Categorical, q: Categorical) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    t = where(q.probs == 0, math.inf, t)
    return where(p.probs == 0, 0.0, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical_categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric_geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson_poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Exponential, Exponential)
def _exponential_exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _gamma_gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma() + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Beta, Beta)
def _beta_beta(p: Beta, q: Beta) -> Tensor:
    a, b, c, d = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    both = a + b
    normalisers = c.lgamma() + d.lgamma() + both.lgamma() - (c + d).lgamma() - a.lgamma() - b.lgamma()
    return normalisers + (a - c) * a.digamma() + (b - d) * b.digamma() + (c + d - both) * both.digamma()


@register_kl(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    sums = total.lgamma() - b.sum(-1).lgamma()
    parts = (a.lgamma() - b.lgamma()).sum(-1)
    return sums - parts + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Laplace, Laplace)
def _laplace_laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * (-away / p.scale).exp() - 1


@register_kl(Gumbel, Gumbel)
def _gumbel_gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio = p.scale / q.scale
    at_q, at_p = q.loc / q.scale, p.loc / q.scale
    first = -ratio.log() - at_q + at_p
    return first + ratio * EULER + (at_q + (1 + ratio).lgamma() - at_p).exp() - (1 + EULER)


@register_kl(Uniform, Uniform)
def _uniform_uniform(p: Uniform, q: Uniform) -> Tensor:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), math.inf, found)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Uniform, q: Normal) -> Tensor:
    width = p.high - p.low
    log_term = (math.sqrt(2 * math.pi) * q.scale / width).log()
    return log_term + (width.square() / 12 + ((p.high + p.low - 2 * q.loc) / 2).square()) / (2 * q.scale.square())


@register_kl(Laplace, Normal)
def _laplace_normal(p: Laplace, q: Normal) -> Tensor:
    variance = q.scale.square()
    ratio = p.scale.square() / variance
    first = 0.5 * (2 * ratio / math.pi).log()
    return -first + 0.5 * (p.loc - q.loc).square() / variance + ratio - 1


@register_kl(Normal, Laplace)
def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    away = p.loc - q.loc
    ratio, half = p.scale / q.scale, away / p.scale
    spread = math.sqrt(2 / math.pi) * p.scale * (-0.5 * half.square()).exp() + away * (math.sqrt(0.5) * half).erf()
    return -ratio.log() + spread / q.scale - (0.5 + 0.5 * math.log(0.5 * math.pi))


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    ratio = q.rate / p.rate
    return -q.concentration * ratio.log() + ratio + q.concentration.lgamma() + q.concentration * EULER - (1 + EULER)


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Gamma, q: Exponential) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Exponential, Normal)
def _exponential_normal(p: Exponential, q: Normal) -> Tensor:
    variance = q.scale.square()
    first = 0.5 * (p.rate.square() * variance * 2 * math.pi).log()
    rest = p.rate.reciprocal().square() - q.loc / p.rate + q.loc.square() / 2
    return first - 1 + rest / variance


@register_kl(Normal, Uniform)
@register_kl(Normal, Exponential)
@register_kl(Normal, Gamma)
@register_kl(Normal, Beta)
@register_kl(Laplace, Uniform)
@register_kl(Laplace, Exponential)
@register_kl(Laplace, Gamma)
@register_kl(Laplace, Beta)
@register_kl(Gumbel, Uniform)
@register_kl(Gumbel, Exponential)
@register_kl(Gumbel, Gamma)
@register_kl(Gumbel, Beta)
@register_kl(Exponential, Uniform)
@register_kl(Exponential, Beta)
@register_kl(Gamma, Uniform)
@register_kl(Gamma, Beta)
@register_kl(Poisson, Bernoulli)
@register_kl(Poisson, Binomial)
def _wider(p: Any, q: Any) -> Tensor:
    """p is not 0 where q is."""
    return _infinite(p.mean)


@register_kl(Independent, Independent)
def _independent_independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise UnavailableError("IG377", "no divergence of Independents of different depths", where=user_line())
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed_transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    """One invertible map on both sides changes nothing."""
    same = len(p.transforms) == len(q.transforms) and p.event_shape == q.event_shape
    if not same or not all(_equal(a, b) for a, b in zip(p.transforms, q.transforms, strict=True)):
        raise UnavailableError("IG377", "no divergence of differently transformed distributions", where=user_line())
    extra = len(p.event_shape) - len(p.base_dist.event_shape)
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), max(extra, 0))


def _equal(a: Any, b: Any) -> bool:
    """Whether two transforms are known to be one map."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    ours, theirs = ({k: v for k, v in vars(t).items() if not k.startswith("_")} for t in (a, b))
    if isinstance(a, AffineTransform) and any(is_tensor(v) for v in (a.loc, a.scale, b.loc, b.scale)):
        return a.loc is b.loc and a.scale is b.scale
    return all(isinstance(v, int | float) and theirs.get(k) == v for k, v in ours.items() if not _is_constraint(v))


def _is_constraint(value: Any) -> bool:
    return isinstance(value, Constraint)
