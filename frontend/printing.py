"""Tensors as text, as PyTorch prints them (torch/_tensor_str.py): four digits, one width, summarised past 1000."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.core import array_of, is_traced
from ingot.modes import Defaults
from ingot.runtime import dtypes

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Options:
    """What `set_printoptions` sets."""

    precision = 4
    threshold: float = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print: digits, when to summarise, how much of an edge to show, line width, scientific or not."""
    profiles: dict[str, tuple[int, float, int, int]] = {
        "default": (4, 1000, 3, 80),
        "short": (2, 1000, 2, 80),
        "full": (4, math.inf, 3, 80),
    }
    if profile is not None:
        Options.precision, Options.threshold, Options.edgeitems, Options.linewidth = profiles[profile]
    for name, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems)):
        if value is not None:
            setattr(Options, name, value)
    Options.linewidth = Options.linewidth if linewidth is None else linewidth
    Options.sci_mode = sci_mode


class Formatter:
    """Formats the elements of one tensor, all in one width."""

    def __init__(self, elements: np.ndarray[Any, Any]) -> None:
        self.floating = elements.dtype.kind not in "biu"
        self.whole = True
        self.scientific = False
        self.width = 1
        values = elements.astype(np.float64).ravel() if self.floating else elements.ravel()
        if not self.floating:
            self.width = max([1, *[len(str(v)) for v in values.tolist()]])
            return
        finite = values[np.isfinite(values) & (values != 0)]
        if len(finite) == 0:
            return
        self._choose(np.abs(finite), finite)
        self.width = max(self.width, *[len(self._text(v)) for v in finite.tolist()])

    def _choose(self, sizes: np.ndarray[Any, Any], finite: np.ndarray[Any, Any]) -> None:
        low, high = sizes.min(), sizes.max()
        self.whole = bool(np.all(finite == np.ceil(finite)))
        if self.whole:
            self.scientific = bool(high / low > 1000.0 or high > 1.0e8)
        else:
            self.scientific = bool(high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4)
        if Options.sci_mode is not None:
            self.scientific = Options.sci_mode

    def _text(self, value: float) -> str:
        if self.scientific:
            return f"{value:.{Options.precision}e}"
        if self.whole:
            return f"{value:.0f}."
        return f"{value:.{Options.precision}f}"

    def __call__(self, value: Any) -> str:
        if not self.floating:
            return str(value).rjust(self.width)
        if not math.isfinite(value):
            return str(value).rjust(self.width)
        text = self._text(value)
        return text.rjust(self.width)


def _scalar(array: Any, format: Formatter) -> str:
    return format(array.item() if not hasattr(array, "tolist") else array.tolist())


def _vector(array: np.ndarray[Any, Any], indent: int, summarize: bool, format: Formatter) -> str:
    per_line = max(1, math.floor((Options.linewidth - indent) / (format.width + 2)))
    edge = Options.edgeitems
    if summarize and len(array) > 2 * edge:
        parts = [_scalar(x, format) for x in array[:edge]] + [" ..."] + [_scalar(x, format) for x in array[-edge:]]
    else:
        parts = [_scalar(x, format) for x in array]
    lines = [parts[i : i + per_line] for i in range(0, len(parts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"


def _nested(array: np.ndarray[Any, Any], indent: int, summarize: bool, format: Formatter) -> str:
    if array.ndim == 0:
        return _scalar(array[()], format)
    if array.ndim == 1:
        return _vector(array, indent, summarize, format)
    edge = Options.edgeitems
    if summarize and len(array) > 2 * edge:
        parts = [_nested(x, indent + 1, summarize, format) for x in array[:edge]]
        parts += ["..."] + [_nested(x, indent + 1, summarize, format) for x in array[-edge:]]
    else:
        parts = [_nested(x, indent + 1, summarize, format) for x in array]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _edges(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that a summary shows."""
    edge = Options.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * edge:
            array = np.concatenate(
                [np.take(array, range(edge), axis), np.take(array, range(size - edge, size), axis)], axis
            )
    return array


def tensor_text(tensor: Tensor, prefix: str = "tensor(") -> str:
    """`tensor([[1., 2.]])`, with dtype, size and grad_fn where they are not the default."""
    layout = tensor._layout
    suffixes: list[str] = []
    indent = len(prefix)
    if is_traced(tensor):
        return f"{prefix}..., size={tuple(layout.shape)}, dtype={layout.dtype}, traced)"
    array = array_of(tensor)
    usual = (Defaults.dtype, dtypes.int64, dtypes.bool_)
    if layout.numel == 0:
        if layout.ndim != 1:
            suffixes.append(f"size={tuple(layout.shape)}")
        if layout.dtype is not Defaults.dtype:
            suffixes.append(f"dtype={layout.dtype}")
        body = "[]"
    else:
        if layout.dtype not in usual:
            suffixes.append(f"dtype={layout.dtype}")
        summarize = layout.numel > Options.threshold
        shown = array.astype(np.float32) if layout.dtype.short in ("bf16", "f16") else array
        body = _nested(shown, indent, summarize, Formatter(_edges(shown) if summarize else shown))
    if tensor._node is not None:
        suffixes.append(f"grad_fn=<{tensor._node.name()}>")
    elif tensor._requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, indent)


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    parts = [text]
    last_line = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last_line + len(suffix) + 2 > Options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last_line = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last_line += len(suffix) + 2
    return "".join(parts) + ")"
