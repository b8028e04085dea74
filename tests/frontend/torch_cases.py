"""Small programs in the API that PyTorch and ingot share. Their results under PyTorch 2.13 are in golden/torch.json.

With PyTorch installed, `python tests/frontend/torch_cases.py` writes that file anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "torch.json"
# How many elements of a result are kept, evenly apart; with the sum of all of them.
KEPT = 12

# Called with the module, `torch` or `ingot`; a list of tensors.
Case = Callable[[Any], Any]


def data(torch: Any, *shape: int, seed: int = 0, scale: float = 2.0) -> Any:
    """Numbers in (-scale, scale] that repeat no pattern of the shape."""
    count = math.prod(shape)
    numbers = [((i * 7919 + seed * 104729 + 17) % 1009) / 1009 * 2 * scale - scale for i in range(count)]
    return torch.tensor(numbers, dtype=torch.float32).reshape(shape)


def positive(torch: Any, *shape: int, seed: int = 0) -> Any:
    """Numbers in (0, 1)."""
    return (data(torch, *shape, seed=seed, scale=0.999) + 1) / 2


def classes(torch: Any, *shape: int, count: int, seed: int = 0) -> Any:
    """Class numbers."""
    total = math.prod(shape)
    numbers = [(i * 7919 + seed * 31 + 5) % count for i in range(total)]
    return torch.tensor(numbers, dtype=torch.int64).reshape(shape)


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


def with_gradients(call: Callable[..., Any], *operands: Any) -> list[Any]:
    """The result and the gradients of its weighted sum by the floating operands."""
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in operands]
    result = call(*leaves)
    weights = (result.detach() * 0 + 1).reshape(-1).cumsum(0).reshape(result.shape)
    weights = weights / weights.sum() if result.numel() else weights
    (result * weights).sum().backward()
    return [result.detach(), *(t.grad for t in leaves if t.is_floating_point() and t.grad is not None)]


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


# ---- modules


def module_cases() -> Iterator[tuple[str, Case]]:
    """The seeded initial values of layers and what they compute."""
    layers: list[tuple[str, Callable[[Any], Any], tuple[int, ...]]] = [
        ("Linear", lambda nn: nn.Linear(8, 5), (3, 8)),
        ("Linear without bias", lambda nn: nn.Linear(8, 5, bias=False), (2, 3, 8)),
        ("Linear of nothing", lambda nn: nn.Linear(20, 700), (2, 20)),
        ("LayerNorm", lambda nn: nn.LayerNorm(8), (3, 8)),
        ("LayerNorm plain", lambda nn: nn.LayerNorm((3, 8), elementwise_affine=False), (2, 3, 8)),
        ("LayerNorm without bias", lambda nn: nn.LayerNorm(8, bias=False), (2, 3, 8)),
        ("RMSNorm", lambda nn: nn.RMSNorm(8), (2, 3, 8)),
        (
            "Sequential",
            lambda nn: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3), nn.LogSoftmax(-1)),
            (4, 8),
        ),
        ("Flatten", lambda nn: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (5, 3, 4)),
        ("Unflatten", lambda nn: nn.Unflatten(1, (2, -1)), (5, 8)),
        ("Softmax", lambda nn: nn.Softmax(dim=1), (5, 8)),
        ("GELU", lambda nn: nn.GELU(), (5, 8)),
        ("SiLU", lambda nn: nn.SiLU(), (5, 8)),
        ("Sigmoid", lambda nn: nn.Sigmoid(), (5, 8)),
        ("Tanh", lambda nn: nn.Tanh(), (5, 8)),
        ("LeakyReLU", lambda nn: nn.LeakyReLU(0.3), (5, 8)),
        ("Identity", lambda nn: nn.Identity(3, key=4), (5, 8)),
        ("Dropout at use", lambda nn: nn.Dropout(0.5).eval(), (5, 8)),
    ]
    for name, make, shape in layers:

        def case(torch: Any, make: Callable[[Any], Any] = make, shape: tuple[int, ...] = shape) -> list[Any]:
            torch.manual_seed(3)
            layer = make(torch.nn)
            after = torch.rand(2)
            state = [t.clone() for t in layer.state_dict().values()]
            found = with_gradients(layer, data(torch, *shape))
            return [after, *state, *found, *(p.grad for p in layer.parameters())]

        yield name, case

    def embedding(torch: Any) -> list[Any]:
        torch.manual_seed(3)
        layer = torch.nn.Embedding(7, 5, padding_idx=2)
        return [layer.weight.detach(), layer(classes(torch, 3, 4, count=7)).detach()]

    yield "Embedding", embedding
    losses: list[tuple[str, dict[str, Any]]] = [
        ("CrossEntropyLoss", {"label_smoothing": 0.2}),
        ("MSELoss", {}),
        ("L1Loss", {"reduction": "sum"}),
        ("BCELoss", {}),
        ("BCEWithLogitsLoss", {}),
        ("SmoothL1Loss", {"beta": 0.3}),
        ("HuberLoss", {"delta": 0.3}),
        ("KLDivLoss", {"reduction": "batchmean"}),
    ]
    for name, options in losses:

        def loss(torch: Any, name: str = name, options: dict[str, Any] = options) -> list[Any]:
            return [getattr(torch.nn, name)(**options)(positive(torch, 3, 5), positive(torch, 3, 5, seed=1))]

        yield f"{name}({options})", loss
    yield "NLLLoss", lambda torch: [torch.nn.NLLLoss()(data(torch, 3, 5), classes(torch, 3, count=5))]


def init_cases() -> Iterator[tuple[str, Case]]:
    """Initial values and what the generator gives after them."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("uniform_", {"a": -0.3, "b": 0.7}),
        ("normal_", {"mean": 1.0, "std": 0.02}),
        ("trunc_normal_", {"std": 0.02}),
        ("trunc_normal_", {"mean": 0.5, "std": 1.0, "a": -0.5, "b": 0.7}),
        ("kaiming_uniform_", {"a": math.sqrt(5)}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", {"nonlinearity": "relu"}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {}),
        ("zeros_", {}),
        ("ones_", {}),
        ("constant_", {"val": 0.25}),
        ("eye_", {}),
        ("orthogonal_", {}),
    ]
    for name, options in calls:
        for shape in ((5, 8), (3, 4), (4, 3, 2)):
            if name in ("eye_", "orthogonal_") and len(shape) > 2:
                continue

            def case(
                torch: Any, name: str = name, options: dict[str, Any] = options, shape: tuple[int, ...] = shape
            ) -> list[Any]:
                torch.manual_seed(5)
                return [getattr(torch.nn.init, name)(torch.empty(shape), **options), torch.rand(2)]

            yield f"{name}({options}) of {shape}", case
    yield (
        "calculate_gain",
        lambda torch: [
            torch.tensor(
                [
                    torch.nn.init.calculate_gain(*a)
                    for a in (("relu",), ("tanh",), ("leaky_relu", 0.3), ("selu",), ("linear",), ("sigmoid",))
                ]
            )
        ],
    )


