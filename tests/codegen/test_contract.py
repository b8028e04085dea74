"""Contractions against float64: sizes, strides, epilogues, convolutions, dtypes, targets, and any split of the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal as Literal_

import numpy as np
import pytest
from codegen.contractions import Array, Compiled, assembly, check, inner_loops

from ingot.compiler.codegen.contract import tile_contract
from ingot.compiler.codegen.target import Target, host, named
from ingot.compiler.dims import Dim
from ingot.compiler.ir import Op, Size
from ingot.compiler.kernel import (
    Apply,
    Buffer,
    Contract,
    Expr,
    Index,
    Kernel,
    Let,
    Literal,
    Load,
    Name,
    Position,
    Stmt,
    Store,
    Tiling,
)
from ingot.compiler.ops.table import TABLE
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

Axes = tuple[tuple[str, Size], ...]
TARGETS = [t for t in (host(), named("x86-64-v3"), named("x86-64-v2")) if t.architecture == host().architecture]
TARGETS = [t for t in TARGETS if t.features <= host().features]


def op(name: str, *args: Expr, dtype: DType | None = None, **attrs: object) -> Apply:
    row: Op = TABLE[name]
    return Apply(row, args, dtype or args[0].dtype, tuple(sorted(attrs.items())))


def strided(rng: np.random.Generator, axes: Axes, style: str) -> tuple[Index, int]:
    """An index over the axes and the number of elements it spans."""
    order = list(range(len(axes)))
    if style != "rows":
        order = rng.permutation(len(axes)).tolist()
    strides, step, offset = [0] * len(axes), 1, 0
    for i in reversed(order):
        extent = axes[i][1]
        assert isinstance(extent, int)
        strides[i] = step
        step *= extent + (int(rng.integers(0, 3)) if style == "gaps" else 0)
    if style == "gaps" and rng.random() < 0.5:
        strides, step, offset = [2 * s for s in strides], 2 * step, 1
    if style == "negative" and axes:
        i = int(rng.integers(len(axes)))
        offset, strides[i] = strides[i] * max(int(str(axes[i][1])) - 1, 0), -strides[i]
    if style == "broadcast" and axes:
        strides[int(rng.integers(len(axes)))] = 0
    terms = tuple((axis, stride) for (axis, _), stride in zip(axes, strides, strict=True))
    return Index(terms, offset), max(step, 1) + offset


def random_array(rng: np.random.Generator, size: int, dtype: DType) -> Array:
    if dtype.kind == "f":
        return rng.standard_normal(size).astype(np.float32).astype(dtype.numpy)
    return rng.integers(-9, 10, size).astype(dtype.numpy)


@dataclass
class Case:
    """A kernel with its buffers, as random as wanted."""

    kernel: Kernel
    buffers: list[Array]


def matmul(
    rng: np.random.Generator,
    batch: Axes,
    m: Axes,
    n: Axes,
    k: Axes,
    *,
    styles: Sequence[str] = ("rows", "rows", "rows"),
    dtype: DType = dtypes.float32,
    inputs: DType | None = None,
    epilogue: str = "plain",
) -> Case:
    source = inputs or dtype
    orders = [(*batch, *m, *k), (*batch, *n, *k) if styles[1] != "kn" else (*batch, *k, *n), (*batch, *m, *n)]
    indices, sizes = zip(
        *(strided(rng, axes, "rows" if s == "kn" else s) for axes, s in zip(orders, styles, strict=True)), strict=True
    )
    arrays = [random_array(rng, sizes[0], source), random_array(rng, sizes[1], source)]
    buffers = [Buffer(source, "read"), Buffer(source, "read")]
    total: Expr = Name("sum", dtype)
    c, room = indices[2], sizes[2] + 37
    canary = np.full(room, np.nan if dtype.kind == "f" else 77).astype(dtype.numpy)
    body: tuple[Stmt, ...]
    if epilogue == "plain":
        body = (Store(2, c, total),)
    elif epilogue == "in place":
        canary = random_array(rng, room, dtype)
        body = (Store(2, c, op("add", total, Load(2, c, dtype))),)
    elif epilogue == "bias relu residual":
        bias = Index(tuple((axis, c.stride(axis)) for axis, _ in n if n))
        span = 1 + sum(abs(int(str(bias.stride(a)))) * int(str(e)) for a, e in n)
        negative = min(0, *(int(str(bias.stride(a))) * (int(str(e)) - 1) for a, e in n), 0)
        bias = bias._replace(offset=-negative)
        arrays += [random_array(rng, span - negative, dtype), random_array(rng, room, dtype)]
        x = op("add", total, Load(3, bias, dtype))
        x = op("maximum", x, Literal(dtype, 0))
        body = (Store(2, c, op("add", x, Load(4, c, dtype))),)
    elif epilogue == "gelu":
        third = op("mul", op("mul", total, total), total)
        inner = op("mul", op("add", total, op("mul", third, Literal(dtype, 0.044715))), Literal(dtype, 0.7978845608))
        wave = op("add", op("tanh", inner), Literal(dtype, 1.0))
        body = (Store(2, c, op("mul", op("mul", total, Literal(dtype, 0.5)), wave)),)
    elif epilogue == "adam":
        arrays += [random_array(rng, room, dtype), np.abs(random_array(rng, room, dtype))]
        canary = random_array(rng, room, dtype)
        moment = op("add", op("mul", Load(3, c, dtype), Literal(dtype, 0.9)), op("mul", total, Literal(dtype, 0.1)))
        square = op("mul", op("mul", total, total), Literal(dtype, 0.001))
        second = op("add", op("mul", Load(4, c, dtype), Literal(dtype, 0.999)), square)
        root = op("add", op("sqrt", Name("v", dtype)), Literal(dtype, 1e-3))
        step = op("mul", op("div", Name("m1", dtype), root), Literal(dtype, -0.01))
        update = op("add", Load(2, c, dtype), step)
        body = (
            Let("m1", moment),
            Let("v", second),
            Store(3, c, Name("m1", dtype)),
            Store(4, c, Name("v", dtype)),
            Store(2, c, update),
        )
    else:
        raise AssertionError(epilogue)
    written = {s.buffer for s in body if isinstance(s, Store)}
    arrays.insert(2, canary)
    buffers = [Buffer(dtypes.from_numpy(a.dtype), "update" if i in written else "read") for i, a in enumerate(arrays)]
    contract = Contract("sum", batch, m, n, k, Load(0, indices[0], source), Load(1, indices[1], source), dtype, body)
    return Case(Kernel("product", tuple(buffers), (contract,)), arrays)


def buffers(*kinds: tuple[DType, Literal_["read", "write", "update"]]) -> tuple[Buffer, ...]:
    return tuple(Buffer(dtype, access) for dtype, access in kinds)


def one(name: str, extent: int) -> Axes:
    return ((name, extent),)


def run(case: Case, target: Target, rng: np.random.Generator, tolerance: float = 1e-5) -> Compiled:
    return check(case.kernel, target, case.buffers, rng, tolerance=tolerance)


STYLES = ("rows", "permuted", "gaps", "negative", "broadcast")
EPILOGUES = ("plain", "in place", "bias relu residual", "gelu", "adam")


@pytest.mark.parametrize("seed", range(30))
def test_random_products(seed: int) -> None:
    """Odd sizes, all layouts, batches, several axes of each kind, every epilogue, each target in turn."""
    rng = np.random.default_rng(seed)
    target = TARGETS[seed % len(TARGETS)]

    def axes(letter: str, most: int, count: int) -> Axes:
        limit = max(2, round(most ** (1 / max(count, 1))))
        return tuple((f"{letter}{i}", int(rng.integers(1, limit + 1))) for i in range(count))

    parts = [axes("b", 4, int(rng.integers(0, 3)))]
    parts += [axes(letter, most, int(rng.integers(1, 3))) for letter, most in (("m", 90), ("n", 90), ("k", 150))]
    styles = [*rng.choice(STYLES, 2), rng.choice(STYLES[:4])]
    epilogue = EPILOGUES[int(rng.integers(len(EPILOGUES)))]
    case = matmul(rng, *parts, styles=styles, epilogue=epilogue)
    run(case, target, rng, 3e-4 if epilogue == "adam" else 1e-4)


SHAPES = [
    (3, 40, 64),
    (8, 33, 70),
    (1, 100, 50),
    (100, 1, 50),
    (1, 1, 33),
    (2, 96, 64),
    (5, 7, 3),
    (8, 48, 16),
    (16, 16, 16),
    (33, 65, 129),
    (64, 64, 1),
    (37, 40, 300),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_transposes(shape: tuple[int, int, int], target: Target) -> None:
    m, n, k = shape
    rng = np.random.default_rng(m * n * k)
    for right in ("rows", "kn"):
        for left in ("rows", "columns"):
            case = matmul(rng, (), one("m", m), one("n", n), one("k", k), styles=("rows", right, "rows"))
            if left == "columns":
                (contract,) = case.kernel.body
                assert isinstance(contract, Contract)
                turned = Load(0, Index((("m", 1), ("k", m))), dtypes.float32)
                case.kernel = case.kernel._replace(body=(contract._replace(a=turned),))
            run(case, target, rng, 1e-4)


@pytest.mark.parametrize("epilogue", EPILOGUES)
@pytest.mark.parametrize("m", [1, 2, 3, 8, 20])
def test_dot_tiles(m: int, epilogue: str) -> None:
    """Few rows of operands that lie along k: sums across lanes, then each epilogue."""
    rng = np.random.default_rng(m)
    for target in TARGETS:
        case = matmul(rng, (), one("m", m), one("n", 43), one("k", 77), epilogue=epilogue)
        (contract,) = case.kernel.body
        assert isinstance(contract, Contract)
        rows = min(4, target.lanes(32))
        tiling = Tiling(min(rows, m), target.lanes(32) // rows, 77, grid=(2, 3), dot=True)
        case.kernel = case.kernel._replace(body=(contract._replace(tiling=tiling),))
        run(case, target, rng, 3e-4)


@pytest.mark.parametrize("sizes", [(0, 5, 4), (5, 0, 4), (5, 4, 0), (0, 0, 0), (1, 1, 0)], ids=str)
@pytest.mark.parametrize("epilogue", ["plain", "bias relu residual"])
def test_zero_sizes(sizes: tuple[int, int, int], epilogue: str) -> None:
    """No k: zeros go through the epilogue. No m or n: nothing is written."""
    rng = np.random.default_rng(0)
    m, n, k = sizes
    run(matmul(rng, (), one("m", m), one("n", n), one("k", k), epilogue=epilogue), host(), rng)


@pytest.mark.parametrize("epilogue", EPILOGUES)
@pytest.mark.parametrize("transposed", [False, True])
def test_blocks_of_k(epilogue: str, transposed: bool) -> None:
    """Sums carried across blocks of k, with every packing, in both orientations."""
    rng = np.random.default_rng(5)
    for pack_a, pack_b in ((False, False), (True, False), (True, True)):
        case = matmul(rng, (), one("m", 29), one("n", 43), one("k", 100), epilogue=epilogue)
        (contract,) = case.kernel.body
        assert isinstance(contract, Contract)
        tiling = Tiling(5, 2 * host().lanes(32), 48, pack_a, pack_b, transposed, (2, 1))
        case.kernel = case.kernel._replace(body=(contract._replace(tiling=tiling),))
        run(case, host(), rng, 3e-4)


@pytest.mark.parametrize(
    ("inputs", "dtype"),
    [
        (dtypes.float64, dtypes.float64),
        (dtypes.int32, dtypes.int32),
        (dtypes.int64, dtypes.int64),
        (dtypes.int8, dtypes.int32),
        (dtypes.uint8, dtypes.uint32),
        (dtypes.int8, dtypes.int8),
        (dtypes.int16, dtypes.int16),
        (dtypes.float16, dtypes.float32),
        (dtypes.bfloat16, dtypes.float32),
    ],
    ids=str,
)
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_dtypes(inputs: DType, dtype: DType, target: Target) -> None:
    rng = np.random.default_rng(3)
    for m, n, k, right in ((17, 35, 40, "kn"), (17, 35, 41, "rows"), (1, 40, 70, "rows")):
        case = matmul(
            rng, (), one("m", m), one("n", n), one("k", k), styles=("rows", right, "rows"), dtype=dtype, inputs=inputs
        )
        run(case, target, rng, 1e-12 if dtype is dtypes.float64 else 1e-4)


@pytest.mark.parametrize("layout", ["NN", "NT", "TN"])
@pytest.mark.parametrize("transposed", [False, True])
def test_bfloat16_blocks(layout: str, transposed: bool) -> None:
    """Several blocks of an odd k: the last pair of the last block is half empty."""
    rng = np.random.default_rng(8)
    m, n, k = 23, 45, 131
    right = "kn" if layout[1] == "N" else "rows"
    case = matmul(
        rng, (), one("m", m), one("n", n), one("k", k), styles=("rows", right, "rows"), inputs=dtypes.bfloat16
    )
    (contract,) = case.kernel.body
    assert isinstance(contract, Contract)
    if layout[0] == "T":
        contract = contract._replace(a=Load(0, Index((("m", 1), ("k", m))), dtypes.bfloat16))
    tiling = Tiling(5, host().lanes(32), 64, True, True, transposed, (2, 2))
    case.kernel = case.kernel._replace(body=(contract._replace(tiling=tiling),))
    run(case, host(), rng, 1e-4)


def test_batches_of_small_products() -> None:
    rng = np.random.default_rng(1)
    for target in TARGETS:
        case = matmul(rng, (("b", 6), ("h", 3)), one("m", 16), one("n", 16), one("k", 16))
        compiled = run(case, target, rng)
        assert compiled.units >= 18


def test_computed_operands() -> None:
    """relu'(x) * g while packing, and a cast of the other operand."""
    f32, rng = dtypes.float32, np.random.default_rng(2)
    for target in TARGETS:
        for flip in (False, True):
            m, n, k = 21, 37, 50
            at = Index((("m", 1), ("k", m))) if flip else Index((("m", k), ("k", 1)))
            x, g = Load(0, at, f32), Load(3, at, f32)
            a = op("select", op("gt", x, Literal(f32, 0.0), dtype=dtypes.bool_), g, Literal(f32, 0.0))
            b = op("cast", Load(1, Index((("k", n), ("n", 1))), dtypes.float16), dtype=f32)
            b = replace(b, attrs=(("dtype", f32),))
            store = Store(2, Index((("m", n), ("n", 1))), Name("sum", f32))
            contract = Contract("sum", (), one("m", m), one("n", n), one("k", k), a, b, f32, (store,))
            four = buffers((f32, "read"), (dtypes.float16, "read"), (f32, "write"), (f32, "read"))
            sizes = (m * k, n * k, m * n, m * k)
            arrays = [random_array(rng, size, buffer.dtype) for size, buffer in zip(sizes, four, strict=True)]
            check(Kernel("product", four, (contract,)), target, arrays, rng, tolerance=1e-4)


