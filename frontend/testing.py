"""`ingot.testing`: assertions about tensors that are close."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ingot import creation
from ingot.core import TensorBase, array_of
from ingot.promote import is_number
from ingot.runtime.errors import VerifyError
from ingot.source_lines import user_line

# (rtol, atol) per dtype, as PyTorch's documentation of assert_close lists them.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """|actual - expected| <= atol + rtol * |expected| for all elements of tensors, numbers, and containers of them.

    Tolerances not given depend on the dtype. Raises VerifyError (IG358), an AssertionError.
    """
    if (rtol is None) is not (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    _compare(actual, expected, "", rtol, atol, equal_nan, check_dtype, check_stride, msg)


def _failed(what: str, where: str, msg: Any) -> VerifyError:
    text = f"{what}{f' (item {where})' if where else ''}"
    if msg is not None:
        text = msg(text) if callable(msg) else msg
    return VerifyError("IG358", text, where=user_line())


def _compare(
    a: Any, b: Any, where: str, rtol: Any, atol: Any, nan: bool, dtypes: bool, strides: bool, msg: Any
) -> None:
    rest = (rtol, atol, nan, dtypes, strides, msg)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            raise _failed(f"The keys of the mappings do not match: {sorted(map(str, set(a) ^ set(b)))}", where, msg)
        for key in b:
            _compare(a[key], b[key], f"{where}[{key!r}]", *rest)
        return
    if isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str):
        if len(a) != len(b):
            raise _failed(f"The length of the sequences mismatch: {len(a)} != {len(b)}", where, msg)
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            _compare(x, y, f"{where}[{index}]", *rest)
        return
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        if a != b:
            raise _failed(f"Not equal: {a!r} and {b!r}", where, msg)
        return
    x, y = _as_tensor(a), _as_tensor(b)
    if dtypes and isinstance(a, TensorBase) and isinstance(b, TensorBase) and x.dtype is not y.dtype:
        raise _failed(f"The values for attribute 'dtype' do not match: {x.dtype} != {y.dtype}.", where, msg)
    if tuple(x.shape) != tuple(y.shape):
        raise _failed(f"The values for attribute 'shape' do not match: {x.shape} != {y.shape}.", where, msg)
    if strides and x.stride() != y.stride():
        raise _failed(f"The values for attribute 'stride()' do not match: {x.stride()} != {y.stride()}.", where, msg)
    _compare_elements(x, y, where, rtol, atol, nan, msg)


def _as_tensor(value: Any) -> Any:
    if isinstance(value, TensorBase):
        return value
    if not is_number(value) and not isinstance(value, np.ndarray):
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(value)}")
    return creation.tensor(value)


def _compare_elements(x: Any, y: Any, where: str, rtol: Any, atol: Any, nan: bool, msg: Any) -> None:
    if rtol is None:
        pairs = [_TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (x, y)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    a, b = (array_of(t).astype(np.float64 if t.dtype.is_floating_point else object) for t in (x, y))
    if a.dtype == object:
        difference = np.abs(a.astype(np.int64) - b.astype(np.int64)).astype(np.float64)
        good = difference <= atol + rtol * np.abs(b.astype(np.float64))
    else:
        with np.errstate(invalid="ignore"):
            difference = np.abs(a - b)
            good = (a == b) | (difference <= atol + rtol * np.abs(b)) & np.isfinite(b)
        good |= nan & np.isnan(a) & np.isnan(b)
    if np.all(good):
        return
    bad = ~np.asarray(good)
    worst = np.unravel_index(int(np.argmax(np.where(bad, np.nan_to_num(difference, nan=np.inf), -1))), bad.shape)
    raise _failed(
        f"Tensor-likes are not close!\nMismatched elements: {int(bad.sum())} / {bad.size} "
        f"({100 * bad.mean():.1f}%)\nGreatest absolute difference: {np.asarray(difference)[worst]} at index "
        f"{tuple(int(i) for i in worst)} (rtol {rtol}, atol {atol} allowed): {np.asarray(a)[worst]} and "
        f"{np.asarray(b)[worst]}",
        where,
        msg,
    )


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """As `assert_close`, of any dtypes; its older form."""
    assert_close(
        creation.as_tensor(actual),
        creation.as_tensor(expected),
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=False,
        msg=msg or None,
    )


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = None,
    low: Any = None,
    high: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Any:
    """Random elements of [low, high): by default [-9, 9) of floats, [-9, 10) of integers, both truth values."""
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    made = creation.empty(sizes, dtype=dtype, device=device)
    if dtype.is_floating_point:
        made.uniform_(-9 if low is None else low, 9 if high is None else high)
    elif dtype.kind == "b":
        made.random_(0, 2)
    else:
        bottom = (0 if dtype.kind == "u" else -9) if low is None else int(low)
        made.random_(bottom, 10 if high is None else int(high))
    return made.requires_grad_(requires_grad) if requires_grad else made
