"""A random program under construction: arguments, the tensors it has under PyTorch, and what it chooses among."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

FLOATS = ["float32", "float64", "float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8"]
SIZES = [0, 1, 1, 2, 2, 3, 3, 4, 5]
MOST_ELEMENTS = 400


class Argument(NamedTuple):
    """How an argument is made: in numbers of a dtype, in a layout of memory, with grad or not."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str
    grad: bool
    numbers: int
    # The argument in whose memory it lies.
    within: str | None = None


class Program(NamedTuple):
    """Arguments, what is made before the call, the statements of the function, and what follows the call."""

    arguments: tuple[Argument, ...]
    setup: tuple[str, ...]
    body: tuple[str, ...]
    after: tuple[str, ...]

    def text(self) -> str:
        """As it is printed for the reader."""
        lines = [
            f"{a.name}: {a.dtype}{list(a.shape)} {a.layout}{' grad' if a.grad else ''}"
            f"{f' in {a.within}' if a.within else ''} #{a.numbers}"
            for a in self.arguments
        ]
        for label, part in (("setup", self.setup), ("body", self.body), ("after", self.after)):
            lines += [f"  {label}: {line}" for statement in part for line in statement.split("\n")]
        return "\n".join(lines)


def numbers_of(argument: Argument, shift: int = 0) -> np.ndarray[Any, Any]:
    """The numbers of an argument: the same for the same seed and shift."""
    draw = np.random.default_rng([argument.numbers, shift])
    if argument.dtype == "bool":
        return draw.integers(0, 2, argument.shape).astype(bool)
    if argument.dtype in INTEGERS:
        return draw.integers(0 if argument.dtype == "uint8" else -4, 6, argument.shape).astype(argument.dtype)
    array = np.asarray(draw.uniform(-2, 2, argument.shape))
    if argument.numbers % 7 == 0:
        array = np.round(array * 2) / 2
    return array


def make_argument(T: Any, argument: Argument, made: dict[str, Any], shift: int, layout: str, nudge: float) -> Any:
    """The tensor, over its own memory or another argument's."""
    if argument.within is not None:
        base = made[argument.within].detach()
        return base[1:] if argument.layout == "part" and base.ndim else base.t() if base.ndim == 2 else base
    array = numbers_of(argument, shift)
    if nudge and array.dtype.kind == "f":
        array = array * (1 + nudge * np.random.default_rng(argument.numbers + 1).choice([-1, 1], array.shape))
    dtype = getattr(T, argument.dtype)
    if layout == "transposed" and array.ndim > 1:
        tensor = T.tensor(array.T.copy(), dtype=dtype).permute(*reversed(range(array.ndim)))
    elif layout == "sliced" and array.ndim:
        tensor = T.tensor(np.repeat(array, 2, -1), dtype=dtype)[..., ::2]
    elif layout == "offset" and array.ndim:
        tensor = T.tensor(np.concatenate([array[:1], array]) if array.shape[0] else array, dtype=dtype)
        tensor = tensor[1:] if array.shape[0] else tensor
    else:
        tensor = T.tensor(array, dtype=dtype)
    tensor = tensor.detach()
    return tensor.requires_grad_() if argument.grad else tensor


class Draw:
    """A program under construction, with the tensors it has under PyTorch."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: dict[str, Any] = {}
        self.count = 0

    # ---- choices

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def either(self, *choices: str) -> str:
        return self.random.choice(choices)

    def tensors(self, fits: Callable[[Any], bool] = lambda t: True) -> list[str]:
        return [n for n, t in self.names.items() if isinstance(t, torch.Tensor) and fits(t)]

    def any(self, fits: Callable[[Any], bool] = lambda t: True) -> str:
        """The name of a tensor that fits, mostly; recent ones more often."""
        found = self.tensors(fits) or self.tensors()
        return self.random.choice(found[-4:] if self.chance(0.5) else found)

    def real(self) -> str:
        return self.any(lambda t: t.dtype.is_floating_point)

    def sized(self, least: int = 1) -> str:
        return self.any(lambda t: t.ndim >= least)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.names[name].shape)

    def dim(self, name: str) -> int:
        n = self.names[name].ndim
        return self.random.randrange(-n, n) if n else self.one(0, -1)

    def partner(self, name: str) -> str:
        """A tensor that broadcasts with this one, mostly."""
        shape = self.shape(name)

        def fits(t: Any) -> bool:
            return all(a == b or a == 1 or b == 1 for a, b in zip(reversed(shape), reversed(t.shape), strict=False))

        return self.any(fits if self.chance(0.93) else lambda t: True)

    def into(self, name: str) -> str:
        """A tensor that broadcasts to the shape of this one, mostly."""
        shape = self.shape(name)

        def fits(t: Any) -> bool:
            pairs = zip(reversed(shape), reversed(t.shape), strict=False)
            return t.ndim <= len(shape) and all(a == b or b == 1 for a, b in pairs)

        return self.any(fits if self.chance(0.95) else lambda t: True)

    def scalar(self) -> str:
        return str(self.one(2, 3, -1, 0, 1, 0.5, -1.5, 2.0, True))

    def operand(self, name: str) -> str:
        return self.scalar() if self.chance(0.3) else self.partner(name)

    def new(self, expression: str, results: int = 1) -> str:
        made = [f"t{self.count + i}" for i in range(results)]
        self.count += results
        return f"{', '.join(made)} = {expression}"

    def index(self, name: str, basic: bool = False) -> str:
        """The text of an index of the tensor."""
        parts: list[str] = []
        axes = list(self.shape(name))
        used_list = False
        for size in axes[: self.random.randint(0, len(axes))]:
            kind = self.random.randrange(12)
            if kind < 3 and size:
                parts.append(str(self.random.randrange(-size, size)))
            elif kind < 8:
                low, high = self.one("", self.random.randrange(-4, 4)), self.one("", self.random.randrange(-4, 5))
                step = self.one("", "", ":2", ":3")
                parts.append(f"{low}:{high}{step}")
            elif kind < 9:
                parts.append(":")
            elif kind < 10:
                parts.append("None")
            elif kind == 10 and not basic and size and not used_list:
                used_list = True
                # No place twice: which write to it stays is undefined.
                rows = [n - self.one(0, size) for n in self.random.sample(range(size), self.random.randint(1, size))]
                parts.append(self.one(f"{rows}", f"T.tensor({rows})"))
            elif kind == 11 and not basic and size and not used_list:
                used_list = True
                parts.append(f"T.tensor({[bool(self.random.randrange(2)) for _ in range(size)]})")
            else:
                parts.append(":")
        if self.chance(0.25):
            parts.insert(self.random.randint(0, len(parts)), "...")
        return ", ".join(parts) or "..."

    def indices(self, size: int, count: int) -> str:
        return str([self.random.randrange(max(size, 1)) for _ in range(count)])