@pytest.mark.parametrize("layout", ["NN", "NT", "TN"])
@pytest.mark.parametrize("dynamic", ["m", "n", "k", "b", "bm", "bmnk"])
def test_sizes_known_at_run_time(dynamic: str, layout: str) -> None:
    """One compiled kernel for every size."""
    f32, rng = dtypes.float32, np.random.default_rng(4)
    fixed = {"b": 2, "m": 6, "n": 37, "k": 41}
    size: dict[str, Size] = {axis: Dim(axis.upper()) if axis in dynamic else n for axis, n in fixed.items()}

    def matrix(buffer: int, batch: bool, outer: str, inner: str) -> Load:
        terms: tuple[tuple[str, Size], ...] = ((outer, size[inner]), (inner, 1))
        return Load(buffer, Index((("b", size[outer] * size[inner]), *terms) if batch else terms), f32)

    a = matrix(0, True, "k", "m") if layout[0] == "T" else matrix(0, True, "m", "k")
    b = matrix(1, False, "n", "k") if layout[1] == "T" else matrix(1, False, "k", "n")
    bias = Load(3, Index((("n", 1),)), f32)
    store = Store(2, matrix(2, True, "m", "n").at, op("add", Name("sum", f32), bias))
    parts = [((axis, size[axis]),) for axis in "bmnk"]
    contract = Contract("sum", parts[0], parts[1], parts[2], parts[3], a, b, f32, (store,))
    kernel = Kernel("product", buffers((f32, "read"), (f32, "read"), (f32, "write"), (f32, "read")), (contract,))
    for target in TARGETS[:2]:
        compiled: Compiled | None = None
        for sizes in ((1, 1, 1, 1), (2, 23, 37, 41), (1, 64, 70, 130), (3, 7, 16, 0), (0, 4, 5, 3), (2, 0, 5, 3)):
            values = {axis.upper(): n for axis, n in zip("bmnk", sizes, strict=True) if axis in dynamic}
            nb, m, n, k = (values.get(axis.upper(), fixed[axis]) for axis in "bmnk")
            lengths = (nb * m * k + 1, n * k + 1, nb * m * n + 37, n + 1)
            arrays = [random_array(rng, length, f32) for length in lengths]
            compiled = check(kernel, target, arrays, rng, dims=values, tolerance=1e-4, compiled=compiled)


