"""How tensors print."""

from __future__ import annotations

import math
from typing import Any

from peer import Case, nograd, real


def text(make: Any) -> Any:
    """How tensors print, and their repr in a container; the packages' names aside."""

    def case(T: Any) -> Any:
        made = make(T)
        return [str(x).replace("torch.", "").replace("ingot.", "") for x in made]

    return case


def printing() -> list[Case]:
    plain: dict[str, Any] = {
        "floats": lambda T: [
            T.tensor([1.0, 2.5, -3.25]),
            T.tensor([1.0, 2.0]),
            T.tensor(3.14159),
            T.tensor([0.1, 1000.0]),
            T.tensor([1e-5, 1.0]),
            T.tensor([1e10, 1.0]),
            T.tensor([123456.789]),
        ],
        "special": lambda T: [
            T.tensor([math.nan, math.inf, -math.inf, 1.0]),
            T.tensor([math.nan]),
            T.tensor([math.inf, 2.0]),
            T.tensor([-0.0, 0.0]),
            T.tensor(math.nan),
        ],
        "integers": lambda T: [
            T.tensor([1, -20, 300]),
            T.tensor(7),
            T.tensor([[1, 2], [30, 4]]),
            T.tensor([1], dtype=T.int32),
            T.tensor([1], dtype=T.uint8),
        ],
        "bools": lambda T: [T.tensor([True, False]), T.tensor(True), T.tensor([[True], [False]])],
        "dtypes": lambda T: (
            [T.tensor([1.5], dtype=d) for d in (T.float64, T.float16, T.bfloat16)]
            + [T.ones(2, dtype=T.int16), T.ones(2, dtype=T.int8)]
        ),
        "empty": lambda T: [
            T.zeros(0),
            T.zeros(0, 3),
            T.zeros(2, 0),
            T.zeros(0, dtype=T.int64),
            T.zeros(0, 2, dtype=T.bool),
            T.tensor([]),
        ],
        "shapes": lambda T: [
            T.arange(6.0).reshape(2, 3),
            T.arange(24).reshape(2, 3, 4),
            T.ones(1, 1, 1),
            T.arange(16).reshape(2, 2, 2, 2),
        ],
        "long": lambda T: [
            T.arange(2000),
            T.arange(2000.0),
            T.zeros(50, 50),
            T.arange(1001.0).reshape(7, 143),
            T.ones(2, 3, 500),
        ],
        "wide": lambda T: [T.arange(40), T.arange(40.0) / 7, T.arange(40.0).reshape(2, 20) * 1000.5],
        "grad": lambda T: [
            T.ones(2, requires_grad=True),
            T.nn.Parameter(T.ones(2)),
            T.ones(2, requires_grad=True).detach(),
        ],
        "views": lambda T: [T.arange(6).reshape(2, 3).t(), T.arange(10)[::3], T.ones(1).expand(3)],
        "scientific": lambda T: [
            T.tensor([1e-8, 1e8]),
            T.tensor([1.0, 1e5]),
            T.tensor([0.001, 100.0]),
            T.tensor([1e-4, 1e-5]),
            T.tensor(1e-10),
            T.tensor(123456789.0),
            T.tensor([1.0, 123456789.0]),
        ],
    }
    cases = [Case(f"printing {name}", text(make), layouts=False, jit=False) for name, make in plain.items()]
    options: tuple[dict[str, Any], ...] = (
        {"precision": 2},
        {"threshold": 5},
        {"edgeitems": 1, "threshold": 5},
        {"linewidth": 40},
        {"sci_mode": True},
        {"sci_mode": False},
        {"profile": "short"},
        {"profile": "full"},
    )
    for chosen in options:
        cases.append(Case(f"printing with {chosen}", lambda T, o=chosen: printed(T, o), jit=False))
    return [
        *cases,
        Case(
            "printing sizes",
            lambda T: [
                str(T.ones(2, 3).shape).split(".")[1],
                repr(T.Size([])).split(".")[1],
                str(T.ones(2).dtype).split(".")[1],
                str(T.device("cpu")),
                repr(T.device("cuda", 1)),
                str(T.strided).split(".")[1],
            ],
            jit=False,
        ),
        Case(
            "sizes of sizes",
            lambda T: [
                T.ones(2, 3, 4).shape[1:],
                T.ones(2).shape + (3,),  # noqa: RUF005
                T.ones(2, 3).shape * 2,
                T.ones(2, 3, 4).shape[-2:].numel(),
                tuple(T.ones(2, 3).shape),
                T.ones(2, 3).shape == (2, 3),
                T.ones(2, 3).shape[-1],
                T.ones(4).view(T.ones(2, 2).shape[:1] + (2,)),  # noqa: RUF005
            ],
            jit=False,
        ),
        Case(
            "formatting",
            lambda T, x: [
                f"{x:.3f}",
                f"{x.item():.2f}",
                format(T.tensor(5), "d"),
                f"{T.tensor(2.5)}",
                f"{T.tensor([1.0])}",
            ],
            [nograd(real())],
            jit=False,
            layouts=False,
        ),
    ]


def printed(T: Any, options: dict[str, Any]) -> Any:
    try:
        T.set_printoptions(**options)
        return [str(x) for x in (T.arange(20.0) / 3, T.tensor([1.23456, 1000.0]), T.arange(12).reshape(3, 4))]
    finally:
        T.set_printoptions(profile="default")


CASES = printing()