# ---- optimisers


def optimiser_cases() -> Iterator[tuple[str, Case]]:
    """Losses and parameters over ten steps, with a schedule of learning rates, and the state at the end."""
    for name, options in OPTIMISERS:
        yield f"{name}({options})", training(name, options)


def training(name: str, options: dict[str, Any]) -> Case:
    """A run with one optimiser."""
    return lambda torch: trained(torch, name, options)


OPTIMISERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.4, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
]


def network(torch: Any) -> Any:
    """A small classifier of 8 numbers into 3 classes."""
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))


def training_step(torch: Any, model: Any, optimiser: Any) -> Callable[[Any, Any], Any]:
    """One step: gradients and update."""

    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def trained(torch: Any, name: str, options: dict[str, Any], compiled: bool = False) -> list[Any]:
    """Ten steps on ten batches; compiled as one program if asked."""
    model = network(torch)
    optimiser = getattr(torch.optim, name)(model.parameters(), **options)
    step: Any = training_step(torch, model, optimiser)
    if compiled:
        step = torch.jit(step)
    losses = []
    for i in range(10):
        losses.append(float(step(data(torch, 6, 8, seed=i), classes(torch, 6, count=3, seed=i))))
        optimiser.param_groups[0]["lr"] *= 0.9
    if compiled:
        assert step.stats()["compiles"] == 1, step.stats()
    state = optimiser.state_dict()["state"]
    return [
        torch.tensor(losses),
        *(p.detach() for p in model.parameters()),
        *(t for number in sorted(state) for _, t in sorted(state[number].items()) if t is not None),
    ]


FAMILIES: dict[str, Callable[[], Iterator[tuple[str, Case]]]] = {
    "rng": rng_cases,
    "activation": activation_cases,
    "loss": loss_cases,
    "normalisation": normalisation_cases,
    "module": module_cases,
    "init": init_cases,
    "optimiser": optimiser_cases,
}


def listed(family: str) -> list[tuple[str, Case]]:
    """The cases of a family."""
    return list(FAMILIES[family]())


def summary(tensor: Any) -> list[Any]:
    """[shape, some elements, the sum of all] as JSON has them; NaN and infinities as text."""
    wide = tensor.detach().to(dtype=_wide(tensor)).reshape(-1)
    numbers = wide.tolist()
    step = max(-(-len(numbers) // KEPT), 1)
    finite = [n for n in numbers if math.isfinite(n)]
    return [list(tensor.shape), [_text(n) for n in numbers[::step]], _text(math.fsum(finite) if finite else 0)]


def _wide(tensor: Any) -> Any:
    dtype = tensor.dtype
    return type(tensor)([0.0]).double().dtype if dtype.is_floating_point else type(tensor)([0]).long().dtype


def _text(number: float) -> Any:
    """Nine digits tell float32 numbers apart."""
    if isinstance(number, int):
        return number
    return float(f"{number:.9g}") if math.isfinite(number) else str(number)


def golden() -> dict[str, dict[str, Any]]:
    """family -> name -> summaries."""
    found: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text())
    return found


def main() -> None:
    """Write the golden file with the PyTorch that is installed."""
    import torch

    found = {family: {name: [summary(t) for t in case(torch)] for name, case in listed(family)} for family in FAMILIES}
    lines = []
    for family, cases in found.items():
        rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items())
        lines.append(f"  {json.dumps(family)}: {{\n{rows}\n  }}")
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