# ---- convolutions


@dataclass(frozen=True)
class Convolution:
    """Sizes of a 2-D convolution; `last`: channels last in input and output."""

    images: int = 2
    channels: int = 3
    outputs: int = 5
    height: int = 9
    width: int = 11
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    last: bool = False

    def out(self, extent: int, kernel: int) -> int:
        return (extent + 2 * self.padding - self.dilation * (kernel - 1) - 1) // self.stride + 1


def conv_kernel(c: Convolution, dtype: DType = dtypes.float32) -> tuple[Kernel, list[int]]:
    f32 = dtypes.float32
    oh, ow = c.out(c.height, c.kernel[0]), c.out(c.width, c.kernel[1])
    cin, cout = c.channels // c.groups, c.outputs // c.groups
    plane = {"y": c.width * (c.channels if c.last else 1), "x": c.channels if c.last else 1}
    channel = 1 if c.last else c.height * c.width
    offset = -c.padding * (plane["y"] + plane["x"])
    terms = [("n", c.channels * c.height * c.width), ("oh", c.stride * plane["y"]), ("ow", c.stride * plane["x"])]
    terms += [("c", channel), ("kh", c.dilation * plane["y"]), ("kw", c.dilation * plane["x"]), ("g", cin * channel)]
    when: Expr | None = None
    if c.padding:
        tests: list[Expr] = []
        for out, window, extent in (("oh", "kh", c.height), ("ow", "kw", c.width)):
            at = Position(Index(((out, c.stride), (window, c.dilation)), -c.padding), dtypes.int64)
            tests.append(op("ge", at, Literal(dtypes.int64, 0), dtype=dtypes.bool_))
            tests.append(op("lt", at, Literal(dtypes.int64, extent), dtype=dtypes.bool_))
        when = tests[0]
        for test in tests[1:]:
            when = op("and_", when, test)
    x = Load(0, Index(tuple(terms), offset), dtype, when)
    taps = c.kernel[0] * c.kernel[1]
    weight: Axes = (("o", cin * taps), ("c", taps), ("kh", c.kernel[1]), ("kw", 1), ("g", cout * cin * taps))
    w = Load(1, Index(weight), dtype)
    if c.last:
        places: Axes = (("n", oh * ow * c.outputs), ("oh", ow * c.outputs), ("ow", c.outputs), ("o", 1), ("g", cout))
    else:
        places = (("n", c.outputs * oh * ow), ("oh", ow), ("ow", 1), ("o", oh * ow), ("g", cout * oh * ow))
    total = op("add", Name("sum", f32), Load(3, Index((("o", 1), ("g", cout))), f32))
    store = Store(2, Index(places), op("maximum", total, Literal(f32, 0.0)))
    m = (("n", c.images), ("oh", oh), ("ow", ow))
    k = (("c", cin), ("kh", c.kernel[0]), ("kw", c.kernel[1]))
    contract = Contract("sum", one("g", c.groups), m, one("o", cout), k, x, w, f32, (store,))
    four = buffers((dtype, "read"), (dtype, "read"), (f32, "write"), (f32, "read"))
    kernel = Kernel("conv", four, (contract,))
    sizes = [c.images * c.channels * c.height * c.width, c.outputs * cin * taps]
    return kernel, [*sizes, c.images * c.outputs * oh * ow, c.outputs]


