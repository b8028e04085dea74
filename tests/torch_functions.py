"""Functions in the API that PyTorch and ingot share: random numbers, activations, losses, normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from torch_values import Case, classes, data, positive, with_gradients

# ---- random numbers


def rng_cases() -> Iterator[tuple[str, Case]]:
    """Two draws and what the generator gives after them, for every way of drawing."""

    def drawn(draw: Callable[[Any], Any], seed: int) -> Case:
        def case(torch: Any) -> list[Any]:
            torch.manual_seed(seed)
            return [draw(torch), draw(torch), torch.rand(3)]

        return case

    for seed in (8, 123456789012):
        for name, draw in _draws():
            yield f"{name} seed {seed}", drawn(draw, seed)


def _draws() -> Iterator[tuple[str, Case]]:
    for kind in ("float32", "float64", "float16", "bfloat16"):
        yield f"rand {kind}", calling("rand", 3, 4, dtype=kind)
        for n in (1, 5, 15, 16, 17, 32, 100, 700):
            yield f"randn({n}) {kind}", calling("randn", n, dtype=kind)
        for n in (5, 50):
            for method, arguments in IN_PLACE:
                yield f"{method}{arguments} of {n} {kind}", filling(method, arguments, (n,), kind)
        yield f"bernoulli {kind}", bernoulli(kind)
        for method in ("uniform_", "normal_", "random_"):
            yield f"{method} transposed {kind}", filling(method, (), (6, 8), kind, transposed=True)
    for high in (2, 1000, 2**28 - 1, 2**28, 2**31, 2**32 - 5, 2**32, 2**62):
        yield f"randint({high})", calling("randint", high, (7,))
        yield f"randint(-5, {high})", calling("randint", -5, high, (7,))
    for kind in ("int64", "int32", "int16", "int8", "uint8", "bool"):
        yield f"random_ {kind}", filling("random_", (), (9,), kind)
    for n in (0, 1, 2, 10, 1000):
        yield f"randperm({n})", calling("randperm", n)
    yield "normal of tensors", lambda torch: torch.normal(torch.arange(20.0), torch.arange(1, 21.0))
    yield "normal of few", lambda torch: torch.normal(torch.arange(5.0), 2.0)
    yield "normal of a size", lambda torch: torch.normal(2.0, 3.0, (4,))
    yield "rand_like", lambda torch: torch.rand_like(torch.zeros(2, 3))
    yield "randn_like", lambda torch: torch.randn_like(torch.zeros(2, 3))
    yield "randint_like", lambda torch: torch.randint_like(torch.zeros(5), 10)
    yield "multinomial", lambda torch: torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), 2)
    yield (
        "multinomial with replacement",
        lambda torch: torch.multinomial(torch.tensor([[1.0, 2, 3], [3, 2, 0]]), 9, True),
    )


IN_PLACE: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("uniform_", (-3, 7)),
    ("uniform_", (-0.1, 0.3)),
    ("normal_", (2, 3)),
    ("exponential_", (2,)),
    ("random_", ()),
    ("random_", (7,)),
    ("random_", (-5, 7)),
)


def calling(name: str, *args: Any, dtype: str | None = None) -> Case:
    """A function of the module."""

    def case(torch: Any) -> Any:
        options = {} if dtype is None else {"dtype": getattr(torch, dtype)}
        return getattr(torch, name)(*args, **options)

    return case


def filling(
    method: str, arguments: tuple[float, ...], shape: tuple[int, ...], dtype: str, transposed: bool = False
) -> Case:
    """A method that fills memory."""

    def case(torch: Any) -> Any:
        made = torch.empty(*shape, dtype=getattr(torch, dtype))
        return getattr(made.t() if transposed else made, method)(*arguments)

    return case


def bernoulli(dtype: str) -> Case:
    """By the probabilities in a tensor."""
    return lambda torch: torch.bernoulli(torch.full((20,), 0.3, dtype=getattr(torch, dtype)))


# ---- functions


def activation_cases() -> Iterator[tuple[str, Case]]:
    """Activations and their gradients, at kinks, infinities and NaN too."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("relu", {}),
        ("relu6", {}),
        ("hardtanh", {}),
        ("leaky_relu", {}),
        ("leaky_relu", {"negative_slope": 0.2}),
        ("elu", {"alpha": 0.7}),
        ("selu", {}),
        ("celu", {"alpha": 0.7}),
        ("gelu", {}),
        ("gelu", {"approximate": "tanh"}),
        ("silu", {}),
        ("mish", {}),
        ("softplus", {}),
        ("softplus", {"beta": 2.0, "threshold": 1.0}),
        ("softsign", {}),
        ("tanhshrink", {}),
        ("logsigmoid", {}),
        ("hardsigmoid", {}),
        ("hardswish", {}),
        ("sigmoid", {}),
        ("tanh", {}),
        ("softmax", {"dim": -1}),
        ("log_softmax", {"dim": -1}),
        ("softmin", {"dim": 0}),
        ("glu", {}),
        ("normalize", {}),
        ("threshold", {"threshold": 0.1, "value": 20.0}),
        ("dropout", {"training": False}),
        ("dropout", {"p": 0.0}),
        ("softshrink", {"lambd": 0.3}),
        ("hardshrink", {"lambd": 0.3}),
    ]
    for name, options in calls:

        def case(torch: Any, name: str = name, options: dict[str, Any] = options) -> list[Any]:
            function = getattr(torch.nn.functional, name)
            found = with_gradients(lambda x: function(x, **options), data(torch, 4, 6, scale=4.0))
            points = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 88.0, -88.0, math.nan]
            # PyTorch's vectorised gelu gives NaN at infinity.
            special = torch.tensor([points + ([math.inf, -math.inf] if name != "gelu" else [0.5, 0.5])])
            return [*found, function(special, **options)]

        yield f"{name}({options})", case

        def kink(torch: Any, name: str = name, options: dict[str, Any] = options) -> list[Any]:
            function = getattr(torch.nn.functional, name)
            points = torch.tensor([[0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.1, 0.3, -0.3]])
            return with_gradients(lambda x: function(x, **options), points)

        yield f"{name}({options}) at kinks", kink


