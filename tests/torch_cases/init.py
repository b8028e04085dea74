"""Initial values: PyTorch's numbers for the same seed."""

from __future__ import annotations

from typing import Any

from peer import Case

CALLS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("uniform_", (5, 8), {"a": -0.3, "b": 0.7}),
    ("normal_", (5, 8), {"mean": 1.0, "std": 0.02}),
    ("normal_", (3,), {}),
    ("constant_", (3, 4), {"val": 0.25}),
    ("ones_", (3, 4), {}),
    ("zeros_", (3, 4), {}),
    ("eye_", (3, 5), {}),
    ("dirac_", (4, 2, 3), {}),
    ("dirac_", (4, 2, 3, 4), {"groups": 2}),
    ("dirac_", (3, 5, 1, 2, 3), {}),
    ("xavier_uniform_", (5, 8), {"gain": 2.0}),
    ("xavier_uniform_", (5, 4, 3), {}),
    ("xavier_normal_", (5, 8), {}),
    ("kaiming_uniform_", (5, 8), {"a": 0.3}),
    ("kaiming_uniform_", (5, 8), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_uniform_", (5, 8), {"mode": "FAN_IN", "nonlinearity": "selu"}),
    ("kaiming_normal_", (5, 4, 3, 3), {"nonlinearity": "relu"}),
    ("kaiming_normal_", (0, 4), {}),
    ("trunc_normal_", (5, 8), {"std": 0.02}),
    ("trunc_normal_", (5, 8), {"mean": 0.5, "std": 1.0, "a": -0.5, "b": 0.7}),
    ("trunc_normal_", (5, 8), {"mean": 3.0, "a": -1.0, "b": 1.0}),
    ("orthogonal_", (4, 6), {}),
    ("orthogonal_", (6, 4), {"gain": 2.0}),
    ("orthogonal_", (5, 5), {}),
    ("orthogonal_", (3, 2, 2, 2), {}),
    ("orthogonal_", (1, 4), {}),
    ("sparse_", (10, 4), {"sparsity": 0.3}),
    ("sparse_", (5, 3), {"sparsity": 0.5, "std": 1.0}),
]
OLDER = ("uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal")
GAINS = ["relu", "tanh", "sigmoid", "linear", "selu", "leaky_relu", "conv2d", "conv_transpose1d"]


def _drawn(name: str, shape: tuple[int, ...], options: dict[str, Any], dtype: str = "float32") -> Any:
    """The filled tensor, and what the generator gives after it."""

    def call(T: Any) -> Any:
        x = T.zeros(shape, dtype=getattr(T, dtype))
        result = getattr(T.nn.init, name)(x, **options)
        return [result, T.rand(2), result is x]

    return call


def _misuse(name: str, shape: tuple[int, ...], **options: Any) -> Case:
    return Case.misuse(f"{name} {shape} {options}", lambda T: getattr(T.nn.init, name)(T.ones(shape), **options))


CASES = [
    *(
        Case(
            f"{name} {shape} {options} {dtype}", _drawn(name, shape, options, dtype), seeded=True, jit=False, rtol=1e-5
        )
        for name, shape, options in CALLS
        for dtype in ("float32", "float64")
    ),
    *(Case(f"{name} older", _drawn(name, (5, 4), {}), seeded=True, jit=False) for name in OLDER),
    Case("constant older", lambda T: T.nn.init.constant(T.ones(2), 3), jit=False),
    Case("calculate_gain", lambda T: [T.nn.init.calculate_gain(name) for name in GAINS], jit=False),
    Case("calculate_gain slope", lambda T: T.nn.init.calculate_gain("leaky_relu", 0.3), jit=False),
    Case(
        "of a parameter",
        lambda T: [p := T.nn.Parameter(T.zeros(3, 4)), T.nn.init.kaiming_normal_(p) is p, p.requires_grad, p.is_leaf][
            1:
        ],
        jit=False,
    ),
    _misuse("eye_", (3,)),
    _misuse("dirac_", (3, 2)),
    _misuse("dirac_", (4, 2, 3), groups=3),
    _misuse("sparse_", (3,), sparsity=0.1),
    _misuse("xavier_uniform_", (3,)),
    _misuse("kaiming_normal_", (3,)),
    _misuse("kaiming_uniform_", (3, 3), mode="fan"),
    _misuse("orthogonal_", (3,)),
    Case.misuse("calculate_gain name", lambda T: T.nn.init.calculate_gain("step")),
    Case.misuse("calculate_gain of text", lambda T: T.nn.init.calculate_gain("leaky_relu", "a")),
    Case.misuse("calculate_gain of a bool", lambda T: T.nn.init.calculate_gain("leaky_relu", True)),
]