CONVOLUTIONS = [
    Convolution(),
    Convolution(padding=0),
    Convolution(stride=2),
    Convolution(dilation=2, padding=2),
    Convolution(channels=6, outputs=8, groups=2),
    Convolution(channels=4, outputs=4, groups=4),
    Convolution(kernel=(1, 1), padding=0, channels=7),
    Convolution(kernel=(1, 1), padding=0, stride=2, channels=7),
    Convolution(kernel=(5, 2), padding=2, channels=1, outputs=17),
    Convolution(images=1, channels=20, outputs=33, height=16, width=16),
    Convolution(images=1, channels=40, outputs=3, height=40, width=32, padding=1),
]


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("number", range(len(CONVOLUTIONS)))
def test_convolutions(number: int, last: bool) -> None:
    rng = np.random.default_rng(number)
    kernel, sizes = conv_kernel(replace(CONVOLUTIONS[number], last=last))
    target = TARGETS[number % len(TARGETS)]
    check(kernel, target, [random_array(rng, size, dtypes.float32) for size in sizes], rng, tolerance=1e-4)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("channels", [3, 10])
def test_bfloat16_convolutions(channels: int, last: bool) -> None:
    rng = np.random.default_rng(channels)
    kernel, sizes = conv_kernel(Convolution(channels=channels, outputs=9, last=last), dtypes.bfloat16)
    arrays = [random_array(rng, size, buffer.dtype) for size, buffer in zip(sizes, kernel.buffers, strict=True)]
    check(kernel, host(), arrays, rng, tolerance=1e-4)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_convolutions_of_any_number_of_images(last: bool) -> None:
    """The number of images is known at run time only."""
    rng = np.random.default_rng(6)
    kernel, _ = conv_kernel(Convolution(last=last))
    (contract,) = kernel.body
    assert isinstance(contract, Contract)
    kernel = kernel._replace(body=(contract._replace(m=(("n", Dim("N")), *contract.m[1:])),))
    for target in TARGETS[:2]:
        compiled: Compiled | None = None
        for images in (1, 3, 0, 8):
            _, sizes = conv_kernel(Convolution(images=images, last=last))
            arrays = [random_array(rng, size + 1, dtypes.float32) for size in sizes]
            dims = {"N": images}
            compiled = check(kernel, target, arrays, rng, dims=dims, tolerance=1e-4, compiled=compiled)


