"""Tensors: operators, methods, conversions, in-place forms and printing, against NumPy and PyTorch's texts."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import DTypeError, GradError, IngotError, ShapeError

A = np.array([[1.5, -2.0, 0.25], [3.0, 0.5, -1.25]], np.float32)
B = np.array([[0.5, 2.0, -1.0], [2.0, 4.0, 0.75]], np.float32)
K = np.array([[7, -7, 4], [-4, 9, 1]])
J = np.array([[2, 2, -3], [3, -4, 5]])

Function = Callable[..., Any]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda a, b: a + b, None),
        (lambda a, b: a - 2 * b, None),
        (lambda a, b: 2 - a / b, None),
        (lambda a, b: 1 / b, None),
        (lambda a, b: -a, None),
        (lambda a, b: abs(a), None),
        (lambda a, b: a // b, None),
        (lambda a, b: a % b, None),
        (lambda a, b: a**2, None),
        (lambda a, b: a**3, lambda a, b: a * a * a),
        (lambda a, b: 2**a, None),
        (lambda a, b: a == b, None),
        (lambda a, b: (a > b) & (b != 2) | ~(a <= 0), None),
        (lambda a, b: a @ b.T, None),
        (lambda a, b: a.clip(-1, 1), None),
        (lambda a, b: a.fmod(b), np.fmod),
        (lambda a, b: ingot.where(a > b, a, b), np.maximum),
        (lambda a, b: ingot.lerp(a, b, 0.25), lambda a, b: a + 0.25 * (b - a)),
        (lambda a, b: a.addcmul(a, b, value=2), lambda a, b: a + 2 * a * b),
        (lambda a, b: ingot.div(a, b, rounding_mode="trunc"), lambda a, b: np.trunc(a / b)),
    ],
)
def test_arithmetic(ours: Function, theirs: Function | None) -> None:
    result = ours(ingot.from_numpy(A), ingot.from_numpy(B))
    expected = (theirs or ours)(A, B)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
    assert result.numpy().dtype == expected.dtype


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda i, j: i // j, None),
        (lambda i, j: i % j, None),
        (lambda i, j: i & j | 8 ^ j, None),
        (lambda i, j: i << 2 >> 1, None),
        (lambda i, j: i**2, None),
        (lambda i, j: ingot.div(i, j, rounding_mode="trunc"), lambda i, j: np.fix(i / j).astype(np.int64)),
        (lambda i, j: i / j, lambda i, j: (i / j).astype(np.float32)),
    ],
)
def test_integers(ours: Function, theirs: Function | None) -> None:
    result = ours(ingot.from_numpy(K), ingot.from_numpy(J))
    expected = (theirs or ours)(K, J)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
    assert result.numpy().dtype == expected.dtype


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: x.sum(), A.sum()),
        (lambda x: x.sum(0), A.sum(0)),
        (lambda x: x.mean((0, 1)), A.mean()),
        (lambda x: x.prod(1), A.prod(1)),
        (lambda x: x.max(), A.max()),
        (lambda x: x.max(1).values, A.max(1)),
        (lambda x: x.min(0).indices, A.argmin(0)),
        (lambda x: x.amax(1, keepdim=True), A.max(1, keepdims=True)),
        (lambda x: x.argmax(), A.argmax()),
        (lambda x: x.var(), A.var(ddof=1)),
        (lambda x: x.std(1, unbiased=False), A.std(1)),
        (lambda x: x.norm(), np.sqrt((A * A).sum())),
        (lambda x: x.norm(1, dim=1), np.abs(A).sum(1)),
        (lambda x: x.logsumexp(1), np.log(np.exp(A).sum(1))),
        (lambda x: x.cumsum(1), A.cumsum(1)),
        (lambda x: x.cummax(1).values, np.maximum.accumulate(A, 1)),
        (lambda x: (x > 0).all(1), (A > 0).all(1)),
        (lambda x: (x > 0).sum(), (A > 0).sum()),
        (lambda x: x.softmax(1), np.exp(A) / np.exp(A).sum(1, keepdims=True)),
    ],
)
def test_reductions(call: Function, expected: Any) -> None:
    np.testing.assert_allclose(call(ingot.from_numpy(A)).numpy(), expected, rtol=2e-6)


def test_in_place_forms_return_the_tensor_itself() -> None:
    x = ingot.ones(3)
    assert x.add_(2).mul_(ingot.tensor([1.0, 2.0, 3.0])) is x
    assert x.tolist() == [3, 6, 9]
    before = x.data_ptr()
    x += 1
    x[1:] -= 1
    x.clamp_(max=8).neg_()
    assert x.tolist() == [-4, -6, -8]
    assert x.data_ptr() == before
    assert x.fill_(2).zero_().tolist() == [0, 0, 0]
    assert x.copy_(ingot.tensor(5)).tolist() == [5, 5, 5]
    assert x._version > 0


@pytest.mark.parametrize(
    ("write", "error", "text"),
    [
        (lambda: ingot.ones(2).int().add_(0.5), DTypeError, "IG213.*can't be cast to the desired output type"),
        (lambda: ingot.ones(2).add_(ingot.ones(3, 2)), ShapeError, "IG201.*doesn't match the broadcast shape"),
        (lambda: ingot.ones(1).expand(3).add_(1), ShapeError, "IG212.*an expanded tensor cannot be written to"),
        (lambda: ingot.ones(3).copy_(ingot.ones(2)), ShapeError, "IG201.*cannot be broadcast to shape"),
        (lambda: ingot.ones(2) > "a", DTypeError, "IG214"),
        (lambda: -ingot.ones(2).bool(), DTypeError, "IG215.*neg is not defined for bool"),
        (lambda: ~ingot.ones(2), DTypeError, "IG215"),
        (lambda: ingot.arange(3).mean(), DTypeError, "IG220.*could not infer output dtype"),
        (lambda: ingot.arange(3) ** -1, DTypeError, "IG218"),
        (lambda: ingot.ones(2, 3) @ ingot.ones(2, 3), ShapeError, "IG228.*inner sizes differ: 3 columns"),
        (lambda: ingot.ones(2) @ ingot.ones(2).double(), DTypeError, "IG227.*same dtype"),
        (lambda: ingot.ones(2).sum(5), ShapeError, "IG202.*dimension 5 is out of range"),
        (lambda: ingot.ones(2).item(), ShapeError, "IG237.*with 2 elements cannot be converted"),
        (lambda: bool(ingot.ones(2)), ShapeError, "IG238.*more than one value is ambiguous"),
        (lambda: len(ingot.tensor(1)), DTypeError, "IG240"),
        (lambda: ingot.cat([ingot.ones(2, 3), ingot.ones(3, 2)]), ShapeError, "IG224.*tensor 0 has shape"),
        (lambda: ingot.ones(2).where(ingot.ones(2), 0), DTypeError, "IG219"),
        (lambda: ingot.ones(2, 3).topk(4), ShapeError, "IG231"),
    ],
)
def test_bad_input(write: Function, error: type[IngotError], text: str) -> None:
    with pytest.raises(error, match=r"(?s)" + text) as caught:
        write()
    assert "test_tensor.py" in str(caught.value)


def test_out_to_python() -> None:
    x = ingot.tensor([[1, 2], [3, 4]])
    assert x.tolist() == [[1, 2], [3, 4]]
    assert [row.tolist() for row in x] == x.tolist()
    assert x[1, 1].item() == 4 and isinstance(x[1, 1].item(), int)
    assert int(x[0, 1]) == 2 and float(x[0, 1]) == 2.0 and [10, 20, 30][x[0, 1]] == 30
    assert 3 in x and 9 not in x
    assert np.asarray(x).sum() == 10
    assert f"{ingot.tensor(0.5):.3f}" == "0.500"
    assert len(x) == 2 and x.numel() == 4 and x.size(-1) == 2 and x.dim() == 2
    assert repr(x.shape) == "ingot.Size([2, 2])" and x.shape.numel() == 4
    with pytest.raises(GradError, match=r"IG311.*can't call numpy\(\) on a Tensor that requires grad"):
        ingot.ones(2, requires_grad=True).numpy()


def test_conversions() -> None:
    x = ingot.tensor([0.0, 1.7, -1.7])
    assert x.int().tolist() == [0, 1, -1] and x.bool().tolist() == [False, True, True]
    assert x.double().dtype is ingot.float64 and x.half().dtype is ingot.float16
    assert x.to(ingot.int64).dtype is ingot.int64 and x.to(x) is x and x.to("cpu") is x
    assert x.to(ingot.float32, copy=True) is not x
    assert x.type() == "ingot.FloatTensor" and x.type(ingot.int8).dtype is ingot.int8
    assert x.type_as(ingot.ones(1).double()).dtype is ingot.float64
    assert x.bfloat16().float().tolist() == [0, 1.703125, -1.703125]


def test_copies() -> None:
    x = ingot.tensor([1.0, 2.0], requires_grad=True)
    for made in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert made.tolist() == [1, 2] and made.requires_grad and made.data_ptr() != x.data_ptr()
    with pytest.raises(GradError, match="IG312"):
        copy.deepcopy(x * 2)


# What torch 2.13 prints, with "torch" read as "ingot".
TEXTS = [
    (lambda: ingot.tensor([1.0, 2.0]), "tensor([1., 2.])"),
    (
        lambda: ingot.tensor([[1.5, float("nan")], [-2.25, float("inf")]]),
        "tensor([[ 1.5000,     nan],\n        [-2.2500,     inf]])",
    ),
    (lambda: ingot.tensor([1e-5, 1.0, 1000.0]), "tensor([1.0000e-05, 1.0000e+00, 1.0000e+03])"),
    (lambda: ingot.tensor(3.5), "tensor(3.5000)"),
    (lambda: ingot.tensor(7), "tensor(7)"),
    (lambda: ingot.tensor([True, False]), "tensor([ True, False])"),
    (lambda: ingot.zeros(0, 3), "tensor([], size=(0, 3))"),
    (lambda: ingot.tensor([1, 20], dtype=ingot.int32), "tensor([ 1, 20], dtype=ingot.int32)"),
    (lambda: ingot.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
    (lambda: ingot.ones(1, requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward0>)"),
    (lambda: ingot.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (
        lambda: ingot.arange(8).view(2, 2, 2),
        "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])",
    ),
    (lambda: ingot.tensor([100000000.0, 1.0]), "tensor([1.0000e+08, 1.0000e+00])"),
    (lambda: ingot.tensor([0.0, -0.0]), "tensor([0., -0.])"),
]


@pytest.mark.parametrize(("make", "text"), TEXTS, ids=range(len(TEXTS)))
def test_printing(make: Function, text: str) -> None:
    assert repr(make()) == text