def loss_cases() -> Iterator[tuple[str, Case]]:
    """Losses, their options, and their gradients."""
    for reduction in ("mean", "sum", "none"):
        for name, options in PAIRED:
            yield f"{name}({options}) {reduction}", paired(name, {**options, "reduction": reduction})
            at_zero = paired(name, {**options, "reduction": reduction}, scale=0.0)
            yield f"{name}({options}) of zeros {reduction}", at_zero
        yield f"binary_cross_entropy {reduction}", binary(reduction)
        yield f"binary_cross_entropy_with_logits weights {reduction}", binary_with_logits(reduction)
        yield from _cross_entropy_cases(reduction)
    yield "binary_cross_entropy at 0 and 1", binary_at_ends
    yield "kl_div batchmean", paired("kl_div", {"reduction": "batchmean", "log_target": True})
    yield "cosine_similarity", paired("cosine_similarity", {})


PAIRED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.5}),
    ("smooth_l1_loss", {"beta": 0.0}),
    ("huber_loss", {"delta": 0.5}),
    ("binary_cross_entropy_with_logits", {}),
    ("poisson_nll_loss", {"full": True}),
    ("kl_div", {}),
)


def paired(name: str, options: dict[str, Any], scale: float = 2.0) -> Case:
    """A loss of predictions and targets."""

    def case(torch: Any) -> list[Any]:
        function = getattr(torch.nn.functional, name)
        predicted = data(torch, 3, 5, scale=scale)
        return with_gradients(lambda x, y: function(x, y, **options), predicted, positive(torch, 3, 5, seed=1))

    return case


def binary(reduction: str) -> Case:
    """binary_cross_entropy with weights."""

    def case(torch: Any) -> list[Any]:
        weight = positive(torch, 5, seed=2)
        return with_gradients(
            lambda x, y: torch.nn.functional.binary_cross_entropy(x, y, weight, reduction=reduction),
            positive(torch, 3, 5),
            positive(torch, 3, 5, seed=1),
        )

    return case


def binary_with_logits(reduction: str) -> Case:
    """binary_cross_entropy_with_logits with weights and large logits."""

    def case(torch: Any) -> list[Any]:
        options = {"reduction": reduction, "pos_weight": positive(torch, 5, seed=3)}
        weight = positive(torch, 5, seed=2)
        return with_gradients(
            lambda x, y: torch.nn.functional.binary_cross_entropy_with_logits(x, y, weight, **options),
            data(torch, 3, 5, scale=30.0),
            positive(torch, 3, 5, seed=1),
        )

    return case


