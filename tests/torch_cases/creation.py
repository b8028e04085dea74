"""Tensors from numbers, sequences and arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from peer import Case, integer, nograd, real

DATA: tuple[Any, ...] = (
    1,
    1.5,
    True,
    [1, 2],
    [1.0, 2],
    [True, False],
    [[1, 2], [3, 4]],
    [],
    [[]],
    [[], []],
    (1, 2),
    [(1, 2), (3, 4)],
    1e300,
    range(3),
)


CASES = [
    Case(
        "tensor",
        lambda T: [T.tensor(data) for data in DATA],
    ),
    Case(
        "tensor mixed",
        lambda T: [T.tensor([1, 2.5]), T.tensor([True, 2]), T.tensor([True, 2.5]), T.tensor([[1, 2], [3, 4.5]])],
    ),
    Case(
        "tensor dtype",
        lambda T: [
            T.tensor([1, 2], dtype=d) for d in (T.float32, T.float64, T.int32, T.uint8, T.bool, T.float16, T.bfloat16)
        ],
    ),
    Case(
        "tensor of arrays",
        lambda T: [
            T.tensor(np.arange(3)),
            T.tensor(np.ones((2, 2))),
            T.tensor(np.float32(2)),
            T.tensor([np.float64(1.5), 2]),
            T.tensor([np.arange(2), np.arange(2)]),
            T.tensor(np.ones(2, np.float16)),
            T.tensor(np.int32(3)),
            T.tensor([np.float32(1)]),
        ],
    ),
    Case(
        "tensor of tensors",
        lambda T: [
            T.tensor([T.tensor(1.0), 2.0]),
            T.tensor([T.tensor(1), T.tensor(2)]),
            T.tensor(T.ones(2)),
            T.tensor([[T.tensor(1.5)], [2]]),
        ],
    ),
    Case(
        "tensor requires_grad",
        lambda T: [
            T.tensor([1.0], requires_grad=True),
            T.zeros(2, requires_grad=True),
            T.ones(2, requires_grad=True, dtype=T.float64),
        ],
    ),
    Case(
        "as_tensor asarray",
        lambda T: [
            T.as_tensor([1, 2]),
            T.as_tensor(np.ones(2)),
            T.as_tensor(3.5),
            T.asarray([1.0]),
            T.as_tensor([1], dtype=T.float64),
            T.asarray(np.arange(3), dtype=T.float32),
            T.asarray(2),
        ],
    ),
    Case(
        "zeros ones empty",
        lambda T: [
            T.zeros(2, 3),
            T.ones((2, 3)),
            T.zeros([2]),
            T.zeros(()),
            T.zeros(0),
            T.ones(2, dtype=T.int64),
            T.zeros(size=(2,)),
            T.zeros(T.Size([2])),
            tuple(T.empty(2, 3).shape),
            T.ones(2, 3, dtype=T.bool),
        ],
    ),
    Case(
        "zeros options",
        lambda T: [
            T.zeros(2, device="cpu"),
            T.ones(2, layout=T.strided),
            T.zeros(2, pin_memory=False),
            T.ones(1, device=T.device("cpu"), dtype=None),
            T.zeros(2),
        ],
    ),
    Case(
        "full",
        lambda T: [
            T.full((2, 3), 1.5),
            T.full((2,), 1),
            T.full([2], True),
            T.full((), 2.0),
            T.full((2,), 3, dtype=T.float32),
            T.full((2,), math.inf),
            T.full(size=(1,), fill_value=2),
            T.full((2,), T.tensor(2.5)),
        ],
    ),
    Case(
        "likes",
        lambda T, x, i: [
            T.zeros_like(x),
            T.ones_like(i),
            T.full_like(x, 2),
            T.full_like(i, 3.7),
            T.zeros_like(i, dtype=T.float64),
            T.ones_like(x, dtype=T.bool),
            tuple(T.empty_like(x).shape),
            T.full_like(x, 2, dtype=T.int32),
            T.zeros_like(x, memory_format=T.preserve_format),
            T.zeros_like(x, requires_grad=True),
            T.zeros_like(x, device="cpu", layout=T.strided),
        ],
        [nograd(real(2, 3)), integer(2)],
    ),
    Case(
        "likes keep strides",
        lambda T, x: [tuple(f(x).stride()) for f in (T.zeros_like, T.ones_like, T.empty_like, T.rand_like)],
        [nograd(real(2, 3, 4))],
        jit=False,
    ),
    Case(
        "new methods",
        lambda T, x, i: [
            x.new_zeros(2, 3),
            x.new_ones((2,)),
            x.new_full((2,), 3),
            i.new_tensor([1.7, 2.2]),
            x.new_tensor([1, 2]),
            i.new_zeros(2, dtype=T.float32),
            tuple(x.new_empty(2, 3).shape),
            tuple(x.new_empty((2,)).shape),
            x.new_zeros((2,), device="cpu", requires_grad=True),
            x.new_ones(size=(2,)),
            tuple(x.new(2, 3).shape),
            x.new([1, 2]),
        ],
        [nograd(real(2)), integer(2)],
    ),
    Case(
        "arange",
        lambda T: [
            T.arange(5),
            T.arange(5.0),
            T.arange(1, 4),
            T.arange(1, 2, 0.25),
            T.arange(5, 0, -2),
            T.arange(0),
            T.arange(2, 2),
            T.arange(3, dtype=T.float32),
            T.arange(0, 1, 0.1),
            T.arange(start=1, end=3),
            T.arange(0.5, 3),
            T.arange(end=4),
            T.arange(1, 10, 3, dtype=T.int32),
            T.arange(3, dtype=T.float16),
            T.arange(-3, 3, 2),
            T.arange(2.5, dtype=T.int64),
        ],
    ),
    Case(
        "arange of tensors",
        lambda T: [
            T.arange(T.tensor(3)),
            T.arange(0, T.tensor(2.5), 0.5),
            T.arange(np.int64(3)),
            T.arange(np.float64(2.0)),
        ],
    ),
    Case("range", lambda T: [T.range(0, 3), T.range(1, 2, 0.5)]),
    Case(
        "linspace",
        lambda T: [
            T.linspace(0, 1, 5),
            T.linspace(-2, 3, 7, dtype=T.float64),
            T.linspace(1, 1, 3),
            T.linspace(0, 1, 1),
            T.linspace(0, 1, 0),
            T.linspace(5, 0, 4),
            T.linspace(0, 10, steps=3),
            T.linspace(0, 9, 4, dtype=T.int64),
            T.linspace(start=0, end=1, steps=2),
        ],
    ),
    Case(
        "linspace of tensors", lambda T: [T.linspace(T.tensor(0.0), T.tensor(1.0), 3), T.linspace(0, T.tensor(2.0), 3)]
    ),
    Case(
        "logspace",
        lambda T: [
            T.logspace(0, 2, 3),
            T.logspace(0, 3, 4, base=2.0),
            T.logspace(-1, 1, 5, dtype=T.float64),
            T.logspace(1, 1, 1),
        ],
    ),
    Case("eye", lambda T: [T.eye(3), T.eye(2, 3), T.eye(3, 2, dtype=T.int64), T.eye(0), T.eye(2, requires_grad=True)]),
    Case(
        "triangle indices",
        lambda T: [
            T.tril_indices(3, 4),
            T.triu_indices(3, 3, 1),
            T.tril_indices(3, 3, -1),
            T.triu_indices(4, 3, offset=-1),
            T.tril_indices(2, 2, dtype=T.int32),
            T.tril_indices(0, 2),
        ],
    ),
    Case(
        "empty_strided",
        lambda T: [
            tuple(T.empty_strided((2, 3), (1, 2)).stride()),
            tuple(T.empty_strided((2, 3), (3, 1)).shape),
            tuple(T.empty_permuted((2, 3, 4), (2, 0, 1)).stride()),
        ],
        jit=False,
    ),
    Case("scalar_tensor", lambda T: [T.scalar_tensor(3), T.scalar_tensor(2.5, dtype=T.float64)]),
    Case(
        "from_numpy",
        lambda T: [
            T.from_numpy(np.arange(3)),
            T.from_numpy(np.ones((2, 3), np.float32).T),
            T.from_numpy(np.arange(6)[::2]),
            T.from_numpy(np.array(2.5)),
            T.from_numpy(np.zeros(2, bool)),
            T.from_numpy(np.ones((0, 3))),
        ],
    ),
    Case("from_numpy shares", lambda T: shared(T), jit=False),
    Case(
        "frombuffer",
        lambda T: [
            T.frombuffer(bytearray(b"\x01\x02\x03\x04"), dtype=T.uint8),
            T.frombuffer(bytearray(16), dtype=T.float32, count=2, offset=4),
        ],
    ),
    Case(
        "legacy constructors",
        lambda T: [
            T.FloatTensor([1, 2]),
            T.LongTensor([1, 2]),
            T.DoubleTensor([[1, 2]]),
            T.ByteTensor([1]),
            T.BoolTensor([True]),
            T.IntTensor([3]),
            T.HalfTensor([1.5]),
            T.ShortTensor([1]),
            T.CharTensor([1]),
            tuple(T.FloatTensor(2, 3).shape),
            tuple(T.LongTensor(3).shape),
            T.FloatTensor(),
            T.Tensor([1, 2]),
            tuple(T.Tensor(2, 3).shape),
            T.Tensor(),
            T.FloatTensor(np.ones(2, np.float32)),
            T.Tensor(T.ones(2)),
            T.LongTensor(np.array([1, 2])),
            T.BFloat16Tensor([1.0]),
        ],
    ),
    Case(
        "Variable",
        lambda T: [
            T.autograd.Variable(T.ones(2)),
            T.autograd.Variable(T.ones(2), requires_grad=True),
            T.autograd.Variable(T.zeros(3)),
        ],
    ),
    Case(
        "windows",
        lambda T: [
            f(n)
            for f in (T.hann_window, T.hamming_window, T.blackman_window, T.bartlett_window, T.kaiser_window)
            for n in (0, 1, 2, 6, 7)
        ],
        atol=1e-6,
    ),
    Case(
        "windows symmetric",
        lambda T: [
            T.hann_window(5, periodic=False),
            T.hamming_window(5, periodic=False, alpha=0.5, beta=0.4),
            T.kaiser_window(6, periodic=False, beta=8.0),
            T.blackman_window(5, False, dtype=T.float64),
            T.bartlett_window(4, False),
        ],
        atol=1e-6,
    ),
    Case(
        "dtypes of results",
        lambda T: [
            T.promote_types(T.int32, T.float16),
            T.result_type(T.ones(1), 1.5),
            T.result_type(T.ones(1, dtype=T.int64), 2.5),
            T.can_cast(T.float64, T.int32),
            T.can_cast(T.int32, T.float16),
            T.promote_types(T.uint8, T.int8),
            T.promote_types(T.float16, T.bfloat16),
        ],
    ),
    Case("finfo iinfo", lambda T: infos(T)),
    Case(
        "dtype attributes",
        lambda T: [
            [d.is_floating_point, d.itemsize, d.is_complex, d.is_signed]
            for d in (T.float32, T.int64, T.bool, T.uint8, T.bfloat16)
        ],
    ),
    Case("default dtype", lambda T: defaults(T)),
    Case.misuse("tensor ragged", lambda T: T.tensor([[1, 2], [3]])),
    Case.misuse("tensor of text", lambda T: T.tensor("a")),
    Case.misuse("tensor of None", lambda T: T.tensor(None)),
    Case.misuse("tensor of a dict", lambda T: T.tensor({})),
    Case.misuse("zeros negative", lambda T: T.zeros(-1)),
    Case.misuse("zeros float", lambda T: T.zeros(1.5)),
    Case.misuse("zeros cuda", lambda T: T.zeros(2, device="cuda")),
    Case.misuse("zeros unknown device", lambda T: T.zeros(2, device="toaster")),
    Case.misuse("arange step 0", lambda T: T.arange(0, 1, 0)),
    Case.misuse("arange direction", lambda T: T.arange(3, 1)),
    Case.misuse("integers that require grad", lambda T: T.tensor([1], requires_grad=True)),
    Case.misuse("from_numpy of a list", lambda T: T.from_numpy([1])),
    Case.misuse("from_numpy of texts", lambda T: T.from_numpy(np.array(["a"]))),
    Case.misuse("linspace negative steps", lambda T: T.linspace(0, 1, -1)),
    Case.misuse("full of a list", lambda T: T.full((2,), [1])),
    Case.misuse("cuda method", lambda T: T.ones(2).cuda()),
    Case.misuse("to cuda", lambda T: T.ones(2).to("cuda")),
    Case.misuse("device name", lambda T: T.device("toaster")),
    Case.misuse("legacy with floats", lambda T: T.LongTensor(2.5)),
]


# Python's types name dtypes.
CASES += [
    Case(
        f"dtype={kind.__name__} {name}",
        lambda T, x, f=f, kind=kind: f(T, x, kind),
        [real(3)],
        grad=False,
        layouts=False,
    )
    for kind in (float, int, bool)
    for name, f in {
        "zeros": lambda T, x, kind: T.zeros(3, dtype=kind),
        "eye": lambda T, x, kind: T.eye(3, dtype=kind),
        "full": lambda T, x, kind: T.full((2,), 1, dtype=kind),
        "tensor": lambda T, x, kind: T.tensor([1, 0], dtype=kind),
        "ones_like": lambda T, x, kind: T.ones_like(x, dtype=kind),
        "new_zeros": lambda T, x, kind: x.new_zeros(2, dtype=kind),
        "to": lambda T, x, kind: x.to(kind),
        "to dtype=": lambda T, x, kind: x.to(dtype=kind),
        "sum": lambda T, x, kind: (x > 0).sum(dtype=kind),
        "prod": lambda T, x, kind: (x > 0).prod(dtype=kind),
    }.items()
]


def shared(T: Any) -> Any:
    array = np.arange(4.0)
    x = T.from_numpy(array)
    array[0] = 7
    x[1] = 9
    y = T.as_tensor(array)
    z = T.tensor(array)
    array[2] = -1
    back = x.numpy()
    back[3] = 5
    return [x, y, z, T.from_numpy(array)]


def infos(T: Any) -> Any:
    floats = [
        [f.max, f.min, f.eps, f.tiny, f.smallest_normal, f.bits, f.resolution]
        for f in map(T.finfo, (T.float32, T.float64, T.float16, T.bfloat16))
    ]
    ints = [[i.max, i.min, i.bits] for i in map(T.iinfo, (T.int8, T.uint8, T.int16, T.int32, T.int64))]
    return [floats, ints, T.finfo().eps, T.finfo(T.float32).dtype]


def defaults(T: Any) -> Any:
    try:
        T.set_default_dtype(T.float64)
        made = [
            T.tensor(1.5),
            T.zeros(2),
            T.arange(2.0),
            T.ones(2).dtype,
            T.get_default_dtype(),
            T.rand(1).dtype,
            T.full((1,), 2.0),
        ]
    finally:
        T.set_default_dtype(T.float32)
    try:
        T.set_default_tensor_type(T.DoubleTensor)
        made.append(T.zeros(1))
        T.set_default_tensor_type("torch.FloatTensor")
        made.append(T.zeros(1))
    finally:
        T.set_default_dtype(T.float32)
    return made
