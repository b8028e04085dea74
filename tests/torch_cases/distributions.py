"""Distributions: samples, densities, moments, entropies, divergences, transforms, mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peer import Case, given, integer, nograd, positive, real, unit

Make = Callable[..., Any]

# name: (make(D, parameters), parameters, value, whether samples are torch's, what else there is)
CONTINUOUS: dict[str, tuple[Make, list[Any], Any, bool, str]] = {
    "Normal": (
        lambda D, a, b: D.Normal(a, b),
        [real(3, 2), positive(2)],
        real(4, 3, 2),
        True,
        "cdf icdf entropy mode r",
    ),
    "Uniform": (
        lambda D, a, b: D.Uniform(a, a + b),
        [real(3), positive(3)],
        positive(3, high=0.1),
        True,
        "entropy r wide",
    ),
    "Exponential": (lambda D, a: D.Exponential(a), [positive(2, 3)], positive(3), True, "cdf icdf entropy mode r"),
    "Laplace": (lambda D, a, b: D.Laplace(a, b), [real(3), positive(3)], real(2, 3), True, "cdf icdf entropy mode r"),
    "LogNormal": (
        lambda D, a, b: D.LogNormal(a, b),
        [real(3), positive(3)],
        positive(2, 3),
        True,
        "cdf icdf entropy mode r",
    ),
    "HalfNormal": (lambda D, a: D.HalfNormal(a), [positive(3)], positive(2, 3), True, "cdf icdf entropy mode r"),
    "HalfCauchy": (lambda D, a: D.HalfCauchy(a), [positive(3)], positive(2, 3), True, "cdf icdf entropy mode"),
    "Cauchy": (lambda D, a, b: D.Cauchy(a, b), [real(3), positive(3)], real(2, 3), True, "cdf icdf entropy mode"),
    "Gumbel": (lambda D, a, b: D.Gumbel(a, b), [real(3), positive(3)], real(2, 3), True, "cdf icdf entropy mode r"),
    "StudentT": (
        lambda D, a, b, c: D.StudentT(a + 2, b, c),
        [positive(3), real(3), positive(3)],
        real(2, 3),
        False,
        "entropy mode",
    ),
    "Gamma": (lambda D, a, b: D.Gamma(a, b), [positive(3), positive(3)], positive(2, 3), False, "entropy mode"),
    "Chi2": (lambda D, a: D.Chi2(a), [positive(3)], positive(2, 3), False, "entropy mode"),
    "Beta": (
        lambda D, a, b: D.Beta(a + 1, b + 1),
        [positive(3), positive(3)],
        positive(2, 3, high=0.9),
        False,
        "entropy mode",
    ),
    "Dirichlet": (lambda D, a: D.Dirichlet(a + 1), [positive(2, 3)], None, False, "entropy mode"),
    "MultivariateNormal tril": (
        lambda D, a, b: D.MultivariateNormal(a, scale_tril=b.tril(-1) + b.diagonal(0, -2, -1).exp().diag_embed()),
        [real(2, 3), real(3, 3)],
        real(4, 2, 3),
        True,
        "entropy mode r",
    ),
    "Independent": (
        lambda D, a, b: D.Independent(D.Normal(a, b), 1),
        [real(2, 3), positive(3)],
        real(4, 2, 3),
        True,
        "entropy mode r",
    ),
    "TransformedDistribution": (
        lambda D, a, b: D.TransformedDistribution(
            D.Normal(a, b), [D.transforms.AffineTransform(0.5, -2.0), D.transforms.SigmoidTransform()]
        ),
        [real(3), positive(3)],
        positive(2, 3, high=0.9),
        True,
        "cdf icdf r nomoments",
    ),
    "TransformedDistribution tanh": (
        lambda D, a, b: D.TransformedDistribution(D.Independent(D.Normal(a, b), 1), D.transforms.TanhTransform()),
        [real(2, 3), positive(3)],
        unit(2, 3),
        True,
        "r nomoments",
    ),
    "MixtureSameFamily": (
        lambda D, a, b, c: D.MixtureSameFamily(D.Categorical(logits=c), D.Normal(a, b)),
        [real(2, 3), positive(3), real(2, 3)],
        real(4, 2),
        True,
        "cdf",
    ),
    "RelaxedBernoulli": (
        lambda D, a: D.RelaxedBernoulli(a.detach().sum() * 0 + 0.5, logits=a),
        [real(3)],
        positive(2, 3, high=0.9),
        True,
        "r nomoments",
    ),
}
DISCRETE: dict[str, tuple[Make, list[Any], Any, bool, str]] = {
    "Bernoulli probs": (
        lambda D, a: D.Bernoulli(a),
        [positive(3, high=0.9)],
        integer(4, 3, low=0, high=2),
        True,
        "entropy mode enumerate",
    ),
    "Bernoulli logits": (
        lambda D, a: D.Bernoulli(logits=a),
        [real(2, 3)],
        integer(2, 3, low=0, high=2),
        True,
        "entropy mode enumerate",
    ),
    "Geometric": (
        lambda D, a: D.Geometric(a),
        [positive(3, high=0.9)],
        integer(4, 3, low=0, high=9),
        True,
        "entropy mode",
    ),
    "Poisson": (lambda D, a: D.Poisson(a), [positive(3)], integer(4, 3, low=0, high=9), False, "mode"),
    "Binomial": (
        lambda D, a: D.Binomial(5, a),
        [positive(3, high=0.9)],
        integer(4, 3, low=0, high=6),
        False,
        "entropy mode enumerate",
    ),
    "Binomial logits": (
        lambda D, a: D.Binomial(5, logits=a),
        [real(3)],
        integer(4, 3, low=0, high=6),
        False,
        "entropy mode enumerate",
    ),
    "Categorical probs": (
        lambda D, a: D.Categorical(a),
        [positive(2, 4)],
        integer(5, 2, low=0, high=4),
        True,
        "entropy mode enumerate",
    ),
    "Categorical logits": (
        lambda D, a: D.Categorical(logits=a),
        [real(3, 4)],
        integer(3, low=0, high=4),
        True,
        "entropy mode enumerate",
    ),
    "OneHotCategorical": (
        lambda D, a: D.OneHotCategorical(a),
        [positive(3, 4)],
        nograd(given([[0.0, 1.0, 0.0, 0.0]])),
        True,
        "entropy mode enumerate",
    ),
    "Multinomial": (lambda D, a: D.Multinomial(4, a), [positive(2, 3)], nograd(given([[1.0, 3.0, 0.0]])), True, ""),
}
LOOSE: dict[str, Any] = {"rtol": 3e-4}


def table_cases() -> list[Case]:
    found = []
    for name, (make, parameters, value, same, more) in (CONTINUOUS | DISCRETE).items():
        # In `dtypes` the parameters' dtype; a value of the samples' dtype.
        def log_prob(T: Any, *tensors: Any, make: Make = make) -> Any:
            *given_, x = tensors
            d = make(T.distributions, *given_)
            return d.log_prob(x if x.dtype.is_floating_point else x.to(given_[0].dtype))

        if value is not None and "wide" not in more:
            found.append(Case(f"{name} log_prob", log_prob, [*parameters, value], **LOOSE))
        if "nomoments" not in more:
            found.append(
                Case(
                    f"{name} moments",
                    lambda T, *p, make=make: (lambda d: (d.mean, d.variance, d.stddev))(make(T.distributions, *p)),
                    parameters,
                    **LOOSE,
                )
            )
        found.append(
            Case(
                f"{name} shapes",
                lambda T, *p, make=make: (
                    lambda d, e: (
                        [tuple(d.batch_shape), tuple(d.event_shape), tuple(d.sample((2, 1)).shape), d.has_rsample],
                        [tuple(e.batch_shape), tuple(e.event_shape), tuple(e.sample().shape)],
                        d.has_enumerate_support,
                        str(d.sample().dtype).split(".")[-1],
                    )
                )(
                    make(T.distributions, *p),
                    make(T.distributions, *p).expand((5, *make(T.distributions, *p).batch_shape)),
                ),
                [nograd(p) for p in parameters],
                jit=False,
                layouts=False,
            )
        )
        for what in ("entropy", "mode"):
            if what in more:
                found.append(
                    Case(
                        f"{name} {what}",
                        lambda T, *p, make=make, what=what: (
                            lambda v: v() if callable(v) and not hasattr(v, "dtype") else v
                        )(getattr(make(T.distributions, *p), what)),
                        parameters,
                        grad=what == "entropy",
                        **LOOSE,
                    )
                )
        if "cdf" in more.split():
            found.append(
                Case(
                    f"{name} cdf",
                    lambda T, *t, make=make: make(T.distributions, *t[:-1]).cdf(t[-1]),
                    [*parameters, value],
                    **LOOSE,
                )
            )
        if "icdf" in more.split():
            found.append(
                Case(
                    f"{name} icdf",
                    lambda T, *t, make=make: make(T.distributions, *t[:-1]).icdf(t[-1]),
                    [*parameters, nograd(positive(1, high=0.9))],
                    rtol=2e-3,
                )
            )
        if "enumerate" in more:
            found += [
                Case(
                    f"{name} enumerate_support",
                    lambda T, *p, make=make: make(T.distributions, *p).enumerate_support(),
                    [nograd(p) for p in parameters],
                ),
                Case(
                    f"{name} enumerate_support alone",
                    lambda T, *p, make=make: make(T.distributions, *p).enumerate_support(expand=False),
                    [nograd(p) for p in parameters],
                ),
            ]
        if same:
            found.append(
                Case(
                    f"{name} sample",
                    lambda T, *p, make=make: make(T.distributions, *p).sample((3,)),
                    parameters,
                    seeded=True,
                    grad=False,
                    layouts=False,
                    **LOOSE,
                )
            )
        if same and "r" in more.split():
            found.append(
                Case(
                    f"{name} rsample",
                    lambda T, *p, make=make: make(T.distributions, *p).rsample((3, 2)),
                    parameters,
                    seeded=True,
                    layouts=False,
                    rtol=1e-3,
                )
            )
    return found


PAIRS: dict[str, tuple[Make, Make]] = {
    "Normal Normal": (lambda D, a, b: D.Normal(a, b), lambda D, a, b: D.Normal(a, b)),
    "LogNormal LogNormal": (lambda D, a, b: D.LogNormal(a, b), lambda D, a, b: D.LogNormal(a, b)),
    "HalfNormal HalfNormal": (lambda D, a, b: D.HalfNormal(b), lambda D, a, b: D.HalfNormal(b)),
    "Laplace Laplace": (lambda D, a, b: D.Laplace(a, b), lambda D, a, b: D.Laplace(a, b)),
    "Gumbel Gumbel": (lambda D, a, b: D.Gumbel(a, b), lambda D, a, b: D.Gumbel(a, b)),
    "Gamma Gamma": (lambda D, a, b: D.Gamma(b, b + 1), lambda D, a, b: D.Gamma(b + 2, b)),
    "Beta Beta": (lambda D, a, b: D.Beta(b, b + 1), lambda D, a, b: D.Beta(b + 2, b)),
    "Dirichlet Dirichlet": (lambda D, a, b: D.Dirichlet(b), lambda D, a, b: D.Dirichlet(b + 1)),
    "Exponential Exponential": (lambda D, a, b: D.Exponential(b), lambda D, a, b: D.Exponential(b)),
    "Poisson Poisson": (lambda D, a, b: D.Poisson(b), lambda D, a, b: D.Poisson(b)),
    "Bernoulli Bernoulli": (lambda D, a, b: D.Bernoulli(logits=a), lambda D, a, b: D.Bernoulli(logits=a)),
    "Categorical Categorical": (lambda D, a, b: D.Categorical(logits=a), lambda D, a, b: D.Categorical(b)),
    "OneHot OneHot": (lambda D, a, b: D.OneHotCategorical(logits=a), lambda D, a, b: D.OneHotCategorical(b)),
    "Binomial Binomial": (lambda D, a, b: D.Binomial(3, logits=a), lambda D, a, b: D.Binomial(3, logits=a)),
    "Geometric Geometric": (lambda D, a, b: D.Geometric(logits=a), lambda D, a, b: D.Geometric(logits=a)),
    "Uniform Uniform": (lambda D, a, b: D.Uniform(-b, b), lambda D, a, b: D.Uniform(-b - 4, b + 4)),
    "Uniform Normal": (lambda D, a, b: D.Uniform(-b, b), lambda D, a, b: D.Normal(a, b)),
    "Normal Laplace": (lambda D, a, b: D.Normal(a, b), lambda D, a, b: D.Laplace(a, b)),
    "Laplace Normal": (lambda D, a, b: D.Laplace(a, b), lambda D, a, b: D.Normal(a, b)),
    "Exponential Gamma": (lambda D, a, b: D.Exponential(b), lambda D, a, b: D.Gamma(b, b)),
    "Gamma Exponential": (lambda D, a, b: D.Gamma(b, b), lambda D, a, b: D.Exponential(b)),
    "Exponential Normal": (lambda D, a, b: D.Exponential(b), lambda D, a, b: D.Normal(a, b)),
    "Independent Independent": (
        lambda D, a, b: D.Independent(D.Normal(a, b), 1),
        lambda D, a, b: D.Independent(D.Normal(a, b), 1),
    ),
    "MultivariateNormal MultivariateNormal": (
        lambda D, a, b: D.MultivariateNormal(a, scale_tril=b.diag_embed()),
        lambda D, a, b: D.MultivariateNormal(a, scale_tril=b.diag_embed()),
    ),
    "Transformed Transformed": (
        lambda D, a, b: D.TransformedDistribution(D.Normal(a, b), [D.transforms.ExpTransform()]),
        lambda D, a, b: D.TransformedDistribution(D.Normal(a, b), [D.transforms.ExpTransform()]),
    ),
    "Normal Uniform": (lambda D, a, b: D.Normal(a, b), lambda D, a, b: D.Uniform(-b, b)),
}


def divergence_cases() -> list[Case]:
    return [
        Case(
            f"kl {name}",
            lambda T, a, b, c, d, p=p, q=q: T.distributions.kl_divergence(
                p(T.distributions, a, b), q(T.distributions, c, d)
            ),
            [real(2, 3), positive(2, 3, low=0.5), real(2, 3), positive(2, 3, low=0.5)],
            grad=name != "Normal Uniform",
            rtol=1e-3,
        )
        for name, (p, q) in PAIRS.items()
    ]


TRANSFORMS: dict[str, tuple[Make, Any]] = {
    "Exp": (lambda t: t.ExpTransform(), real(2, 3)),
    "Power": (lambda t: t.PowerTransform(2.0), positive(2, 3)),
    "Sigmoid": (lambda t: t.SigmoidTransform(), real(2, 3)),
    "Tanh": (lambda t: t.TanhTransform(), real(2, 3)),
    "Softplus": (lambda t: t.SoftplusTransform(), real(2, 3)),
    "Affine": (lambda t: t.AffineTransform(1.0, -2.0), real(2, 3)),
    "Affine event": (lambda t: t.AffineTransform(1.0, 3.0, event_dim=1), real(2, 3)),
    "StickBreaking": (lambda t: t.StickBreakingTransform(), real(2, 3)),
    "Compose": (lambda t: t.ComposeTransform([t.AffineTransform(0.0, 2.0), t.TanhTransform()]), real(2, 3)),
    "Independent": (lambda t: t.IndependentTransform(t.ExpTransform(), 1), real(2, 3)),
    "inverse": (lambda t: t.ExpTransform().inv, positive(2, 3)),
    "cached": (lambda t: t.TanhTransform(cache_size=1), real(2, 3)),
}


def transform_cases() -> list[Case]:
    found = []
    for name, (make, x) in TRANSFORMS.items():

        def run(T: Any, x: Any, make: Make = make) -> Any:
            t = make(T.distributions.transforms)
            y = t(x)
            return y, t.inv(y), t.log_abs_det_jacobian(x, y)

        found.append(Case(f"transform {name}", run, [x], rtol=1e-3))
    return [
        *found,
        Case("transform Softmax", lambda T, x: T.distributions.transforms.SoftmaxTransform()(x), [real(2, 3)]),
        Case(
            "transform LowerCholesky", lambda T, x: T.distributions.transforms.LowerCholeskyTransform()(x), [real(3, 3)]
        ),
        Case("transform Abs", lambda T, x: T.distributions.transforms.AbsTransform()(x), [real(3)]),
    ]


CASES = [
    *table_cases(),
    *divergence_cases(),
    *transform_cases(),
    Case("Normal of numbers", lambda T: T.distributions.Normal(0.0, 1.0).sample((20,)), seeded=True, rtol=1e-4),
    Case("Normal of a number and a tensor", lambda T, a: T.distributions.Normal(a, 2.0).log_prob(a), [real(3)]),
    Case("Normal of ints", lambda T: T.distributions.Normal(0, 1).log_prob(T.tensor(0.5))),
    Case(
        "Uniform log_prob outside",
        lambda T, x: T.distributions.Uniform(0.0, 1.0, validate_args=False).log_prob(x),
        [nograd(real(8))],
    ),
    Case("Uniform cdf", lambda T, x: T.distributions.Uniform(-3.0, 3.0).cdf(x), [real(8)]),
    Case(
        "straight through",
        lambda T, p: T.distributions.OneHotCategoricalStraightThrough(p).rsample((2,)),
        [positive(3, 4)],
        seeded=True,
        layouts=False,
        rtol=1e-3,
    ),
    Case(
        "RelaxedOneHotCategorical",
        lambda T, p: T.distributions.RelaxedOneHotCategorical(0.7, p).rsample((2,)),
        [positive(3, 4)],
        seeded=True,
        layouts=False,
        rtol=1e-3,
    ),
    Case(
        "MVN covariance",
        lambda T, a, b: T.distributions.MultivariateNormal(a, b @ b.mT + T.eye(3, dtype=b.dtype)).log_prob(a + 1),
        [real(3), real(3, 3)],
        rtol=1e-3,
    ),
    Case(
        "MVN precision",
        lambda T, a, b: T.distributions.MultivariateNormal(
            a, precision_matrix=b @ b.mT + T.eye(3, dtype=b.dtype)
        ).log_prob(a + 1),
        [real(3), real(3, 3)],
        rtol=1e-3,
    ),
    Case(
        "MVN matrices",
        lambda T, a, b: (lambda d: (d.covariance_matrix, d.precision_matrix, d.scale_tril))(
            T.distributions.MultivariateNormal(a, b @ b.mT + T.eye(3, dtype=b.dtype))
        ),
        [real(3), real(3, 3)],
        rtol=1e-3,
    ),
    Case("perplexity", lambda T, a: T.distributions.Categorical(logits=a).perplexity(), [real(3, 4)]),
    Case(
        "policy gradient",
        lambda T, a: (lambda d: d.log_prob(d.sample()))(T.distributions.Categorical(logits=a)),
        [real(5, 4)],
        seeded=True,
        layouts=False,
    ),
    Case(
        "expand",
        lambda T, a, b: (lambda d: (d.log_prob(a * 0), d.mean))(T.distributions.Normal(a, b).expand((4, 3))),
        [real(3), positive(3)],
    ),
    Case.misuse("Normal scale", lambda T: T.distributions.Normal(0.0, -1.0)),
    Case.misuse("Normal NaN", lambda T: T.distributions.Normal(float("nan"), 1.0)),
    Case.misuse("Normal of unfit shapes", lambda T, a, b: T.distributions.Normal(a, b), [real(2), positive(3)]),
    Case.misuse("Uniform order", lambda T: T.distributions.Uniform(1.0, 0.0)),
    Case.misuse("Uniform outside", lambda T: T.distributions.Uniform(0.0, 1.0).log_prob(T.tensor(2.0))),
    Case.misuse("Bernoulli both", lambda T: T.distributions.Bernoulli(probs=0.5, logits=0.0)),
    Case.misuse("Bernoulli neither", lambda T: T.distributions.Bernoulli()),
    Case.misuse("Bernoulli value", lambda T: T.distributions.Bernoulli(0.5).log_prob(T.tensor(0.5))),
    Case.misuse("Bernoulli probs", lambda T: T.distributions.Bernoulli(1.5)),
    Case.misuse("Categorical 0-d", lambda T: T.distributions.Categorical(T.tensor(0.5))),
    Case.misuse("Categorical value", lambda T, p: T.distributions.Categorical(p).log_prob(T.tensor(7)), [positive(3)]),
    Case.misuse(
        "Categorical value shape", lambda T, p: T.distributions.Categorical(p).log_prob(T.zeros(3)), [positive(2, 3)]
    ),
    Case.misuse("log_prob of a number", lambda T: T.distributions.Normal(0.0, 1.0).log_prob(0.5)),
    Case.misuse("Exponential outside", lambda T: T.distributions.Exponential(1.0).log_prob(T.tensor(-1.0))),
    Case.misuse("Dirichlet 0-d", lambda T: T.distributions.Dirichlet(T.tensor(0.5))),
    Case.misuse("MVN two matrices", lambda T, a: T.distributions.MultivariateNormal(a, T.eye(2), T.eye(2)), [real(2)]),
    Case.misuse("MVN indefinite", lambda T, a: T.distributions.MultivariateNormal(a, -T.eye(2)), [real(2)]),
    Case.misuse(
        "Independent too deep", lambda T, a: T.distributions.Independent(T.distributions.Normal(a, 1.0), 2), [real(2)]
    ),
    Case.misuse("Poisson rsample", lambda T: T.distributions.Poisson(1.0).rsample()),
    Case.misuse("Poisson entropy", lambda T: T.distributions.Poisson(1.0).entropy()),
    Case.misuse(
        "kl unknown",
        lambda T: T.distributions.kl_divergence(T.distributions.Cauchy(0.0, 1.0), T.distributions.Gamma(1.0, 1.0)),
    ),
    Case.misuse(
        "Transformed of no transform",
        lambda T: T.distributions.TransformedDistribution(T.distributions.Normal(0.0, 1.0), [1]),
    ),
]
