"""Every activation, as a function, in place and as a module, at its corners too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peer import Case, given, integer, real

X = real(3, 4, low=-5.0, high=5.0)
# Corners of the functions below, infinities and NaN.
CORNERS = given(
    [-float("inf"), -30.0, -6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 30.0, float("inf"), float("nan")]
)
FINITE = given([-200.0, -30.0, -6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 30.0, 200.0])

# name of the function, of the module, options, whether it can work in place
FUNCTIONS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("relu", "ReLU", {}, True),
    ("relu6", "ReLU6", {}, True),
    ("hardtanh", "Hardtanh", {}, True),
    ("hardtanh", "Hardtanh", {"min_val": -0.5, "max_val": 3.0}, True),
    ("leaky_relu", "LeakyReLU", {}, True),
    ("leaky_relu", "LeakyReLU", {"negative_slope": 0.3}, True),
    ("rrelu", "RReLU", {"lower": 0.2, "upper": 0.2}, True),
    ("elu", "ELU", {}, True),
    ("elu", "ELU", {"alpha": 0.3}, True),
    ("selu", "SELU", {}, True),
    ("celu", "CELU", {}, True),
    ("celu", "CELU", {"alpha": 2.0}, True),
    ("silu", "SiLU", {}, True),
    ("mish", "Mish", {}, True),
    ("hardswish", "Hardswish", {}, True),
    ("hardsigmoid", "Hardsigmoid", {}, True),
    ("threshold", "Threshold", {"threshold": 0.5, "value": -7.0}, True),
    ("gelu", "GELU", {}, False),
    ("gelu", "GELU", {"approximate": "tanh"}, False),
    ("sigmoid", "Sigmoid", {}, False),
    ("tanh", "Tanh", {}, False),
    ("logsigmoid", "LogSigmoid", {}, False),
    ("tanhshrink", "Tanhshrink", {}, False),
    ("softsign", "Softsign", {}, False),
    ("softplus", "Softplus", {}, False),
    ("softplus", "Softplus", {"beta": 2.0, "threshold": 1.0}, False),
    ("softshrink", "Softshrink", {}, False),
    ("softshrink", "Softshrink", {"lambd": 1.0}, False),
    ("hardshrink", "Hardshrink", {}, False),
    ("hardshrink", "Hardshrink", {"lambd": 1.0}, False),
    ("softmax", "Softmax", {"dim": 0}, False),
    ("softmin", "Softmin", {"dim": -1}, False),
    ("log_softmax", "LogSoftmax", {"dim": -1}, False),
]


def kinds(name: str, module: str, options: dict[str, Any], inplace: bool) -> list[Case]:
    """One function with its options."""

    def call(T: Any, x: Any, **more: Any) -> Any:
        return getattr(T.nn.functional, name)(x, **options, **more)

    shown = f"{name} {options}" if options else name
    # PyTorch's gradient of hardsigmoid has 1/6 in float32, whatever the dtype.
    rtol = 1e-6 if name == "hardsigmoid" else None
    along = "dim" in options
    found = [
        Case(shown, call, [X], dtypes="half", rtol=rtol),
        Case(f"{shown} of nothing", call, [real(0, 4)], rtol=rtol),
        Case(
            f"{shown} of a number",
            (lambda T, x: getattr(T.nn.functional, name)(x, 0)) if along else call,
            [real()],
            rtol=rtol,
        ),
        Case(
            f"{shown} of corners",
            (lambda T, x: getattr(T.nn.functional, name)(x, 0)) if along else call,
            [FINITE],
            rtol=rtol,
        ),
        Case.module(f"{module} {options}", lambda T: getattr(T.nn, module)(**options), [X], rtol=rtol),
    ]
    if not along:
        # At infinities the gradients of PyTorch's formulas and of ours are NaN in different places.
        found.append(Case(f"{shown} of infinities", call, [CORNERS], grad=False))
    if inplace:
        found += [
            Case(f"{shown} in place", lambda T, x: call(T, x * 1, inplace=True), [X], rtol=rtol),
            Case(f"{shown} in place sees", lambda T, x: [y := x * 1, call(T, y, inplace=True)][0], [X], rtol=rtol),
            Case.module(
                f"{module} {options} in place",
                lambda T: getattr(T.nn, module)(**options, inplace=True),
                [X],
                call=lambda m, x: m(x * 2),
                rtol=rtol,
            ),
            Case.misuse(f"{shown} of a leaf in place", lambda T, x: call(T, x.requires_grad_(), inplace=True), [X]),
        ]
    return found


def _implicit(name: str) -> Callable[[Any], Any]:
    """A layer along the dimension that PyTorch chooses."""
    return lambda T: getattr(T.nn, name)()


IN_PLACE = [
    Case(f"{name}_", lambda T, x, name=name, args=args: getattr(T.nn.functional, name + "_")(x * 1, *args), [X])
    for name, args in (
        ("relu", ()),
        ("hardtanh", (-2.0, 1.0)),
        ("threshold", (0.1, 3.0)),
        ("leaky_relu", (0.2,)),
        ("elu", (0.5,)),
        ("selu", ()),
        ("celu", (0.5,)),
        ("rrelu", (0.1, 0.1)),
    )
]

OTHERS = [
    Case.module("PReLU", lambda T: T.nn.PReLU(), [X], dtypes="half"),
    Case.module("PReLU per channel", lambda T: T.nn.PReLU(4, init=0.1), [X]),
    Case.module("PReLU of images", lambda T: T.nn.PReLU(3), [real(2, 3, 2, 2)]),
    Case.module("PReLU of a vector", lambda T: T.nn.PReLU(), [real(4)]),
    Case.module("PReLU of a number", lambda T: T.nn.PReLU(), [real()]),
    Case("prelu", lambda T, x, w: T.nn.functional.prelu(x, w), [X, real(4)]),
    Case(
        "prelu at 0", lambda T, w: T.nn.functional.prelu(T.zeros(2, 3, requires_grad=True, dtype=w.dtype), w), [real(1)]
    ),
    Case.module("GLU", lambda T: T.nn.GLU(), [real(3, 4)], dtypes="half"),
    Case.module("GLU 0", lambda T: T.nn.GLU(0), [real(4, 3)]),
    Case("glu", lambda T, x: T.nn.functional.glu(x, 1), [real(2, 6, 3)]),
    Case.module("Softmax2d", lambda T: T.nn.Softmax2d(), [real(2, 3, 2, 2)]),
    Case.module("Softmax2d without a batch", lambda T: T.nn.Softmax2d(), [real(3, 2, 2)]),
    *(
        Case.module(f"{name} implicit {rank}", _implicit(name), [real(*(2, 3, 2, 2)[:rank])])
        for name in ("Softmax", "Softmin", "LogSoftmax")
        for rank in (1, 2, 3, 4)
    ),
    Case(
        "softmax dtype", lambda T, x: T.nn.functional.softmax(x, 1, dtype=T.float64), [X], dtypes=("float32", "float16")
    ),
    Case("softmax to half", lambda T, x: T.softmax(x, 1, T.float16), [X], grad=False),
    Case("torch.softmax", lambda T, x: T.softmax(x, -1), [X]),
    Case("torch.log_softmax", lambda T, x: T.log_softmax(x, 0), [X]),
    Case("Tensor.softmax", lambda T, x: x.softmax(dim=1), [X]),
    Case("Tensor.log_softmax", lambda T, x: x.log_softmax(1), [X]),
    Case("softmax of large", lambda T, x: T.softmax(x, 1), [given([[1e5, 1e5], [-1e5, 1e5]])]),
    Case(
        "softmax of infinities",
        lambda T, x: T.softmax(x, 1),
        [given([[-float("inf"), 1.0], [-float("inf"), -float("inf")]])],
        grad=False,
    ),
    Case("softmax of integers dtype", lambda T, x: T.softmax(x, 1, dtype=T.float32), [integer(3, 4)]),
    Case("log_softmax of masked", lambda T, x: T.log_softmax(x, 1), [given([[-float("inf"), 1.0, 2.0]])], grad=False),
    Case("softmax of middle", lambda T, x: T.softmax(x, 1), [real(2, 5, 3)], dtypes="half"),
    Case("log_softmax of middle", lambda T, x: T.log_softmax(x, 1), [real(2, 5, 3)], dtypes="half"),
    Case("relu of integers", lambda T, x: T.relu(x), [real(3, 4)], dtypes=("int64", "int32", "uint8")),
    Case("relu6 of integers", lambda T, x: T.nn.functional.relu6(x * 4), [real(3, 4)], dtypes=("int64", "int32")),
    Case("torch.relu_", lambda T, x: T.relu_(x * 1), [X]),
    Case("Tensor.relu", lambda T, x: x.relu(), [X]),
    Case("Tensor.relu_", lambda T, x: (x * 1).relu_(), [X]),
    Case("torch.selu", lambda T, x: T.selu(x), [X]),
    Case("torch.celu", lambda T, x: T.celu(x), [X]),
    *(
        Case(f"torch.{name}", lambda T, x, name=name, args=args: getattr(T, name)(x * 1, *args), [X])
        for name, args in (
            ("celu_", (0.5,)),
            ("selu_", ()),
            ("hardshrink", (1.0,)),
            ("threshold", (0.1, 3.0)),
            ("threshold_", (0.1, 3.0)),
            ("rrelu", (0.1, 0.1)),
            ("rrelu_", (0.2, 0.2)),
        )
    ),
    Case("torch.prelu", lambda T, x, w: T.prelu(x, w), [X, real(1)]),
    Case("relu positional", lambda T, x: T.nn.functional.relu(x * 1, True), [X]),
    Case("leaky_relu positional", lambda T, x: T.nn.functional.leaky_relu(x * 1, 0.2, True), [X]),
    Case(
        "gumbel_softmax",
        lambda T, x: T.nn.functional.gumbel_softmax(x, tau=0.5),
        [real(4, 5)],
        seeded=True,
        layouts=False,
    ),
    Case(
        "gumbel_softmax hard",
        lambda T, x: T.nn.functional.gumbel_softmax(x, hard=True),
        [real(4, 5)],
        seeded=True,
        layouts=False,
    ),
    Case(
        "gumbel_softmax 0",
        lambda T, x: T.nn.functional.gumbel_softmax(x, dim=0),
        [real(4, 5)],
        seeded=True,
        layouts=False,
    ),
    Case("one_hot", lambda T, x: T.nn.functional.one_hot(x, 6), [integer(3, 2, low=0, high=6)]),
    Case("one_hot most", lambda T, x: T.nn.functional.one_hot(x), [given([[1, 3], [0, 2]])], jit=False),
    Case("one_hot of nothing", lambda T, x: T.nn.functional.one_hot(x, 3), [integer(0)]),
    Case("one_hot of a number", lambda T, x: T.nn.functional.one_hot(x, 3), [given(2)]),
    Case.module("Bilinear", lambda T: T.nn.Bilinear(3, 4, 5), [real(2, 3), real(2, 4)]),
    Case.module("Bilinear without bias", lambda T: T.nn.Bilinear(3, 4, 5, bias=False), [real(6, 2, 3), real(6, 2, 4)]),
    Case(
        "bilinear",
        lambda T, x, y, w, b: T.nn.functional.bilinear(x, y, w, b),
        [real(2, 3), real(2, 4), real(5, 3, 4), real(5)],
    ),
    Case.module("Linear", lambda T: T.nn.Linear(4, 5), [real(3, 4)]),
    Case.module("Linear without bias", lambda T: T.nn.Linear(4, 5, bias=False), [real(2, 3, 4)]),
    Case.module("Linear of a vector", lambda T: T.nn.Linear(4, 5), [real(4)]),
    Case.module("Flatten", lambda T: T.nn.Flatten(), [real(2, 3, 4)]),
    Case.module("Flatten part", lambda T: T.nn.Flatten(0, 1), [real(2, 3, 4)]),
    Case.module("Unflatten", lambda T: T.nn.Unflatten(1, (2, -1)), [real(2, 6, 3)]),
    Case.module("Identity", lambda T: T.nn.Identity(3, option=True), [real(2, 6)]),
]


def _misuse(name: str, call: Any, *inputs: Any) -> Case:
    return Case.misuse(name, lambda T, *x: call(T, T.nn.functional, *x), inputs)


ERRORS = [
    _misuse("relu of bools", lambda T, F, x: F.relu(x > 0), X),
    _misuse("rrelu bounds", lambda T, F, x: F.rrelu(x, 2.0, 1.0, True), X),
    _misuse("glu odd", lambda T, F, x: F.glu(x), real(3)),
    _misuse("softshrink negative", lambda T, F, x: F.softshrink(x, -1.0), X),
    _misuse("celu 0", lambda T, F, x: F.celu(x, 0.0), X),
    _misuse("hardtanh empty", lambda T, F, x: F.hardtanh(x, 2.0, 1.0), X),
    _misuse("Hardtanh empty", lambda T, F: T.nn.Hardtanh(2.0, 1.0)),
    _misuse("Softmax2d rank", lambda T, F, x: T.nn.Softmax2d()(x), X),
    _misuse("softmax dim", lambda T, F, x: F.softmax(x, 4), X),
    _misuse("prelu weights", lambda T, F, x, w: F.prelu(x, w), X, real(3)),
    _misuse("bilinear sizes", lambda T, F, x, y, w: F.bilinear(x, y, w), real(2, 3), real(2, 4), real(5, 3, 3)),
    _misuse("gelu approximate", lambda T, F, x: F.gelu(x, approximate="exact"), X),
    _misuse("one_hot too large", lambda T, F: F.one_hot(T.tensor([1, 5]), 3)),
    _misuse("one_hot negative", lambda T, F: F.one_hot(T.tensor([1, -1]))),
    _misuse("one_hot of floats", lambda T, F, x: F.one_hot(x), real(3)),
]

CASES = [*(case for entry in FUNCTIONS for case in kinds(*entry)), *IN_PLACE, *OTHERS, *ERRORS]