def binary_at_ends(torch: Any) -> list[Any]:
    """Probabilities 0 and 1, right and wrong."""
    given, wanted = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    return [torch.nn.functional.binary_cross_entropy(given, wanted, reduction="none")]


def _cross_entropy_cases(reduction: str) -> Iterator[tuple[str, Case]]:
    for shape in ((5,), (4, 5), (4, 5, 3), (2, 5, 3, 2), (0, 5)):
        targets = shape[:1] + shape[2:] if len(shape) > 1 else ()
        if math.prod(shape) == 0 and reduction == "mean":
            continue
        for weighted in (False, True):
            for options in (
                {},
                {"ignore_index": 2},
                {"label_smoothing": 0.1},
                {"ignore_index": 2, "label_smoothing": 0.1},
            ):

                def hard(
                    torch: Any,
                    shape: tuple[int, ...] = shape,
                    targets: tuple[int, ...] = targets,
                    weighted: bool = weighted,
                    options: dict[str, Any] = options,
                ) -> list[Any]:
                    weight = positive(torch, 5, seed=2) if weighted else None
                    target = classes(torch, *targets, count=5)
                    return with_gradients(
                        lambda x: torch.nn.functional.cross_entropy(x, target, weight, reduction=reduction, **options),
                        data(torch, *shape),
                    )

                yield f"cross_entropy {shape} weighted={weighted} {options} {reduction}", hard

            def soft(torch: Any, shape: tuple[int, ...] = shape, weighted: bool = weighted) -> list[Any]:
                weight = positive(torch, 5, seed=2) if weighted else None
                return with_gradients(
                    lambda x, y: torch.nn.functional.cross_entropy(
                        x, y, weight, reduction=reduction, label_smoothing=0.1
                    ),
                    data(torch, *shape),
                    positive(torch, *shape, seed=1),
                )

            yield f"cross_entropy of probabilities {shape} weighted={weighted} {reduction}", soft

            def nll(
                torch: Any,
                shape: tuple[int, ...] = shape,
                targets: tuple[int, ...] = targets,
                weighted: bool = weighted,
            ) -> list[Any]:
                weight = positive(torch, 5, seed=2) if weighted else None
                target = classes(torch, *targets, count=5, seed=1)
                return with_gradients(
                    lambda x: torch.nn.functional.nll_loss(x, target, weight, ignore_index=1, reduction=reduction),
                    data(torch, *shape),
                )

            yield f"nll_loss {shape} weighted={weighted} {reduction}", nll


def normalisation_cases() -> Iterator[tuple[str, Case]]:
    """layer_norm, rms_norm, embedding, linear, and their gradients."""

    def functional(name: str, *shapes: tuple[int, ...], options: tuple[Any, ...] = ()) -> Case:
        def case(torch: Any) -> list[Any]:
            operands = [data(torch, *shape, seed=i) for i, shape in enumerate(shapes)]
            return with_gradients(lambda x, *rest: getattr(torch.nn.functional, name)(x, *options, *rest), *operands)

        return case

    yield "layer_norm", functional("layer_norm", (2, 3, 8), (8,), (8,), options=((8,),))
    yield "layer_norm over two", functional("layer_norm", (2, 3, 8), (3, 8), (3, 8), options=((3, 8),))
    yield "layer_norm plain", functional("layer_norm", (4, 8), options=((8,),))
    yield "rms_norm", functional("rms_norm", (4, 8), (8,), options=((8,),))
    yield "linear", functional("linear", (2, 3, 4), (5, 4), (5,))
    yield "linear of a vector", functional("linear", (4,), (5, 4), (5,))
    yield "linear without bias", functional("linear", (3, 4), (5, 4))

    def embedding(torch: Any) -> list[Any]:
        rows = classes(torch, 3, 4, count=7)
        found = with_gradients(lambda w: torch.nn.functional.embedding(rows, w), data(torch, 7, 5))
        return found + with_gradients(
            lambda w: torch.nn.functional.embedding(rows, w, padding_idx=-2), data(torch, 7, 5)
        )

    yield "embedding", embedding
    yield "one_hot", lambda torch: [torch.nn.functional.one_hot(classes(torch, 3, 4, count=7), 9)]
