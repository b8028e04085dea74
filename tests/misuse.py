"""Mistakes that users make: what they write, what PyTorch raises, and what our message must show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Misuse(NamedTuple):
    """`run(T)` raises `kind` (found by running it under PyTorch) and our message holds all of `shown`."""

    name: str
    run: Callable[[Any], Any]
    kind: type[Exception]
    shown: tuple[str, ...]


def misuse(name: str, run: Callable[[Any], Any], kind: type[Exception], *shown: str) -> Misuse:
    """One mistake."""
    return Misuse(name, run, kind, shown)


def leaf(T: Any, *shape: int) -> Any:
    """A leaf that requires grad."""
    return T.ones(*shape, requires_grad=True)


def backward_twice(T: Any) -> Any:
    y = (leaf(T, 2) ** 2).sum()
    y.backward()
    y.backward()


def grad_twice(T: Any) -> Any:
    x = leaf(T, 2)
    y = x.exp().sum()
    T.autograd.grad(y, x)
    T.autograd.grad(y, x)


def leaf_in_place(T: Any) -> Any:
    x = leaf(T, 2)
    x.add_(1)


def leaf_augmented(T: Any) -> Any:
    x = leaf(T, 2)
    x += 1


def leaf_assigned(T: Any) -> Any:
    x = leaf(T, 2, 3)
    x[0] = 0


def leaf_view_in_place(T: Any) -> Any:
    x = leaf(T, 2, 3)
    x[0].mul_(2)


def leaf_filled(T: Any) -> Any:
    leaf(T, 2).zero_()


def operand_overwritten(T: Any) -> Any:
    x = leaf(T, 2)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def weight_overwritten(T: Any) -> Any:
    layer = T.nn.Linear(3, 2)
    y = layer(leaf(T, 4, 3)).sum()
    with T.no_grad():
        layer.weight.mul_(2)
    y.backward()


def base_overwritten(T: Any) -> Any:
    x = leaf(T, 2, 2)
    y = x * 1
    z = (y[0] * y[1]).sum()
    y.zero_()
    z.backward()


def bad_hook(T: Any) -> Any:
    x = leaf(T, 2)
    x.register_hook(lambda g: g[:1])
    x.sum().backward()


def grad_of_other_shape(T: Any) -> Any:
    x = leaf(T, 2)
    x.grad = T.ones(3)


def grad_of_other_dtype(T: Any) -> Any:
    x = leaf(T, 2)
    x.grad = T.ones(2, dtype=T.float64)


def grad_of_no_tensor(T: Any) -> Any:
    x = leaf(T, 2)
    x.grad = [1.0, 2.0]


def function_with_few_gradients(T: Any) -> Any:
    class Multiply(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    Multiply.apply(leaf(T, 2), leaf(T, 2)).sum().backward()


def function_with_bad_shape(T: Any) -> Any:
    class Double(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return T.ones(3)

    Double.apply(leaf(T, 2)).sum().backward()


def function_without_backward(T: Any) -> Any:
    class Double(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 2

    Double.apply(leaf(T, 2)).sum().backward()


def once_twice(T: Any) -> Any:
    class Square(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        @T.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(T, 2)
    (slope,) = T.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    slope.sum().backward()


def anomaly(T: Any) -> Any:
    with T.autograd.set_detect_anomaly(True):
        x = T.zeros(2, requires_grad=True)
        (x.sqrt() * 0).sum().backward()


def wrong_gradcheck(T: Any) -> Any:
    class Wrong(T.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    T.autograd.gradcheck(Wrong.apply, (T.ones(2, dtype=T.float64, requires_grad=True),))


def fewer_keys(T: Any) -> Any:
    T.nn.Linear(3, 2).load_state_dict({"weight": T.ones(2, 3)})


def more_keys(T: Any) -> Any:
    T.nn.Linear(3, 2, bias=False).load_state_dict({"weight": T.ones(2, 3), "scale": T.ones(1)})


def other_shapes(T: Any) -> Any:
    T.nn.Linear(3, 2).load_state_dict({"weight": T.ones(3, 2), "bias": T.ones(2)})


def module_before_init(T: Any) -> Any:
    class Net(T.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.layer = T.nn.Linear(2, 2)

    Net()


def unknown_attribute(T: Any) -> Any:
    return T.nn.Linear(2, 2).weights


AUTOGRAD = [
    misuse("backward of a vector", lambda T: (leaf(T, 2) * 2).backward(), RuntimeError, "[2]"),
    misuse("backward without grad", lambda T: T.ones(()).backward(), RuntimeError, "does not require grad"),
    misuse("backward under no_grad", lambda T: T.no_grad()(lambda: leaf(T, 2).sum())().backward(), RuntimeError),
    misuse("backward of integers", lambda T: T.ones(2).long().sum().backward(), RuntimeError, "i64"),
    misuse("backward twice", backward_twice, RuntimeError, "second time", "retain_graph=True"),
    misuse("grad twice", grad_twice, RuntimeError, "second time"),
    misuse("gradient of other shape", lambda T: (leaf(T, 2) * 2).backward(T.ones(3)), RuntimeError, "[3]", "[2]"),
    misuse("gradient of no tensor", lambda T: (leaf(T, 2) * 2).sum().backward(gradient=3), TypeError, "int"),
    misuse(
        "grad unused", lambda T: T.autograd.grad(leaf(T, 2).sum(), leaf(T, 3)), RuntimeError, "f32[3]", "allow_unused"
    ),
    misuse("grad without grad", lambda T: T.autograd.grad(leaf(T, 2).sum(), T.ones(3)), RuntimeError, "f32[3]"),
    misuse("grad of a vector", lambda T: T.autograd.grad(leaf(T, 2) * 2, leaf(T, 2)), RuntimeError),
    misuse("backward to nothing", lambda T: leaf(T, 2).sum().backward(inputs=[]), RuntimeError, "cannot be empty"),
    misuse("leaf add_", leaf_in_place, RuntimeError, "leaf Variable", "no_grad"),
    misuse("leaf +=", leaf_augmented, RuntimeError, "leaf Variable"),
    misuse("leaf setitem", leaf_assigned, RuntimeError, "leaf Variable"),
    misuse("leaf view mul_", leaf_view_in_place, RuntimeError, "view of a leaf"),
    misuse("leaf zero_", leaf_filled, RuntimeError, "leaf Variable"),
    misuse("operand overwritten", operand_overwritten, RuntimeError, "inplace", "f32[2]", "version 1", "version 0"),
    misuse("weight overwritten", weight_overwritten, RuntimeError, "inplace", "f32[2,3]", "expected version"),
    misuse("base overwritten", base_overwritten, RuntimeError, "inplace", "version 1"),
    misuse("requires_grad of integers", lambda T: T.ones(2, dtype=T.int64, requires_grad=True), RuntimeError, "i64[2]"),
    misuse("requires_grad_ of integers", lambda T: T.tensor([1, 2]).requires_grad_(), RuntimeError, "i64[2]"),
    misuse("Parameter of integers", lambda T: T.nn.Parameter(T.tensor([1, 2])), RuntimeError, "i64[2]"),
    misuse("requires_grad of a result", lambda T: (leaf(T, 2) * 2).requires_grad_(False), RuntimeError, "leaf"),
    misuse("detach_ of a view", lambda T: (leaf(T, 2) * 1)[0].detach_(), RuntimeError, "detach()"),
    misuse("retain_grad without grad", lambda T: T.ones(2).retain_grad(), RuntimeError, "f32[2]"),
    misuse("hook without grad", lambda T: T.ones(2).register_hook(lambda g: g), RuntimeError, "doesn't require grad"),
    misuse("hook of other shape", bad_hook, RuntimeError, "f32[2]", "f32[1]"),
    misuse("post hook on a result", lambda T: (leaf(T, 2) * 2).register_post_accumulate_grad_hook(print), RuntimeError),
    misuse("grad of other shape", grad_of_other_shape, RuntimeError, "f32[3]", "f32[2]"),
    misuse("grad of other dtype", grad_of_other_dtype, RuntimeError, "f64[2]", "f32[2]"),
    misuse("grad of no tensor", grad_of_no_tensor, TypeError, "list"),
    misuse("numpy of what requires grad", lambda T: leaf(T, 2).numpy(), RuntimeError, "detach().numpy()"),
    misuse("deepcopy of a result", lambda T: __import__("copy").deepcopy(leaf(T, 2) * 2), RuntimeError, "leaves"),
    misuse("Function with few gradients", function_with_few_gradients, RuntimeError, "expected 2, got 1"),
    misuse("Function with a bad shape", function_with_bad_shape, RuntimeError, "[3]", "[2]"),
    misuse("Function without backward", function_without_backward, RuntimeError, "implement"),
    misuse("once differentiable twice", once_twice, RuntimeError, "once_differentiable"),
    misuse("NaN in anomaly mode", anomaly, RuntimeError, "SqrtBackward0", "x.sqrt() * 0"),
    misuse("gradcheck", wrong_gradcheck, RuntimeError, "output 0", "input 0", "numerical", "analytical", "2", "3"),
    misuse("gradcheck without grad", lambda T: T.autograd.gradcheck(lambda x: x, (T.ones(2),)), ValueError),
    misuse("jacobian of no tensor", lambda T: T.autograd.functional.jacobian(lambda x: 3, T.ones(2)), TypeError, "int"),
    misuse(
        "hessian of a vector",
        lambda T: T.autograd.functional.hessian(lambda x: x * 2, T.ones(2)),
        RuntimeError,
        "f32[2]",
    ),
]

SHAPES = [
    misuse("add", lambda T: T.ones(2, 3) + T.ones(4), RuntimeError, "[2, 3]", "[4]"),
    misuse("compare", lambda T: T.ones(2, 3) == T.ones(2), RuntimeError, "[2, 3]", "[2]"),
    misuse("where", lambda T: T.where(T.ones(2) > 0, T.ones(3), T.ones(2)), RuntimeError, "[2]", "[3]"),
    misuse("in-place broadcast", lambda T: T.ones(3).add_(T.ones(2, 3)), RuntimeError, "[3]", "[2, 3]"),
    misuse("matmul", lambda T: T.ones(2, 3) @ T.ones(4, 5), RuntimeError, "[2, 3]", "[4, 5]"),
    misuse("matmul of numbers", lambda T: T.ones(()) @ T.ones(2), RuntimeError),
    misuse("mm", lambda T: T.mm(T.ones(2, 3), T.ones(2, 3)), RuntimeError, "[2, 3]"),
    misuse("mm of vectors", lambda T: T.mm(T.ones(2), T.ones(2, 3)), RuntimeError, "[2]"),
    misuse("bmm", lambda T: T.bmm(T.ones(2, 3, 4), T.ones(3, 4, 5)), RuntimeError, "[2, 3, 4]", "[3, 4, 5]"),
    misuse("dot", lambda T: T.dot(T.ones(2), T.ones(3)), RuntimeError, "2", "3"),
    misuse("mv", lambda T: T.mv(T.ones(2, 3), T.ones(2)), RuntimeError, "[2, 3]", "[2]"),
    misuse("outer", lambda T: T.outer(T.ones(2, 2), T.ones(2)), RuntimeError, "[2, 2]"),
    misuse("addmm", lambda T: T.addmm(T.ones(3), T.ones(2, 3), T.ones(2, 3)), RuntimeError, "[2, 3]"),
    misuse("view of non-contiguous", lambda T: T.ones(2, 3).t().view(6), RuntimeError, "[3, 2]", "reshape"),
    misuse("view", lambda T: T.ones(2, 3).view(4), RuntimeError, "[2, 3]", "[4]"),
    misuse("reshape", lambda T: T.ones(2, 3).reshape(4, 2), RuntimeError, "[2, 3]", "[4, 2]"),
    misuse("reshape two unknowns", lambda T: T.ones(2, 3).reshape(-1, -1), RuntimeError, "-1"),
    misuse("reshape does not divide", lambda T: T.ones(2, 3).reshape(-1, 4), RuntimeError, "[2, 3]", "4"),
    misuse("expand", lambda T: T.ones(2, 3).expand(2, 4), RuntimeError, "[2, 3]", "[2, 4]"),
    misuse("expand fewer", lambda T: T.ones(2, 3).expand(3), RuntimeError, "[2, 3]", "[3]"),
    misuse("broadcast_to", lambda T: T.broadcast_to(T.ones(3), (2, 4)), RuntimeError, "[3]", "[2, 4]"),
    misuse("repeat", lambda T: T.ones(2, 3).repeat(2), RuntimeError, "2"),
    misuse("permute", lambda T: T.ones(2, 3).permute(0, 0), RuntimeError, "0"),
    misuse("permute few", lambda T: T.ones(2, 3).permute(0), RuntimeError, "[2, 3]"),
    misuse("t of 3-d", lambda T: T.ones(2, 3, 4).t(), RuntimeError, "3"),
    misuse("cat of nothing", lambda T: T.cat([]), ValueError, "cat"),
    misuse("stack of nothing", lambda T: T.stack([]), RuntimeError, "stack"),
    misuse("cat", lambda T: T.cat([T.ones(2, 3), T.ones(2, 4)]), RuntimeError, "[2, 3]", "[2, 4]"),
    misuse("cat of other ranks", lambda T: T.cat([T.ones(2, 3), T.ones(2)]), RuntimeError, "[2, 3]", "[2]"),
    misuse("cat of numbers", lambda T: T.cat([T.ones(()), T.ones(())]), RuntimeError, "stack"),
    misuse("cat of no tensors", lambda T: T.cat([1, 2]), TypeError, "int"),
    misuse("stack", lambda T: T.stack([T.ones(2), T.ones(3)]), RuntimeError, "[2]", "[3]"),
    misuse("split", lambda T: T.ones(5).split([2, 2]), RuntimeError, "5", "2, 2"),
    misuse("chunk", lambda T: T.ones(5).chunk(0), RuntimeError, "0"),
    misuse("unflatten", lambda T: T.ones(6).unflatten(0, (4, 2)), RuntimeError, "6", "(4, 2)"),
    misuse("squeeze dim", lambda T: T.ones(2, 3).squeeze(5), IndexError, "5", "[2, 3]"),
    misuse("unsqueeze dim", lambda T: T.ones(2, 3).unsqueeze(5), IndexError, "5", "[2, 3]"),
    misuse("sum dim", lambda T: T.ones(2, 3).sum(2), IndexError, "2", "[2, 3]"),
    misuse("sum dim twice", lambda T: T.ones(2, 3).sum((0, 0)), RuntimeError, "0"),
    misuse("softmax dim", lambda T: T.ones(2, 3).softmax(-3), IndexError, "-3", "[2, 3]"),
    misuse("transpose dim", lambda T: T.ones(2, 3).transpose(0, 2), IndexError, "2", "[2, 3]"),
    misuse("cat dim", lambda T: T.cat([T.ones(2), T.ones(2)], 1), IndexError, "1"),
    misuse("size dim", lambda T: T.ones(2, 3).size(4), IndexError, "4"),
    misuse("argmax dim", lambda T: T.ones(2, 3).argmax(3), IndexError, "3"),
    misuse("max of nothing", lambda T: T.ones(0).max(), RuntimeError, "[0]"),
    misuse("argmax of nothing", lambda T: T.ones(0).argmax(), IndexError, "[0]"),
    misuse("amax over nothing", lambda T: T.ones(2, 0).amax(1), IndexError, "[2, 0]"),
    misuse("max over nothing", lambda T: T.ones(2, 0).max(1), IndexError, "[2, 0]"),
    misuse("flatten order", lambda T: T.ones(2, 3, 4).flatten(2, 1), RuntimeError, "start_dim"),
    misuse("unfold too large", lambda T: T.ones(3).unfold(0, 5, 1), RuntimeError, "5", "3"),
    misuse("narrow too long", lambda T: T.ones(3).narrow(0, 2, 2), RuntimeError, "2", "3"),
    misuse("topk too many", lambda T: T.ones(3).topk(4), RuntimeError, "4", "3"),
    misuse("kthvalue", lambda T: T.ones(3).kthvalue(4), RuntimeError, "4", "3"),
    misuse("negative size", lambda T: T.zeros(2, -1), RuntimeError, "-1"),
    misuse("size of a text", lambda T: T.zeros("2"), TypeError, "str"),
    misuse("ragged list", lambda T: T.tensor([[1, 2], [3]]), ValueError),
    misuse("tensor of a text", lambda T: T.tensor("a"), TypeError, "str"),
    misuse("tensor of None", lambda T: T.tensor(None), RuntimeError, "NoneType"),
    misuse("tensor of texts", lambda T: T.tensor([1, "a"]), TypeError),
    misuse("arange backwards", lambda T: T.arange(5, 1), RuntimeError, "5", "1"),
    misuse("arange by 0", lambda T: T.arange(0, 5, 0), RuntimeError, "nonzero"),
    misuse("linspace", lambda T: T.linspace(0, 1, -1), RuntimeError, "-1"),
    misuse("eye", lambda T: T.eye(-1), RuntimeError, "-1"),
    misuse("randint empty", lambda T: T.randint(5, 5, (2,)), RuntimeError, "5"),
    misuse("randperm", lambda T: T.randperm(-1), RuntimeError, "-1"),
    misuse("multinomial too many", lambda T: T.multinomial(T.ones(3), 4), RuntimeError, "4", "3"),
    misuse("multinomial negative", lambda T: T.multinomial(T.tensor([1.0, -1.0]), 1), RuntimeError),
    misuse("normal negative std", lambda T: T.normal(0.0, -1.0, (2,)), RuntimeError, "-1"),
    misuse("bernoulli out of range", lambda T: T.bernoulli(T.tensor([2.0])), RuntimeError),
    misuse("item of many", lambda T: T.ones(3).item(), RuntimeError, "3 elements"),
    misuse("truth of many", lambda T: bool(T.ones(3)), RuntimeError, "ambiguous"),
    misuse("truth of none", lambda T: bool(T.ones(0)), RuntimeError, "ambiguous"),
    misuse("float of many", lambda T: float(T.ones(2)), ValueError, "2 elements"),
    misuse("len of a number", lambda T: len(T.ones(())), TypeError, "0-d"),
    misuse("iteration of a number", lambda T: list(T.ones(())), TypeError, "0-d"),
    misuse("range of a float tensor", lambda T: range(T.ones(())), TypeError, "f32[]"),
    misuse("einsum", lambda T: T.einsum("ij,jk->ik", T.ones(2, 3), T.ones(4, 5)), RuntimeError, "3", "4"),
    misuse("tensordot", lambda T: T.tensordot(T.ones(2, 3), T.ones(2, 3), 1), RuntimeError, "3", "2"),
    misuse("diag of 3-d", lambda T: T.diag(T.ones(2, 2, 2)), RuntimeError, "3"),
    misuse("tril of a vector", lambda T: T.ones(3).tril(), RuntimeError, "1"),
    misuse("cross", lambda T: T.linalg.cross(T.ones(2), T.ones(2)), RuntimeError, "2"),
    misuse("meshgrid", lambda T: T.meshgrid(T.ones(2, 2), T.ones(2), indexing="ij"), RuntimeError, "2"),
    misuse("clamp without bounds", lambda T: T.ones(2).clamp(), RuntimeError, "min", "max"),
    misuse("copy_", lambda T: T.ones(2, 3).copy_(T.ones(4)), RuntimeError, "[2, 3]", "[4]"),
    misuse("write to expanded", lambda T: T.ones(3).expand(2, 3).add_(1), RuntimeError, "clone"),
    misuse("masked_fill", lambda T: T.ones(2, 3).masked_fill(T.ones(4) > 0, 0), RuntimeError, "[2, 3]", "[4]"),
    misuse("cumsum dim", lambda T: T.ones(2).cumsum(1), IndexError, "1"),
    misuse("roll dims", lambda T: T.ones(2, 2).roll((1, 1), 0), RuntimeError),
    misuse("flip twice", lambda T: T.ones(2, 2).flip(0, 0), RuntimeError, "0"),
    misuse("pad too many", lambda T: T.nn.functional.pad(T.ones(2), (1, 1, 1, 1)), RuntimeError, "[2]"),
    misuse(
        "reflect too far", lambda T: T.nn.functional.pad(T.ones(1, 1, 2), (3, 3), "reflect"), RuntimeError, "3", "2"
    ),
]

INDICES = [
    misuse("index", lambda T: T.ones(3)[5], IndexError, "5", "3"),
    misuse("negative index", lambda T: T.ones(3)[-4], IndexError, "-4", "3"),
    misuse("too many indices", lambda T: T.ones(3)[0, 0], IndexError, "[3]"),
    misuse("index of a number", lambda T: T.ones(())[0], IndexError, "0-d"),
    misuse("index tensor", lambda T: T.ones(3)[T.tensor([0, 5])], IndexError, "5", "3"),
    misuse("index of floats", lambda T: T.ones(3)[T.ones(2)], IndexError, "f32"),
    misuse("float index", lambda T: T.ones(3)[1.0], IndexError, "float"),
    misuse("text index", lambda T: T.ones(3)["a"], TypeError, "str"),
    misuse("mask", lambda T: T.ones(3)[T.ones(4) > 0], IndexError, "[4]", "[3]"),
    misuse("index tensors", lambda T: T.ones(3, 3)[T.tensor([0, 1]), T.tensor([0, 1, 2])], IndexError, "[2]", "[3]"),
    misuse("slice step", lambda T: T.ones(3)[::-1], ValueError, "-1"),
    misuse("assign", lambda T: T.ones(3, 3).__setitem__(0, T.ones(4)), RuntimeError, "[4]", "[3]"),
    misuse("assign out of range", lambda T: T.ones(3).__setitem__(4, 0), IndexError, "4", "3"),
    misuse("gather ranks", lambda T: T.ones(2, 3).gather(1, T.tensor([0])), RuntimeError, "[2, 3]", "[1]"),
    misuse("gather floats", lambda T: T.ones(2, 3).gather(1, T.ones(2, 1)), RuntimeError, "f32"),
    misuse("gather out of range", lambda T: T.ones(2, 3).gather(1, T.tensor([[7], [0]])), RuntimeError, "7", "3"),
    misuse("gather sizes", lambda T: T.ones(2, 3).gather(1, T.zeros(3, 1, dtype=T.int64)), RuntimeError, "[3, 1]"),
    misuse("scatter out of range", lambda T: T.zeros(3).scatter(0, T.tensor([4]), 1.0), RuntimeError, "4", "3"),
    misuse("scatter dtypes", lambda T: T.zeros(3).scatter(0, T.tensor([1]), T.tensor([1])), RuntimeError, "i64", "f32"),
    misuse("index_select", lambda T: T.ones(2, 3).index_select(0, T.tensor([2])), IndexError, "2"),
    misuse("index_select floats", lambda T: T.ones(2, 3).index_select(0, T.ones(1)), RuntimeError, "f32"),
    misuse("index_add", lambda T: T.ones(2, 3).index_add(0, T.tensor([0]), T.ones(2, 3)), RuntimeError),
    misuse("take out of range", lambda T: T.ones(3).take(T.tensor([3])), IndexError, "3"),
    misuse("select", lambda T: T.ones(2, 3).select(0, 2), IndexError, "2"),
    misuse("one_hot negative", lambda T: T.nn.functional.one_hot(T.tensor([-1])), RuntimeError, "-1"),
    misuse("one_hot too large", lambda T: T.nn.functional.one_hot(T.tensor([5]), 3), RuntimeError, "5", "2"),
    misuse("bincount negative", lambda T: T.bincount(T.tensor([-1])), RuntimeError),
    misuse("masked_select", lambda T: T.ones(3).masked_select(T.ones(3)), RuntimeError, "f32"),
]

DTYPES = [
    misuse("bool subtraction", lambda T: T.tensor([True]) - T.tensor([False]), RuntimeError, "bool"),
    misuse("bool negation", lambda T: -T.tensor([True]), RuntimeError, "bool"),
    misuse("integer mean", lambda T: T.tensor([1, 2]).mean(), RuntimeError, "i64"),
    misuse("integer std", lambda T: T.tensor([1, 2]).std(), RuntimeError, "i64"),
    misuse("integer in-place division", lambda T: T.tensor([1, 2]).div_(2), RuntimeError, "float32", "int64"),
    misuse("integer += float", lambda T: T.tensor([1, 2]).add_(0.5), RuntimeError, "float32", "int64"),
    misuse("matmul dtypes", lambda T: T.ones(2, 2) @ T.ones(2, 2).double(), RuntimeError, "float32", "float64"),
    misuse("matmul of integers and floats", lambda T: T.ones(2, 2) @ T.ones(2, 2).long(), RuntimeError, "int64"),
    misuse("linear dtypes", lambda T: T.nn.Linear(2, 2)(T.ones(1, 2).double()), RuntimeError, "float64"),
    misuse("bitwise of floats", lambda T: T.ones(2) & T.ones(2), RuntimeError, "f32"),
    misuse("invert floats", lambda T: ~T.ones(2), TypeError, "f32"),
    misuse("shift floats", lambda T: T.ones(2) << 1.5, RuntimeError),
    misuse("where condition", lambda T: T.where(T.ones(2), T.ones(2), T.ones(2)), RuntimeError, "f32"),
    misuse("masked_fill mask", lambda T: T.ones(2).masked_fill(T.ones(2), 0), RuntimeError, "f32"),
    misuse("add a text", lambda T: T.ones(2) + "a", TypeError, "str"),
    misuse("add a list", lambda T: T.ones(2).add([1, 2]), TypeError, "list"),
    misuse("add None", lambda T: T.ones(2) + None, TypeError, "None"),
    misuse("function of a list", lambda T: T.sin([1.0]), TypeError, "list"),
    misuse("function of an array", lambda T: T.sin(T.ones(2).numpy()), TypeError, "ndarray"),
    misuse("integer negative power", lambda T: T.tensor([2]) ** -1, RuntimeError, "power"),
    misuse("integer softmax", lambda T: T.tensor([1, 2]).softmax(0), RuntimeError, "i64"),
    misuse("integer dropout", lambda T: T.nn.functional.dropout(T.tensor([1, 2]), 2.0), ValueError, "2.0"),
    misuse("randn of integers", lambda T: T.randn(2, dtype=T.int64), RuntimeError, "int64"),
    misuse("rand of integers", lambda T: T.rand(2, dtype=T.int64), RuntimeError, "int64"),
    misuse("bernoulli of integers", lambda T: T.bernoulli(T.tensor([1, 0])), RuntimeError),
    misuse("integer overflow", lambda T: T.tensor([300], dtype=T.uint8), RuntimeError, "300"),
    misuse("default dtype", lambda T: T.set_default_dtype(T.int64), TypeError, "int64"),
    misuse("dtype that is none", lambda T: T.ones(2, dtype="float32"), TypeError, "str"),
    misuse("unknown device", lambda T: T.ones(2, device="gpu7"), RuntimeError, "gpu7"),
    misuse("from_numpy of texts", lambda T: T.from_numpy(__import__("numpy").array(["a"])), TypeError),
    misuse("from_numpy of a list", lambda T: T.from_numpy([1.0]), TypeError, "list"),
    misuse("rounding mode", lambda T: T.div(T.ones(2), 2, rounding_mode="up"), RuntimeError, "up"),
    misuse("unknown method", lambda T: T.ones(2).foo, AttributeError, "foo"),
    misuse("unknown function", lambda T: T.foo, AttributeError, "foo"),
    misuse("unknown argument", lambda T: T.ones(2).sum(foo=1), TypeError, "foo"),
    misuse("missing argument", lambda T: T.matmul(T.ones(2)), TypeError),
]

MODULES = [
    misuse("Linear", lambda T: T.nn.Linear(3, 2)(T.ones(4, 5)), RuntimeError, "[4, 5]", "3"),
    misuse("Linear of integers", lambda T: T.nn.Linear(3, 2)(T.ones(4, 3).long()), RuntimeError, "int64"),
    misuse("Linear of an array", lambda T: T.nn.Linear(3, 2)(T.ones(4, 3).numpy()), TypeError, "ndarray"),
    misuse("Linear twice", lambda T: T.nn.Linear(3, 2)(T.ones(1, 3), T.ones(1, 3)), TypeError),
    misuse("Conv2d channels", lambda T: T.nn.Conv2d(3, 8, 3)(T.ones(1, 4, 8, 8)), RuntimeError, "[1, 4, 8, 8]", "3"),
    misuse("Conv2d rank", lambda T: T.nn.Conv2d(3, 8, 3)(T.ones(8, 8)), RuntimeError, "[8, 8]"),
    misuse("Conv2d too small", lambda T: T.nn.Conv2d(3, 8, 5)(T.ones(1, 3, 4, 4)), RuntimeError, "5", "4"),
    misuse("Conv2d groups", lambda T: T.nn.Conv2d(3, 8, 3, groups=2), ValueError, "3", "2"),
    misuse("Conv2d dtype", lambda T: T.nn.Conv2d(3, 8, 3)(T.ones(1, 3, 8, 8).double()), RuntimeError, "float64"),
    misuse(
        "conv1d weight", lambda T: T.nn.functional.conv1d(T.ones(1, 2, 5), T.ones(3, 3, 2)), RuntimeError, "[3, 3, 2]"
    ),
    misuse("conv stride", lambda T: T.nn.functional.conv1d(T.ones(1, 2, 5), T.ones(3, 2, 2), stride=0), RuntimeError),
    misuse("LSTM size", lambda T: T.nn.LSTM(3, 4)(T.ones(5, 2, 6)), RuntimeError, "6", "3"),
    misuse("LSTM rank", lambda T: T.nn.LSTM(3, 4)(T.ones(2, 5, 2, 3)), ValueError, "4"),
    misuse(
        "GRU state", lambda T: T.nn.GRU(3, 4)(T.ones(5, 2, 3), T.ones(1, 3, 4)), RuntimeError, "(1, 2, 4)", "[1, 3, 4]"
    ),
    misuse("Embedding range", lambda T: T.nn.Embedding(3, 2)(T.tensor([3])), IndexError, "3"),
    misuse("Embedding of floats", lambda T: T.nn.Embedding(3, 2)(T.ones(2)), RuntimeError, "f32"),
    misuse("Embedding padding", lambda T: T.nn.Embedding(3, 2, padding_idx=5), AssertionError, "5"),
    misuse("BatchNorm rank", lambda T: T.nn.BatchNorm1d(3)(T.ones(2, 3, 4, 5)), ValueError, "4"),
    misuse("BatchNorm channels", lambda T: T.nn.BatchNorm1d(3)(T.ones(2, 4)), RuntimeError, "3", "4"),
    misuse("BatchNorm of one", lambda T: T.nn.BatchNorm1d(3)(T.ones(1, 3)), ValueError, "[1, 3]"),
    misuse("LayerNorm", lambda T: T.nn.LayerNorm(3)(T.ones(2, 4)), RuntimeError, "3", "[2, 4]"),
    misuse("GroupNorm", lambda T: T.nn.GroupNorm(2, 3), ValueError, "2", "3"),
    misuse("Dropout", lambda T: T.nn.Dropout(1.5), ValueError, "1.5"),
    misuse("MaxPool2d", lambda T: T.nn.MaxPool2d(5)(T.ones(1, 1, 3, 3)), RuntimeError),
    misuse("MaxPool2d rank", lambda T: T.nn.MaxPool2d(2)(T.ones(3, 3)), RuntimeError, "[3, 3]"),
    misuse("MultiheadAttention", lambda T: T.nn.MultiheadAttention(5, 2), AssertionError, "5", "2"),
    misuse(
        "cross_entropy batch",
        lambda T: T.nn.functional.cross_entropy(T.ones(2, 3), T.tensor([0, 1, 2])),
        ValueError,
        "2",
        "3",
    ),
    misuse(
        "cross_entropy dtype", lambda T: T.nn.functional.cross_entropy(T.ones(2, 3), T.ones(2)), RuntimeError, "f32"
    ),
    misuse(
        "cross_entropy class", lambda T: T.nn.functional.cross_entropy(T.ones(1, 3), T.tensor([3])), IndexError, "3"
    ),
    misuse(
        "nll_loss rank", lambda T: T.nn.functional.nll_loss(T.ones(2, 3), T.zeros(2, 1).long()), RuntimeError, "[2, 1]"
    ),
    misuse(
        "mse_loss", lambda T: T.nn.functional.mse_loss(T.ones(2, 3), T.ones(4, 3)), RuntimeError, "[2, 3]", "[4, 3]"
    ),
    misuse(
        "bce shapes", lambda T: T.nn.functional.binary_cross_entropy(T.ones(2), T.ones(3)), ValueError, "[2]", "[3]"
    ),
    misuse("bce range", lambda T: T.nn.functional.binary_cross_entropy(T.full((2,), 2.0), T.ones(2)), RuntimeError),
    misuse(
        "bce with logits",
        lambda T: T.nn.functional.binary_cross_entropy_with_logits(T.ones(2), T.ones(3)),
        ValueError,
        "[2]",
        "[3]",
    ),
    misuse("reduction", lambda T: T.nn.functional.mse_loss(T.ones(2), T.ones(2), reduction="avg"), ValueError, "avg"),
    misuse("missing keys", fewer_keys, RuntimeError, "bias"),
    misuse("unknown keys", more_keys, RuntimeError, "scale"),
    misuse("other shapes in a state", other_shapes, RuntimeError, "[3, 2]", "[2, 3]", "weight"),
    misuse("module before init", module_before_init, AttributeError, "init"),
    misuse("unknown attribute", unknown_attribute, AttributeError, "weights"),
    misuse("Sequential of functions", lambda T: T.nn.Sequential(T.relu), TypeError),
    misuse("Sequential index", lambda T: T.nn.Sequential(T.nn.ReLU())[3], IndexError, "3"),
    misuse("add_module", lambda T: T.nn.ReLU().add_module("a.b", T.nn.ReLU()), KeyError, "a.b"),
    misuse("register_buffer", lambda T: T.nn.ReLU().register_buffer("a", 3), TypeError, "a"),
    misuse("register_parameter", lambda T: T.nn.ReLU().register_parameter("a", T.ones(2)), TypeError, "a"),
    misuse("SGD without parameters", lambda T: T.optim.SGD([], lr=0.1), ValueError, "empty"),
    misuse("SGD of a tensor", lambda T: T.optim.SGD(leaf(T, 2), lr=0.1), TypeError),
    misuse("SGD of a result", lambda T: T.optim.SGD([leaf(T, 2) * 2], lr=0.1), ValueError, "leaf"),
    misuse("SGD of numbers", lambda T: T.optim.SGD([1.0], lr=0.1), TypeError, "float"),
    misuse("SGD learning rate", lambda T: T.optim.SGD([leaf(T, 2)], lr=-1.0), ValueError, "-1"),
    misuse("Adam betas", lambda T: T.optim.Adam([leaf(T, 2)], betas=(1.0, 0.9)), ValueError, "1.0"),
    misuse("clip_grad_norm_ nan", lambda T: T.nn.utils.clip_grad_norm_([], 1.0, foo=1), TypeError, "foo"),
    misuse("xavier of a vector", lambda T: T.nn.init.xavier_uniform_(T.ones(3)), ValueError, "[3]"),
    misuse("kaiming mode", lambda T: T.nn.init.kaiming_uniform_(T.ones(3, 3), mode="up"), ValueError, "up"),
    misuse(
        "attention",
        lambda T: T.nn.functional.scaled_dot_product_attention(T.ones(2, 3), T.ones(2, 4), T.ones(2, 4)),
        RuntimeError,
        "f32[2,3]",
        "f32[2,4]",
    ),
    misuse("cholesky", lambda T: T.linalg.cholesky(-T.eye(2)), RuntimeError, "positive"),
    misuse("inv of a singular matrix", lambda T: T.linalg.inv(T.zeros(2, 2)), RuntimeError, "singular"),
    misuse("inv of no square", lambda T: T.linalg.inv(T.ones(2, 3)), RuntimeError, "2 by 3"),
    misuse("solve", lambda T: T.linalg.solve(T.eye(2), T.ones(3)), RuntimeError, "3x1"),
    misuse("load of nothing", lambda T: T.load("/nonexistent/file.pt"), FileNotFoundError, "/nonexistent/file.pt"),
]

MISUSES = AUTOGRAD + SHAPES + INDICES + DTYPES + MODULES