# ---- the cost model


def square(n: int, right: str) -> Kernel:
    rng = np.random.default_rng(0)
    styles = ("rows", "kn" if right == "kn" else "rows", "rows")
    return matmul(rng, (), one("m", n), one("n", n), one("k", n), styles=styles).kernel


def model(m: int, n: int, k: int, right: str = "kn", target: Target | None = None) -> Tiling:
    b = Index((("k", n), ("n", 1))) if right == "kn" else Index((("k", 1), ("n", k)))
    f32 = dtypes.float32
    store = Store(2, Index((("m", n), ("n", 1))), Name("sum", f32))
    a = Load(0, Index((("m", k), ("k", 1))), f32)
    contract = Contract("sum", (), one("m", m), one("n", n), one("k", k), a, Load(1, b, f32), f32, (store,))
    tiling = tile_contract(contract, target or named("x86-64-v4")).tiling
    assert tiling is not None
    return tiling


@pytest.mark.parametrize("name", ["x86-64", "x86-64-v3", "x86-64-v4", "aarch64", "riscv64"])
def test_tiles_fit_the_registers(name: str) -> None:
    target = named(name)
    for m, n, k in ((1, 512, 784), (64, 64, 64), (32, 512, 784), (1000, 1000, 1000), (3, 5, 7)):
        for right in ("kn", "nk"):
            tiling = model(m, n, k, right, target)
            vectors = tiling.columns // target.lanes(32)
            if not tiling.dot:  # of a single row, the vectors are memory operands
                used = tiling.rows * vectors + 1 + (vectors if tiling.rows > 1 else 1)
                assert used <= target.vector_registers


