"""The statements of random programs: views, functions, writes in place, and the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch_fuzz_draw import FLOATS, INTEGERS, Draw

Statement = Callable[[Draw], str]


def _factors(d: Draw, total: int) -> list[int]:
    shape: list[int] = []
    while total > 1 and len(shape) < 3:
        divisor = d.random.choice([n for n in range(1, total + 1) if total % n == 0])
        shape.append(divisor)
        total //= divisor
    if total != 1 or d.chance(0.1):
        shape.append(total)
    d.random.shuffle(shape)
    if shape and d.chance(0.3):
        shape[d.random.randrange(len(shape))] = -1
    return shape


def view(d: Draw) -> str:
    x = d.any()
    return d.new(f"{x}.{d.one('view', 'reshape')}({_factors(d, d.names[x].numel())})")


def permute(d: Draw) -> str:
    x = d.sized()
    n = d.names[x].ndim
    order = d.random.sample(range(n), n)
    if d.chance(0.3):
        return d.new(f"{x}.permute({order})")
    if n == 2 and d.chance(0.3):
        return d.new(f"{x}.{d.one('t()', 'T', 'mT')}")
    return d.new(f"{x}.{d.one('transpose', 'movedim', 'swapaxes')}({d.dim(x)}, {d.dim(x)})")


def expand(d: Draw) -> str:
    x = d.any(lambda t: 1 in t.shape or t.ndim < 2)
    shape = [d.one(2, 3, -1) if n == 1 else d.one(n, -1) for n in d.shape(x)]
    if d.chance(0.4):
        shape.insert(0, d.one(1, 2, 3))
    return d.new(f"{x}.expand({shape})")


def slices(d: Draw) -> str:
    x = d.sized()
    return d.new(f"{x}[{d.index(x, basic=d.chance(0.7))}]")


def narrow(d: Draw) -> str:
    x = d.sized()
    dim = d.dim(x)
    size = d.names[x].shape[dim] if d.names[x].ndim else 0
    start = d.random.randint(0, size)
    return d.new(
        d.one(
            f"{x}.narrow({dim}, {start}, {d.random.randint(0, size - start)})",
            f"{x}.select({dim}, {d.random.randrange(-max(size, 1), max(size, 1))})",
            f"{x}.unfold({dim}, {d.random.randint(1, max(size, 1))}, {d.one(1, 2)})",
        )
    )


def squeeze(d: Draw) -> str:
    x = d.any()
    n = d.names[x].ndim
    return d.new(
        d.one(
            f"{x}.unsqueeze({d.random.randrange(-n - 1, n + 1)})",
            f"{x}.squeeze()",
            f"{x}.squeeze({d.dim(x)})",
            f"{x}.flatten()",
            f"{x}.flatten({d.dim(x)})",
            f"{x}.unsqueeze({d.random.randrange(-n - 1, n + 1)}).squeeze()",
            f"{x}.ravel()",
            f"{x}.view_as({d.any(lambda t: t.shape == d.names[x].shape)})",
        )
    )


def diagonal(d: Draw) -> str:
    x = d.sized(2)
    first, second = d.dim(x), d.dim(x)
    return d.new(f"{x}.diagonal({d.one(0, 1, -1)}, {first}, {second})")


def pieces(d: Draw) -> str:
    x = d.sized()
    dim = d.dim(x)
    size = d.names[x].shape[dim] if d.names[x].ndim else 0
    kind = d.random.randrange(4)
    if kind == 0 and 0 < size < 4:
        return d.new(f"{x}.unbind({dim})", size) if size > 1 else d.new(f"{x}.unbind({dim})[0]")
    if kind == 1 and size > 1:
        return d.new(f"{x}.split({[1, size - 1]}, {dim})", 2)
    if kind == 2 and size > 1:
        return d.new(f"{x}.tensor_split(2, {dim})", 2)
    return d.new(f"{x}.chunk(2, {dim})[-1]")


def as_strided(d: Draw) -> str:
    x = d.any(lambda t: t.numel() and not t.requires_grad)
    shape = [d.one(1, 2) for _ in range(d.random.randrange(3))]
    strides = [d.one(0, 1, 1, 2) for _ in shape]
    offset = d.one("", ", 0", ", 1")
    return d.new(f"{x}.as_strided({shape}, {strides}{offset})")


def copies(d: Draw) -> str:
    x = d.any()
    dtype = d.one(*FLOATS)
    return d.new(
        d.one(
            f"{x}.clone()",
            f"{x}.detach()",
            f"{x}.contiguous()",
            f"{x}.to(T.{dtype})",
            f"{x}.{d.one('float', 'double', 'half', 'bfloat16', 'bool')}()",
            f"T.{d.one('zeros_like', 'ones_like')}({x})",
            f"T.full_like({x}, {d.one(1, 2)})",
            f"{x}.new_zeros({list(d.shape(x))})",
            f"{x}.clone(memory_format=T.contiguous_format)",
            f"{x}.detach().clone()",
            f"{x}.data",
            f"{x}.type_as({d.real()})",
        )
    )


def to_integer(d: Draw) -> str:
    x = d.any()
    value = x if not d.names[x].dtype.is_floating_point else f"{x}.nan_to_num(0, 3, -3).clamp(0, 100)"
    return d.new(f"{value}.to(T.{d.one(*INTEGERS)})")


UNARY = [
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "exp",
    "abs",
    "neg",
    "square",
    "relu",
    "floor",
    "ceil",
    "round",
    "trunc",
    "sign",
    "sqrt",
    "rsqrt",
    "log",
    "log1p",
    "expm1",
    "reciprocal",
    "erf",
    "atan",
    "asinh",
    "frac",
    "exp2",
    "log2",
]


def unary(d: Draw) -> str:
    x = d.any() if d.chance(0.3) else d.real()
    return d.new(f"{x}.{d.random.choice(UNARY)}()")


BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "fmax", "hypot"]


def binary(d: Draw) -> str:
    x = d.any()
    y = d.operand(x)
    kind = d.random.randrange(8)
    if kind < 4:
        sign = d.one("+", "-", "*", "/", "*", "+")
        return d.new(f"{y} {sign} {x}" if d.chance(0.4) else f"{x} {sign} {y}")
    y = d.partner(x)
    if kind < 6:
        return d.new(f"T.{d.random.choice(BINARY)}({x}, {y})")
    return d.new(
        d.one(
            f"{x}.pow({d.one(2, 3, 0.5, -1, 1.5)})",
            f"{d.one(2, 0.5)} ** {x}",
            f"T.add({x}, {y}, alpha={d.one(2, 0.5, -1)})",
            f"T.sub({x}, {y}, alpha={d.one(2, 0.5, -1)})",
            f"T.rsub({x}, {y})",
            f"T.div({x}, {y}, rounding_mode={d.one('trunc', 'floor')!r})"
            if d.names[y].dtype.is_floating_point
            else f"{x} // ({y} | 1)",
            f"T.remainder({x}, {d.one(2, 3, -2, 1.5)})",
            f"T.fmod({x}, {d.one(2, 3, -2, 1.5)})",
            f"{x} // {d.one(2, 3, -2)}",
            f"{x} % {d.one(2, 3, -2)}",
            f"T.lerp({x}, {y}, {d.one(0.3, x)})",
            f"T.addcmul({x}, {y}, {d.partner(x)}, value={d.one(1, 2, 0.5)})",
            f"T.addcdiv({x}, {y}, {d.partner(x)}, value=0.5)",
            f"T.logaddexp({x}, {y})",
            f"T.clamp({x}, {d.one(-1, 0.5, None)}, {d.one(1, 1.5)})",
            f"{x}.clamp(min={d.one(0, -0.5)})",
            f"T.logical_{d.one('and', 'or', 'xor')}({x}, {y})",
            f"T.clamp({x}, {y})",
        )
    )


def bitwise(d: Draw) -> str:
    x = d.any(lambda t: not t.dtype.is_floating_point)
    y = d.any(lambda t: not t.dtype.is_floating_point and t.shape == d.names[x].shape)
    return d.new(
        d.one(
            f"{x} & {y}",
            f"{x} | {y}",
            f"{x} ^ {y}",
            f"~{x}",
            f"{x} << 1",
            f"{x} >> 1",
            f"{x} & 1",
            f"{x}.logical_not()",
            f"~({x} > 0)",
        )
    )


def compare(d: Draw) -> str:
    x = d.any()
    y = d.operand(x)
    return d.new(
        d.one(
            f"{x} {d.one('<', '<=', '>', '>=', '==', '!=')} {y}",
            f"T.{d.one('lt', 'ge', 'eq')}({x}, {y})",
            f"T.isnan({x})",
            f"T.isclose({x}, {x})",
            f"{x}.isfinite()",
        )
    )


def where(d: Draw) -> str:
    x = d.any()
    y = d.operand(x)
    condition = d.one(f"{x} > 0", f"{d.partner(x)} < 0.5", f"{d.partner(x)} != 0")
    return d.new(
        d.one(
            f"T.where({condition}, {x}, {y})",
            f"T.where({condition}, {y}, {x})",
            f"{x}.masked_fill({condition}, {d.scalar()})",
            f"{x}.where({condition}, {y})",
        )
    )


def reduce(d: Draw) -> str:
    x = d.any()
    name = d.one("sum", "mean", "prod", "amax", "amin", "logsumexp", "all", "any", "std", "var", "norm", "sum", "mean")
    n = d.names[x].ndim
    if name in ("logsumexp", "mean", "std", "var", "norm"):
        x = d.real()
        n = d.names[x].ndim
    if d.chance(0.35) and name != "logsumexp":
        return d.new(f"{x}.{name}()")
    dims: Any = d.dim(x)
    if n > 1 and d.chance(0.3) and name not in ("prod", "norm"):
        dims = tuple(d.random.sample(range(n), d.random.randint(1, n)))
    keep = d.one("", ", keepdim=True")
    if name == "norm":
        return d.new(f"{x}.norm({d.one(1, 2, 3)}, {dims}{keep})")
    if name == "sum" and d.chance(0.2):
        keep += f", dtype=T.{d.one('float64', 'float32', 'int64')}" if not d.names[x].dtype.is_floating_point else ""
    return d.new(f"{x}.{name}({dims}{keep})")


def search(d: Draw) -> str:
    x = d.any(lambda t: t.ndim and t.numel())
    dim = d.dim(x)
    kind = d.random.randrange(8)
    if kind == 0:
        return d.new(f"{x}.argmax({d.one('', dim)})")
    if kind == 1:
        return d.new(f"{x}.argmin({dim}, keepdim={d.chance(0.5)})")
    if kind == 2:
        return d.new(f"{x}.{d.one('max', 'min')}({dim}{d.one('', ', True')})", 2)
    if kind == 3:
        return d.new(f"T.sort({x}, dim={dim}, descending={d.chance(0.5)}, stable=True)", 2)
    if kind == 4:
        x = d.any(lambda t: t.dtype.is_floating_point and t.ndim == 1)
        return d.new(f"{x}.topk({d.random.randint(0, d.names[x].numel())}, -1)[0]")
    if kind == 5:
        return d.new(f"{x}.{d.one('cummax', 'cummin')}({dim})", 2)
    if kind == 6:
        return d.new(f"{x}.{d.one('max', 'min')}()")
    return d.new(f"{x}.contiguous().median({dim})[0]")


def scan(d: Draw) -> str:
    x = d.sized()
    return d.new(
        d.one(
            f"{x}.cumsum({d.dim(x)})",
            f"{x}.cumprod({d.dim(x)})",
            f"{x}.flip({d.dim(x)})",
            f"{x}.roll({d.one(1, -1, 2)}, {d.dim(x)})",
            f"T.diff({x}, dim={d.dim(x)})",
            f"{x}.tril()",
            f"{x}.triu(1)",
            f"{x}.repeat({[d.one(1, 2) for _ in d.shape(x)]})",
            f"{x}.repeat_interleave(2, {d.dim(x)})",
            f"{x}.logcumsumexp({d.dim(x)})",
            f"T.nn.functional.pad({x}, [1, {d.one(0, 1)}])",
        )
    )


def join(d: Draw) -> str:
    x = d.any()
    same = d.any(lambda t: t.shape == d.names[x].shape)
    if d.chance(0.5):
        n = d.names[x].ndim
        return d.new(f"T.stack([{x}, {same}], {d.random.randrange(-n - 1, n + 1)})")
    return d.new(f"T.cat([{x}, {same}], {d.dim(x)})")


def matmul(d: Draw) -> str:
    x = d.any(lambda t: t.dtype.is_floating_point and t.ndim)
    t = d.names[x]
    y = d.any(lambda u: u.dtype == t.dtype and u.ndim and t.ndim and t.shape[-1] == u.shape[-2 if u.ndim > 1 else 0])
    if d.chance(0.2):
        y = f"{x}.mT"
    if d.chance(0.15):
        return d.new(f"T.nn.functional.linear({x}, {d.any(lambda u: u.ndim == 2 and u.dtype == t.dtype)})")
    return d.new(d.one(f"{x} @ {y}", f"T.matmul({x}, {y})", f"T.einsum('...i,...i->...', {x}, {x})"))


def indexing(d: Draw) -> str:
    x = d.any(lambda t: t.ndim and t.numel())
    dim = d.dim(x)
    shape = d.shape(x)
    size = shape[dim] if shape else 1
    rows = d.indices(size, d.random.randint(0, 3))
    kind = d.random.randrange(6)
    if kind == 0:
        return d.new(f"{x}.index_select({dim}, T.tensor({rows}, dtype=T.int64))")
    if kind == 1:
        return d.new(f"{x}.gather({dim}, T.zeros({list(shape)}, dtype=T.int64))")
    if kind == 2:
        return d.new(f"{x}.gather({dim}, {x}.argsort(dim={dim}, stable=True))")
    if kind == 3:
        return d.new(f"T.take_along_dim({x}, {x}.argmax({dim}, keepdim=True), {dim})")
    if kind == 4:
        return d.new(f"{x}.scatter_add({dim}, T.zeros({list(shape)}, dtype=T.int64), {x})")
    return d.new(f"{x}.scatter({dim}, T.zeros({list(shape)}, dtype=T.int64), {d.one(1, 2.0)})")


def network(d: Draw) -> str:
    x = d.any(lambda t: t.dtype.is_floating_point and t.ndim)
    dim, shape = d.dim(x), d.shape(x)
    F = "T.nn.functional"
    t = d.names[x]
    return d.new(
        d.one(
            f"{F}.{d.one('softmax', 'log_softmax')}({x}, {dim})",
            f"{F}.layer_norm({x}, {list(shape[-1:])})" if shape[-1:] > (1,) else f"{x}.cos()",
            f"{F}.{d.one('gelu', 'silu', 'elu', 'softplus', 'leaky_relu', 'hardtanh', 'mish', 'hardswish')}({x})",
            f"{F}.dropout({x}, 0.5, training=False)",
            f"{F}.normalize({x}, dim={dim})",
            f"{F}.embedding(T.tensor({d.indices(shape[0] if shape else 1, 2)}), {x}.reshape(-1, 1))",
            f"{F}.cross_entropy({x}.reshape(1, -1), T.zeros(1, dtype=T.int64))" if t.numel() else f"{x}.tanh()",
            f"{F}.mse_loss({x}, {x}.detach() * 0.5)",
            f"{F}.conv1d({x}.reshape(1, 1, -1), T.ones(2, 1, 2, dtype={x}.dtype))",
            f"{F}.max_pool1d({x}.reshape(1, 1, -1), 2)",
            f"{F}.avg_pool1d({x}.reshape(1, 1, -1), 2)",
            f"{F}.adaptive_avg_pool1d({x}.reshape(1, 1, -1), 2)",
            f"{F}.one_hot(T.tensor({d.indices(4, 3)}), 4)",
            f"{F}.smooth_l1_loss({x}, T.zeros_like({x}), reduction='none')",
        )
    )


# ---- writes in place


def write(d: Draw) -> str:
    x = d.any()
    y = d.scalar() if d.chance(0.3) else d.into(x)
    return d.either(
        f"{x}.add_({y})",
        f"{x}.sub_({y})",
        f"{x}.mul_({y})",
        f"{x}.div_({y})",
        f"{x} += {y}",
        f"{x} *= {y}",
        f"{x} -= {y}",
        f"{x}.copy_({d.into(x)})",
        f"{x}.copy_({d.into(x)}.clone())",
        f"{x}.fill_({d.scalar()})",
        f"{x}.zero_()",
        f"{x}.clamp_({d.one(-1, 0)}, 1)",
        f"{x}.masked_fill_({x} > 0, {d.scalar()})",
        f"{x}.add_({d.into(x)}, alpha={d.one(2, 0.5)})",
        f"{x}.addcmul_({d.into(x)}, {d.into(x)})",
        f"{x}.lerp_({d.into(x)}, 0.5)",
        f"{x}.pow_(2)",
        f"{x}.data.mul_(2)",
        f"T.mul({d.into(x)}, {d.into(x)}, out={x})",
        f"{x}.masked_scatter_({x} > 0, {x}.clone())",
        f"{x}.{d.one('cumsum_', 'fill_diagonal_', 'unsqueeze')}(0)",
    )


def write_unary(d: Draw) -> str:
    x = d.real() if d.chance(0.8) else d.any()
    return d.either(
        f"{x}.{d.one('sin', 'tanh', 'neg', 'abs', 'relu', 'exp', 'sigmoid', 'sqrt', 'floor', 'square', 'round')}_()",
        f"T.nn.functional.{d.one('relu', 'elu', 'leaky_relu', 'silu')}({x}, inplace=True)",
    )


def assign(d: Draw) -> str:
    x = d.any()
    index = d.index(x)
    try:
        shape = tuple(eval(f"x[{index}]", {"x": d.names[x], "T": torch}).shape)
    except Exception:
        shape = ()

    def fits(t: Any) -> bool:
        pairs = list(zip(reversed(shape), reversed(t.shape), strict=False))
        return t.ndim <= len(shape) and all(a == b or b == 1 for a, b in pairs)

    y = d.scalar() if d.chance(0.3) else d.any(fits)
    sign = d.one("=", "=", "=", "+=", "*=")
    return f"{x}[{index}] {sign} {y}"


def write_indexed(d: Draw) -> str:
    x = d.sized()
    shape, dim = list(d.shape(x)), d.dim(x)
    size = shape[dim] if shape else 1
    count = d.random.randint(0, 2)
    rows = f"T.tensor({d.indices(size, count)}, dtype=T.int64)"
    part = shape.copy()
    if part:
        part[dim] = count
    ones = f"T.full({part}, {d.one(2.0, 0.5)}, dtype={x}.dtype)"
    return d.either(
        f"{x}.index_add_({dim}, {rows}, {ones})",
        f"{x}.index_fill_({dim}, {rows}, {d.one(1, 2)})",
        f"{x}.index_copy_({dim}, T.arange({count}), {ones})",
        f"{x}.index_put_((T.tensor({d.indices(shape[0] if shape else 1, count)}, dtype=T.int64),), "
        f"T.tensor(2, dtype={x}.dtype), accumulate={d.chance(0.5)})",
        f"{x}.scatter_({dim}, T.zeros({shape}, dtype=T.int64), {d.one(1, 3)})",
        f"{x}.scatter_add_({dim}, T.zeros({shape}, dtype=T.int64), {x}.clone())",
    )


def reshape_in_place(d: Draw) -> str:
    x = d.sized()
    return d.either(f"{x}.unsqueeze_(0)", f"{x}.squeeze_()", f"{x}.transpose_({d.dim(x)}, {d.dim(x)})", f"{x}.t_()")


# ---- the tape


def leaf(d: Draw) -> str:
    x = d.real()
    return d.either(
        d.new(f"{x}.detach().clone().requires_grad_()"),
        d.new(f"{x}.detach().requires_grad_()"),
        f"{x}.retain_grad()",
        f"{x}.detach_()",
    )


def hook(d: Draw) -> str:
    x = d.any(lambda t: t.requires_grad)
    return d.either(f"{x}.register_hook(lambda g: g * 2)", f"{x}.retain_grad()", f"{x}.register_hook(lambda g: None)")


def _differentiable(d: Draw) -> str:
    return d.any(lambda t: t.requires_grad)


def backward(d: Draw) -> str:
    x = _differentiable(d)
    keep = d.one("retain_graph=True", "retain_graph=True", "")
    return d.either(
        f"{x}.sum().backward({keep})", f"({x} * {x}).sum().backward({keep})", f"{x}.backward(T.ones_like({x}), {keep})"
    )


def grad_of(d: Draw) -> str:
    x = _differentiable(d)
    leaves = d.tensors(lambda t: t.requires_grad)
    y = d.random.choice(leaves) if leaves else x
    return d.new(
        f"T.autograd.grad(({x} * {x}).sum(), {y}, create_graph={d.chance(0.6)}"
        f"{d.one(', allow_unused=True, materialize_grads=True', '')})[0]"
    )


def grad_attribute(d: Draw) -> str:
    x = d.any(lambda t: t.is_leaf and t.grad is not None)
    return d.either(
        f"{x}.grad = None",
        f"{x}.grad.zero_()",
        d.new(f"{x}.grad * 2"),
        d.new(f"{x}.grad.clone()"),
        f"with T.no_grad():\n    {x} -= 0.1 * {x}.grad",
        f"{x}.grad.mul_(2)",
    )


KINDS: list[tuple[Statement, int]] = [
    (view, 6),
    (permute, 6),
    (expand, 3),
    (slices, 8),
    (narrow, 4),
    (squeeze, 4),
    (diagonal, 2),
    (pieces, 3),
    (as_strided, 1),
    (copies, 4),
    (to_integer, 2),
    (unary, 5),
    (binary, 10),
    (bitwise, 2),
    (compare, 3),
    (where, 3),
    (reduce, 5),
    (search, 3),
    (scan, 3),
    (join, 3),
    (matmul, 3),
    (indexing, 3),
    (network, 4),
    (write, 10),
    (write_unary, 3),
    (assign, 7),
    (write_indexed, 3),
    (reshape_in_place, 1),
    (leaf, 1),
    (hook, 1),
    (backward, 3),
    (grad_of, 2),
    (grad_attribute, 2),
]
