"""Functions of elements: unary, binary, ternary, comparison and logic, with their in-place forms and promotion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from peer import Case, boolean, given, integer, nograd, positive, real, unit

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-3, 30.0, math.inf, -math.inf, math.nan]
ROUNDED = given(np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.0, 3.7]))

ANYWHERE = [
    "abs",
    "absolute",
    "neg",
    "negative",
    "positive",
    "exp",
    "exp2",
    "expm1",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "atan",
    "arctan",
    "arcsinh",
    "sigmoid",
    "erf",
    "erfc",
    "square",
]
FLAT = [
    "sign",
    "sgn",
    "floor",
    "ceil",
    "trunc",
    "fix",
    "round",
    "isnan",
    "isinf",
    "isfinite",
    "logical_not",
    "isposinf",
    "isneginf",
    "isreal",
    "signbit",
]
ABOVE_ZERO = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma", "frac"]
INSIDE = ["asin", "acos", "atanh", "arcsin", "arccos", "arctanh", "erfinv"]


def named(name: str, **options: Any) -> Any:
    return lambda T, *x: getattr(T, name)(*x, **options)


def method(name: str, *args: Any, **options: Any) -> Any:
    return lambda T, x, *rest: getattr(x, name)(*rest, *args, **options)


def written(name: str, *args: Any, **options: Any) -> Any:
    """The in-place method on a copy: what it returns, and the copy."""

    def case(T: Any, x: Any, *rest: Any) -> Any:
        copy = x.clone()
        returned = getattr(copy, name)(*rest, *args, **options)
        return copy, returned is copy

    return case


def specials(name: str) -> Case:
    return Case(
        f"{name} special values",
        lambda T: [getattr(T, name)(T.tensor(SPECIAL, dtype=d)) for d in (T.float32, T.float64)],
        [],
        grad=False,
    )


def unary() -> list[Case]:
    cases: list[Case] = []
    for names, values in ((ANYWHERE, real), (FLAT, real), (ABOVE_ZERO, positive), (INSIDE, unit)):
        for name in names:
            # PyTorch's gradient of sgn is a tensor without elements of its own.
            spec = nograd(values(3, 4)) if name == "sgn" else values(3, 4)
            cases.append(Case(f"{name} function", named(name), [spec], dtypes="half"))
            cases.append(Case(f"{name} method", method(name), [spec], jit=False, layouts=False))
            cases.append(specials(name))
    ints = "abs square sgn sign exp sqrt sin floor isnan logical_not isfinite reciprocal"
    for name in ints.split():
        cases.append(Case(f"{name} integers", named(name), [integer(3, 4)]))
    cases += [
        Case("acosh", named("acosh"), [real(3, 4, low=1.1, high=4.0)]),
        Case("arccosh", named("arccosh"), [real(3, 4, low=1.1, high=4.0)]),
        Case("sinc", named("sinc"), [real(3, 4)]),
        Case("sinc at 0", lambda T: T.sinc(T.zeros(2))),
        Case("i0", named("i0"), [real(3, 4, low=-9.0, high=9.0)]),
        Case("logit", named("logit"), [real(3, 4, low=0.1, high=0.9)]),
        Case("logit eps", named("logit", eps=0.3), [real(3, 4, low=0.0, high=1.0)]),
        Case("logit outside", lambda T: T.logit(T.tensor([-0.5, 0.0, 1.0, 1.5]))),
        Case("round halves", named("round"), [ROUNDED]),
        Case("round decimals", lambda T, x: [T.round(x, decimals=d) for d in (0, 1, 2)], [real(3, 4)]),
        Case("round negative decimals", lambda T, x: T.round(x * 100, decimals=-2), [real(3, 4)]),
        Case("polygamma 0", lambda T, x: T.polygamma(0, x), [positive(3, 4)], grad=False),
        Case("polygamma 1", lambda T, x: T.polygamma(1, x), [positive(3, 4)], grad=False, rtol=1e-4),
        Case("polygamma 3", lambda T, x: T.polygamma(3, x), [positive(3, 4)], grad=False, rtol=1e-4),
        Case("mvlgamma", lambda T, x: T.mvlgamma(x + 3, 3), [positive(3, 4)], rtol=1e-4, atol=1e-4),
        Case("rad2deg", named("rad2deg"), [real(3, 4)]),
        Case("deg2rad", named("deg2rad"), [real(3, 4)]),
        Case("nan_to_num", lambda T: T.nan_to_num(T.tensor(SPECIAL))),
        Case("nan_to_num given", lambda T: T.nan_to_num(T.tensor(SPECIAL), nan=7.0, posinf=8.0, neginf=-9.0)),
        Case("nan_to_num integers", named("nan_to_num"), [integer(3)]),
        Case("bitwise_not", lambda T, x, b: [~x, T.bitwise_not(x), ~b], [integer(3, 4), boolean(4)]),
        Case("angle", named("angle"), [real(3, 4)], grad=False),
        Case("conj", lambda T, x: [T.conj(x), x.conj(), T.real(x), T.conj_physical(x), x.resolve_conj()], [real(3)]),
        Case(
            "is_floating_point", lambda T, x, i: [x.is_floating_point(), i.is_floating_point()], [real(1), integer(1)]
        ),
        Case("frexp", named("frexp"), [real(3, 4)], grad=False),
        Case("zero-size", lambda T, x: [x.exp(), x + 1, x.sum(), x == x], [real(0, 3)]),
        Case("0-d", lambda T, x: [x.exp(), x + 1, x * x, -x, abs(x), +x], [real()]),
        Case.misuse("~ of floats", lambda T, x: ~x, [real(3)]),
        Case.misuse("-bool", lambda T, x: -x, [boolean(3)]),
        Case.misuse("bool - bool", lambda T, x: x - x, [boolean(3)]),
        Case.misuse("exp of a list", lambda T: T.exp([1.0, 2.0])),
        Case.misuse("exp of a number", lambda T: T.exp(1.0)),
        Case.misuse("exp of an array", lambda T: T.exp(np.ones(3))),
        Case.misuse("sum of an array", lambda T: T.sum(np.ones(3))),
        Case.misuse("reshape of an array", lambda T: T.reshape(np.ones(3), (3, 1))),
        Case.misuse("cat of arrays", lambda T: T.cat([np.ones(3), np.ones(3)])),
        Case.misuse("softmax of an array", lambda T: T.softmax(np.ones(3), 0)),
        Case.misuse("sort of a list", lambda T: T.sort([1.0])),
        Case.misuse("add of a list", lambda T, x: T.add(x, [1.0]), [real(3)]),
        Case.misuse("add of None", lambda T, x: x + None, [real(3)]),
        Case.misuse("add of a text", lambda T, x: x + "a", [real(3)]),
    ]
    return cases


BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "arctan2",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "true_divide",
]
BINARY += ["subtract", "multiply", "divide"]
INTEGER = ["bitwise_and", "bitwise_or", "bitwise_xor"]
COMPARE = ["eq", "ne", "lt", "le", "gt", "ge", "greater", "greater_equal", "less", "less_equal", "not_equal"]
LOGICAL = ["logical_and", "logical_or", "logical_xor"]


def binary() -> list[Case]:
    cases: list[Case] = []
    for name in BINARY:
        cases.append(Case(f"{name} broadcast", named(name), [real(3, 4), real(4)], dtypes="half"))
        cases.append(Case(f"{name} method column", method(name), [real(3, 4), real(3, 1)]))
        cases.append(Case(f"{name} special values", pairs(name), grad=False))
    for name in ("add", "sub", "mul", "div", "maximum", "minimum", "eq", "lt", "bitwise_or"):
        cases.append(Case(f"{name} integers", named(name), [integer(3, 4), integer(4)]))
    for name in ("add", "mul", "eq", "lt", "maximum", "logical_xor", "bitwise_xor"):
        cases.append(Case(f"{name} bools", named(name), [boolean(3, 4), boolean(4)]))
    for name in INTEGER:
        cases.append(
            Case(f"{name} number", lambda T, x, n=name: [getattr(T, n)(x, 3), getattr(x, n)(5)], [integer(3, 4)])
        )
    for name in COMPARE + LOGICAL:
        cases.append(Case(f"{name} mixed", named(name), [real(3, 4), integer(4)]))
        cases.append(Case(f"{name} method", method(name), [integer(3, 4, low=0, high=2), integer(4, low=0, high=2)]))
    for name in ("floor_divide", "remainder", "fmod"):
        cases.append(Case(f"{name} floats", named(name), [nograd(real(3, 4)), nograd(positive(4))]))
        cases.append(
            Case(
                f"{name} negative divisor",
                lambda T, x, y, n=name: getattr(T, n)(x, -y),
                [nograd(real(3, 4)), nograd(positive(4))],
            )
        )
        cases.append(
            Case(f"{name} integers", named(name), [integer(3, 4, low=-20, high=20), integer(4, low=1, high=5)])
        )
        cases.append(
            Case(f"{name} number", lambda T, x, n=name: [getattr(x, n)(1.5), getattr(x, n)(-2)], [nograd(real(3, 4))])
        )
    cases += [
        Case("operators", operators, [nograd(real(3, 4)), nograd(positive(4))]),
        Case("operators with numbers", operators_numbers, [nograd(positive(3, 4))]),
        Case("remainders", lambda T, x: [x % 0.7, T.fmod(x, 0.7), x % 2], [real(3, 4)]),
        Case("operators of integers", operators_ints, [integer(3, 4), integer(4, low=1, high=4)]),
        Case(
            "shifts",
            lambda T, x: [x << 2, x >> 1, 1 << x, 64 >> x, T.bitwise_left_shift(x, 1)],
            [integer(4, low=0, high=5)],
        ),
        Case(
            "add alpha",
            lambda T, x, y: [T.add(x, y, alpha=2), T.sub(x, y, alpha=0.5), T.rsub(x, y, alpha=3)],
            [real(3), real(3)],
        ),
        Case("add alpha integers", lambda T, x: T.add(x, x, alpha=2), [integer(3)]),
        Case.misuse("add alpha float of integers", lambda T, x: T.add(x, x, alpha=2.5), [integer(3)]),
        Case(
            "div modes",
            lambda T, x, y: [T.div(x, y, rounding_mode=m) for m in (None, "trunc", "floor")],
            [real(3, 4), real(4)],
            grad=False,
        ),
        Case(
            "div modes of integers",
            lambda T, x, y: [T.div(x, y, rounding_mode=m) for m in (None, "trunc", "floor")],
            [integer(3, 4), integer(4, low=1, high=4)],
        ),
        Case(
            "div modes gradient",
            lambda T, x, y: [T.div(x, y, rounding_mode=m) for m in ("trunc", "floor")],
            [positive(3, 4), positive(4)],
        ),
        Case(
            "pow numbers", lambda T, x: [x**p for p in (0, 1, 2, 3, 4, 0.5, -0.5, -1, -2, 1.7, 2.0)], [positive(3, 4)]
        ),
        Case("pow of negative", lambda T, x: [x**p for p in (2, 3, -1, -2, 4)], [real(3, 4)]),
        Case("pow tensors", lambda T, x, y: [x**y, T.pow(x, y), 2.0**y, 3**y], [positive(3, 4), real(4)]),
        Case(
            "pow of integers",
            lambda T, x: [x**0, x**2, x**3, x**5, 2 ** x.abs(), x**0.5, x**2.0],
            [integer(3, 4)],
            rtol=1e-5,
        ),
        Case.misuse("pow negative of integers", lambda T, x: x**-1, [integer(3)]),
        Case(
            "float_power",
            lambda T, x, i: [T.float_power(x, 2), T.float_power(i, 2.5), T.float_power(2, x)],
            [positive(3), integer(3, low=1, high=4)],
        ),
        Case("hypot at 0", lambda T: T.hypot(T.tensor([0.0, 3.0, 1e30]), T.tensor([0.0, 4.0, 1e30]))),
        Case("xlogy", lambda T, x, y: [T.xlogy(x, y), T.xlogy(2.0, y), T.xlogy(x, 3)], [real(3, 4), positive(4)]),
        Case("xlogy zeros", lambda T: T.xlogy(T.tensor([0.0, 0.0, 1.0]), T.tensor([0.0, math.nan, 0.0]))),
        # PyTorch's gradient takes 2 to a negative integer for 0.
        Case("ldexp", lambda T, x, i: T.ldexp(x, i), [nograd(real(3, 4)), integer(4)]),
        Case("nextafter", named("nextafter"), [real(3, 4), real(4)], grad=False),
        Case("heaviside", named("heaviside"), [real(3, 4), real(4)], grad=False),
        Case("heaviside at 0", lambda T: T.heaviside(T.tensor([0.0, 1.0, -1.0]), T.tensor([0.5]))),
        Case(
            "gcd lcm",
            lambda T, x, y: [T.gcd(x, y), T.lcm(x, y)],
            [integer(3, 4, low=-40, high=40), integer(4, low=-40, high=40)],
        ),
        Case("copysign number", lambda T, x: [T.copysign(x, -1.0), T.copysign(x, 0)], [real(3, 4)]),
        Case("copysign integers", lambda T, x: T.copysign(x, x), [integer(3)]),
        Case(
            "igamma",
            lambda T, x, y: [T.igamma(x, y), T.igammac(x, y)],
            [positive(3, 4), positive(4)],
            grad=False,
            rtol=1e-4,
            atol=1e-5,
        ),
        Case(
            "dist",
            lambda T, x, y: [T.dist(x, y), T.dist(x, y, 1), x.dist(y, 3), T.dist(x, y, math.inf)],
            [real(3, 4), real(4)],
        ),
        Case(
            "lerp",
            lambda T, x, y, w: [T.lerp(x, y, 0.3), T.lerp(x, y, 0.8), T.lerp(x, y, w), x.lerp(y, 0.5)],
            [real(3, 4), real(4), real(4)],
        ),
        Case.misuse("lerp of two dtypes", lambda T, x: T.lerp(x, x.double(), 0.5), [real(3)]),
        Case("square of bools", lambda T, b: [T.square(b), b**2, T.signbit(b), T.signbit(b.byte())], [boolean(3)]),
        Case(
            "addcmul",
            lambda T, x, y, z: [T.addcmul(x, y, z), T.addcmul(x, y, z, value=0.5)],
            [real(3, 4), real(4), real(3, 1)],
        ),
        Case(
            "addcdiv",
            lambda T, x, y, z: [T.addcdiv(x, y, z), T.addcdiv(x, y, z, value=-2)],
            [real(3, 4), real(4), positive(3, 1)],
        ),
        Case(
            "where",
            lambda T, c, x, y: [T.where(c, x, y), T.where(c, x, 1.0), T.where(c, 0, y), x.where(c, y)],
            [boolean(3, 4), real(3, 4), real(4)],
        ),
        Case(
            "where promotes",
            lambda T, c, i, x: [T.where(c, i, x), T.where(c, 1, 2), T.where(c, 1.0, 2), T.where(c, i, 2.5)],
            [boolean(3), integer(3), real(3)],
        ),
        Case("where indices", lambda T, c: T.where(c), [boolean(3, 4)], jit=False),
        Case(
            "masked_fill",
            lambda T, x, c: [x.masked_fill(c, 7.0), T.masked_fill(x, c, T.tensor(3.0))],
            [real(3, 4), boolean(4)],
        ),
        Case(
            "masked_fill number kinds",
            lambda T, i, c: [i.masked_fill(c, 7), i.masked_fill(c, True)],
            [integer(3), boolean(3)],
        ),
        Case.misuse("masked_fill float mask", lambda T, x: x.masked_fill(x, 1.0), [real(3)]),
        Case(
            "clamp",
            lambda T, x: [
                T.clamp(x, -1, 1),
                x.clamp(min=0),
                x.clamp(max=0.5),
                T.clip(x, -0.5, 0.5),
                x.clamp_min(0),
                x.clamp_max(0),
            ],
            [real(3, 4)],
            dtypes="half",
        ),
        Case(
            "clamp tensors",
            lambda T, x, lo, hi: [T.clamp(x, lo, hi), x.clamp(min=lo), x.clamp(max=hi)],
            [real(3, 4), real(4), real(3, 1)],
        ),
        Case("clamp crossed", lambda T, x: T.clamp(x, 1, -1), [real(3)], grad=False),
        Case("clamp integers", lambda T, x: [T.clamp(x, -1, 1), x.clamp(0.5, 1.5), x.clamp(max=2)], [integer(3, 4)]),
        Case("clamp nan", lambda T: T.clamp(T.tensor(SPECIAL), -1, 1)),
        Case("clamp at the bound", lambda T, x: x.clamp(0, 1), [given(np.array([0.0, 1.0, 0.5, -1.0, 2.0]))]),
        Case.misuse("clamp without bounds", lambda T, x: T.clamp(x), [real(3)]),
        Case(
            "isclose",
            lambda T, x: [
                T.isclose(x, x + 1e-9),
                T.isclose(x, x + 0.1),
                T.allclose(x, x),
                T.equal(x, x),
                x.equal(x + 1),
            ],
            [real(3)],
            jit=False,
        ),
        Case(
            "isclose special",
            lambda T: [T.isclose(T.tensor(SPECIAL), T.tensor(SPECIAL), equal_nan=e) for e in (False, True)],
        ),
        Case("equal shapes", lambda T, x: [T.equal(x, x[:1]), T.equal(x, x.clone())], [real(3)], jit=False),
        Case.misuse("equal dtypes", lambda T, x: T.allclose(x, x.double()), [real(3)]),
        Case("max min pairwise", lambda T, x, y: [T.max(x, y), T.min(x, y), x.max(y)], [real(3, 4), real(4)]),
        Case(
            "float and integer tensors",
            lambda T, x, i: [x + i, x * i, i / 2, i // 2, i * 1.5, i + True, x / i.clamp(min=1)],
            [real(3), integer(3)],
        ),
        Case(
            "0-d promotion",
            lambda T, x, z: [x + z, (x.float() + z.double()), z.long() + x],
            [real(3), real()],
            grad=False,
        ),
        Case(
            "NumPy scalars",
            lambda T, x: [
                x * np.float64(2.0),
                x + np.float32(1.0),
                np.float64(2.0) * x,
                x + np.int64(3),
                x ** np.int64(2),
            ],
            [real(3)],
        ),
        Case(
            "arrays on the right",
            lambda T, x: [x + np.ones(3), x * np.arange(3.0), x / np.ones(3, np.float32)],
            [real(3)],
            grad=False,
            jit=False,
        ),
        Case("in-place arrays on the right", lambda T: T.ones(3).add_(T.from_numpy(np.ones(3, np.float32)))),
        Case("comparison with None", lambda T, x: [x == None, x != None], [real(3)], jit=False),  # noqa: E711
        Case("comparison with text", lambda T, x: [x == "a", x != "a"], [real(3)], jit=False),
        Case("sums of chains", lambda T, x, y: (x * y - x / (y.abs() + 1)).tanh().sum(), [real(3, 4), real(4)]),
        Case.misuse("broadcast", lambda T, x, y: x + y, [real(2, 3), real(4)]),
        Case.misuse("where of floats", lambda T, x: T.where(x, x, x), [real(3)]),
        Case.misuse("div mode", lambda T, x: T.div(x, x, rounding_mode="up"), [real(3)]),
    ]
    return cases


def pairs(name: str) -> Any:
    def case(T: Any) -> Any:
        values = T.tensor(SPECIAL)
        return getattr(T, name)(values.unsqueeze(0), values.unsqueeze(1))

    return case


def operators(T: Any, x: Any, y: Any) -> Any:
    return [x + y, x - y, x * y, x / y, x // y, x % y, x < y, x >= y, x == y, x != y, -x, abs(x), y**x]


def operators_numbers(T: Any, x: Any) -> Any:
    right = [x + 1, x - 2.5, x * 3, x / 2, x // 0.5, x % 0.7, x**2, x > 1, x <= 1, x == 1]
    return [*right, 1 + x, 2.5 - x, 3 * x, 2 / x, 5 // x, 5 % x, 2**x, x < 1, x >= 1, True + x]


def operators_ints(T: Any, x: Any, y: Any) -> Any:
    plain = [x + y, x - y, x * y, x / y, x // y, x % y, x & y, x | y, x ^ y, ~x, -x, abs(x)]
    return [*plain, x & 3, 3 | x, 5 ^ x, x // 2, x % 3, 7 // y, 7 % y, x / 2, 1 / y, x * 1.5, x + 0.5, x > 0]


# Of these PyTorch has no derivative: asinh_ atanh_ floor_divide_.
IN_PLACE = [
    "abs",
    "absolute",
    "neg",
    "negative",
    "sin",
    "cos",
    "sigmoid",
    "tanh",
    "exp",
    "expm1",
    "erf",
    "erfc",
    "floor",
    "ceil",
    "trunc",
    "fix",
    "round",
    "sign",
    "square",
    "frac",
    "atan",
    "arctan",
    "sinh",
    "cosh",
    "exp2",
    "tan",
    "deg2rad",
    "rad2deg",
    "sinc",
    "nan_to_num",
    "zero",
]
IN_PLACE_POSITIVE = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma"]
IN_PLACE_UNIT = ["asin", "acos", "arcsin", "arccos", "erfinv"]
IN_PLACE_BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "remainder",
    "fmod",
    "atan2",
    "arctan2",
    "copysign",
    "hypot",
    "xlogy",
]


def in_place() -> list[Case]:
    cases = [Case(f"{name}_ method", written(f"{name}_"), [real(3, 4)]) for name in IN_PLACE]
    cases += [Case(f"{name}_ method", written(f"{name}_"), [positive(3, 4)]) for name in IN_PLACE_POSITIVE]
    cases += [Case(f"{name}_ method", written(f"{name}_"), [unit(3, 4)]) for name in IN_PLACE_UNIT]
    cases += [Case(f"{name}_ method", written(f"{name}_"), [positive(3, 4), positive(4)]) for name in IN_PLACE_BINARY]
    for name in [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "not_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
    ]:
        cases.append(Case(f"{name}_ method", written(f"{name}_"), [nograd(real(3, 4)), nograd(real(4))]))
    for name in ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"]:
        cases.append(Case(f"{name}_ method", written(f"{name}_"), [integer(3, 4), integer(4)]))
    for name in ["abs", "sqrt", "sin", "relu", "neg", "exp", "square"]:
        cases.append(Case(f"{name}_ function", lambda T, x, n=name: getattr(T, f"{n}_")(x.clone() + 3), [real(3, 4)]))
    cases += [
        Case("clamp_ method", written("clamp_", -0.5, 0.5), [real(3, 4)]),
        Case("clamp_ function", lambda T, x: T.clamp_(x.clone(), 0, 1), [real(3, 4)]),
        Case("clip_ method", written("clip_", -0.5, 0.5), [real(3, 4)]),
        Case("clamp_min_ clamp_max_", lambda T, x: [x.clone().clamp_min_(0), x.clone().clamp_max_(0)], [real(3, 4)]),
        Case("pow_ method", written("pow_", 2), [real(3, 4)]),
        Case("add_ alpha", lambda T, x, y: x.clone().add_(y, alpha=0.5), [real(3, 4), real(4)]),
        Case(
            "add_ number",
            lambda T, x: [x.clone().add_(1), x.clone().sub_(2.5), x.clone().mul_(3), x.clone().div_(2)],
            [real(3, 4)],
        ),
        Case(
            "addcmul_ addcdiv_ lerp_",
            lambda T, x, y, z: [x.clone().addcmul_(y, z, value=2), x.clone().addcdiv_(y, z), x.clone().lerp_(y, 0.3)],
            [real(3, 4), positive(4), positive(4)],
        ),
        Case("masked_fill_", lambda T, x, c: x.clone().masked_fill_(c, 7.0), [real(3, 4), boolean(4)]),
        Case(
            "fill_",
            lambda T, x: [x.clone().fill_(3), x.clone().fill_(T.tensor(2.0)), T.fill(x.detach(), 2)],
            [real(3, 4)],
        ),
        Case("copy_", lambda T, x, y: x.clone().copy_(y), [real(3, 4), real(4)]),
        Case(
            "copy_ converts",
            lambda T, x, i: [x.clone().copy_(i), i.clone().copy_(x * 3)],
            [nograd(real(3)), integer(3)],
        ),
        Case("augmented", augmented, [nograd(real(3, 4)), nograd(positive(4))]),
        Case("augmented integers", augmented_ints, [integer(3, 4), integer(4, low=1, high=4)]),
        Case(
            "logit_ heaviside_",
            lambda T, x: [x.detach().sigmoid().logit_(), x.clone().detach().heaviside_(x.detach())],
            [real(3, 4)],
        ),
        Case("float_power_ of double", lambda T, x: x.double().float_power_(2), [nograd(real(3))]),
        Case.misuse("add_ float to integers", lambda T, x: x.add_(1.5), [integer(3)]),
        Case.misuse("div_ integers", lambda T, x: x.div_(2), [integer(3)]),
        Case.misuse("add_ grows", lambda T, x, y: x.add_(y), [real(3), real(2, 3)]),
        Case.misuse("add_ leaf", lambda T, x: x.requires_grad_().add_(1), [real(3)]),
        Case.misuse("add_ expanded", lambda T, x: x.expand(2, 3).add_(1), [real(3)]),
        Case.misuse("copy_ shapes", lambda T, x, y: x.copy_(y), [real(3), real(4)]),
    ]
    return cases


def augmented(T: Any, x: Any, y: Any) -> Any:
    results = []
    for step in range(6):
        z = x.clone()
        if step == 0:
            z += y
        elif step == 1:
            z -= y
        elif step == 2:
            z *= y
        elif step == 3:
            z /= y
        elif step == 4:
            z //= y
        else:
            z %= y
        results.append(z)
    return results


def augmented_ints(T: Any, x: Any, y: Any) -> Any:
    a, b, c, d, e = x.clone(), x.clone(), x.clone(), x.clone().abs(), x.clone().abs()
    a &= y
    b |= y
    c ^= y
    d <<= y
    e >>= y
    return a, b, c, d, e


CASES = unary() + binary() + in_place()