@pytest.mark.parametrize("name", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("right", ["kn", "nk"])
def test_inner_loop(name: str, right: str) -> None:
    """The machine code of the tile's loop: its multiply-adds, a load per row and per vector, nothing on the stack."""
    target = named(name)
    kernel = square(256, right)
    (contract,) = kernel.body
    assert isinstance(contract, Contract)
    tiling = tile_contract(contract, target).tiling
    assert tiling is not None
    loops = [lines for lines in inner_loops(assembly(kernel, target)) if any("vfmadd" in line for line in lines)]
    assert loops
    vectors = tiling.columns // target.lanes(32)
    for lines in loops:
        products = sum("vfmadd" in line for line in lines)
        loads = sum("(%r" in line and not line.strip().startswith("lea") for line in lines)
        assert products <= tiling.rows * vectors
        assert loads <= tiling.rows + vectors
        assert not any("%rsp" in line or "%rbp" in line for line in lines)


def test_what_the_model_prefers() -> None:
    """A row by a matrix read along k is a dot product; large operands are packed, small ones are not."""
    assert model(1, 512, 784, "nk").dot
    assert not model(1, 512, 784).dot
    assert model(32, 784, 512, "nk").transposed
    assert not model(256, 256, 256).pack_b
    assert model(2048, 2048, 2048).pack_b
    large = model(1024, 1024, 1024)
    assert large.rows * large.columns >= 16 * 8
