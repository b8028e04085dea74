"""What tensors are and do in Python: attributes, conversions, protocols, memory, products."""

from __future__ import annotations

import copy
import io
import math
import pickle
from typing import Any

import numpy as np
from peer import Case, integer, nograd, real


def conversions() -> list[Case]:
    return [
        Case(
            "to dtypes",
            lambda T, x: [
                x.to(T.float64),
                x.to(dtype=T.float16),
                x.double(),
                x.half(),
                x.bfloat16(),
                x.float(),
                x.type(T.float64),
                x.to(T.int32),
                x.long(),
                x.int(),
                x.short(),
                x.char(),
                x.bool(),
            ],
            [real(3, 4)],
        ),
        Case(
            "to forms",
            lambda T, x, i: [
                x.to("cpu"),
                x.to(T.device("cpu")),
                x.to("cpu", T.float64),
                x.to(device="cpu", dtype=T.int64),
                x.to(i),
                x.to(i, non_blocking=True),
                x.to(T.float64, copy=True),
                x.to("cpu", non_blocking=True, copy=True),
                x.to(x.dtype) is x,
                x.to(x) is x,
                x.to(x.dtype, copy=True) is x,
                x.to(memory_format=T.preserve_format),
                x.to(T.float32, False, True),
            ],
            [nograd(real(3)), integer(3)],
            jit=False,
        ),
        Case(
            "type names",
            lambda T, x: [
                x.type("torch.FloatTensor"),
                x.type("torch.LongTensor"),
                x.type(T.DoubleTensor),
                x.type(T.int64),
                x.type().split(".")[1],
                x.long().type().split(".")[1],
                x.type_as(T.ones(1, dtype=T.int32)),
                x.bool().type().split(".")[1],
            ],
            [nograd(real(3))],
            jit=False,
        ),
        Case(
            "to integers",
            lambda T, x: [
                x.long(),
                x.abs().byte(),
                x.bool(),
                T.tensor([1.9, -1.9]).int(),
                T.tensor([0.0, 0.5]).bool(),
            ],
            [nograd(real(3))],
        ),
        Case(
            "item tolist",
            lambda T, x, i: [
                x[0].item() == x[0].item(),
                i.tolist(),
                x.double()[1].tolist(),
                T.tensor([[True]]).tolist(),
                T.tensor(2).tolist(),
                T.zeros(0).tolist(),
                T.zeros(2, 0).tolist(),
                i[0].item(),
            ],
            [nograd(real(3)), integer(3)],
            jit=False,
        ),
        Case(
            "numbers",
            lambda T, i: [
                int(i[0]),
                float(i[0]),
                bool(i[0]),
                complex(i[0]),
                [10, 20, 30][T.tensor(1)],
                range(T.tensor(3)),
                round(T.tensor(2.6).item()),
                math.sqrt(T.tensor(4.0)),
                divmod(T.tensor(7).item(), 2),
            ],
            [integer(3)],
            jit=False,
        ),
        Case(
            "numpy",
            lambda T, x: [
                T.from_numpy(x.numpy()),
                x.numpy().dtype.name,
                T.from_numpy(np.asarray(x)),
                T.from_numpy(np.array(x, dtype=np.float64)),
                x.t().numpy().strides == x.t().numpy().strides,
                x.numpy(force=True).shape,
            ],
            [nograd(real(3, 4))],
            jit=False,
        ),
        Case("numpy shares", lambda T: shares(T), jit=False),
        Case(
            "NumPy's functions",
            lambda T, x: [
                np.sum(x.numpy()),
                T.as_tensor(np.asarray(np.sin(x))),
                np.asarray(x).tolist() == x.tolist(),
                np.add(x.numpy(), 1).tolist() == (x + 1).tolist(),
                np.float64(2) * x,
            ],
            [nograd(real(3))],
            dtypes=("float64",),
            jit=False,
        ),
        Case(
            "deepcopy and pickle",
            lambda T, x: [
                copy.deepcopy(x),
                copy.copy(x),
                pickle.loads(pickle.dumps(x)),
                copy.deepcopy([x, x])[1],
                saved(T, x),
                copy.deepcopy(T.nn.Parameter(x.detach())),
            ],
            [real(3, 4)],
            jit=False,
        ),
        Case(
            "dlpack",
            lambda T, x: [
                T.from_dlpack(x),
                T.utils.dlpack.from_dlpack(T.utils.dlpack.to_dlpack(x)),
                T.from_numpy(np.from_dlpack(x).copy()),
                T.from_dlpack(np.arange(3.0)),
                x.__dlpack_device__()[1],
            ],
            [nograd(real(3, 4))],
            jit=False,
        ),
        Case.misuse("item of several", lambda T, x: x.item(), [real(3)]),
        Case.misuse("bool of several", lambda T, x: bool(x), [real(3)]),
        Case.misuse("bool of none", lambda T: bool(T.zeros(0))),
        Case.misuse("int of several", lambda T, x: int(x), [real(3)]),
        Case.misuse("index of floats", lambda T, x: [1, 2][x], [real()]),
        Case.misuse("numpy of grad", lambda T, x: x.requires_grad_().numpy(), [real(3)]),
        Case.misuse("len of 0-d", lambda T, x: len(x), [real()]),
        Case.misuse("iteration over 0-d", lambda T, x: list(x), [real()]),
        Case.misuse("to nothing known", lambda T, x: x.to("toaster"), [real(3)]),
        Case.misuse("type nothing known", lambda T, x: x.type("torch.NoTensor"), [real(3)]),
        Case.misuse("setting grad of another shape", lambda T, x: setattr(x, "grad", T.ones(4)), [real(3)]),
        Case.misuse("setting grad of another dtype", lambda T, x: setattr(x, "grad", T.ones(3).double()), [real(3)]),
        Case.misuse("setting grad to a number", lambda T, x: setattr(x, "grad", 1.0), [real(3)]),
        Case.misuse("deepcopy of a result", lambda T, x: copy.deepcopy(x.requires_grad_() * 2), [real(3)]),
        Case.misuse("dividing by text", lambda T, x: x / "a", [real(3)]),
    ]


def saved(T: Any, x: Any) -> Any:
    buffer = io.BytesIO()
    T.save({"x": x.detach()}, buffer)
    buffer.seek(0)
    return T.load(buffer)["x"]


def shares(T: Any) -> Any:
    x = T.arange(4.0)
    array = x.numpy()
    array[0] = 9
    x[1] = 8
    y = x.view(2, 2)
    y[1, 1] = 7
    z = x.detach()
    z[2] = 6
    return [
        x,
        array.tolist(),
        y,
        x.data_ptr() == z.data_ptr(),
        y.data_ptr() == x.data_ptr(),
        x[1:].data_ptr() - x.data_ptr(),
    ]


def attributes() -> list[Case]:
    return [
        Case(
            "attributes",
            lambda T, x: [
                x.dtype,
                x.device,
                x.layout,
                x.requires_grad,
                x.is_leaf,
                x.grad,
                x.grad_fn,
                x.ndim,
                list(x.shape),
                x.itemsize,
                x.element_size(),
                x.nbytes,
                x.is_cuda,
                x.is_cpu,
                x.is_sparse,
                x.is_quantized,
                x.is_meta,
                x.is_mps,
                x.name,
                x.retains_grad,
                x.output_nr,
            ],
            [nograd(real(3, 4))],
            jit=False,
        ),
        Case(
            "questions",
            lambda T, x, i: [
                x.is_floating_point(),
                i.is_floating_point(),
                x.is_complex(),
                x.is_signed(),
                i.byte().is_signed(),
                x.is_contiguous(),
                x.t().is_contiguous(),
                x.is_pinned(),
                x.is_shared(),
                x.is_inference(),
                x.get_device(),
                x.is_same_size(i),
                x.is_set_to(x),
                T.is_tensor(x),
                T.is_tensor(1),
                T.is_floating_point(x),
                T.is_nonzero(T.tensor(1)),
                x.is_conj(),
                x.is_neg(),
                T.is_complex(x),
                T.is_storage(x.storage()),
            ],
            [nograd(real(3, 4)), integer(3, 4)],
            jit=False,
            layouts=False,
        ),
        Case(
            "channels last questions",
            lambda T: [
                T.ones(2, 3, 4, 5).is_contiguous(memory_format=T.channels_last),
                T.ones(2, 4, 5, 3).permute(0, 3, 1, 2).is_contiguous(memory_format=T.channels_last),
            ],
            jit=False,
        ),
        Case("transposes", lambda T, x: [x.T, x.mT, x.H, x.mH, x.adjoint(), x.t()], [real(3, 4)]),
        Case("real parts", lambda T, x: [x.real, T.real(x), x.conj(), x.resolve_conj(), x.resolve_neg()], [real(3)]),
        Case("data", lambda T, x: data(T, x.clone()), [nograd(real(3))], jit=False),
        Case("requires_grad", lambda T, x: requires(T, x), [nograd(real(3))], jit=False),
        Case("grad", lambda T, x: gradients(T, x), [nograd(real(3))], jit=False),
        Case("retain_grad", lambda T, x: retained(T, x), [nograd(real(3))], jit=False),
        Case(
            "hash and identity",
            lambda T, x: [hash(x) == hash(x), {x: 1}[x], len({x, x}), x is x.detach()],
            [nograd(real(1))],
            jit=False,
        ),
        Case("subclasses", lambda T, x: subclasses(T, x), [nograd(real(3))], jit=False),
        Case.misuse("requires_grad of integers", lambda T, x: x.requires_grad_(), [integer(3)]),
        Case.misuse(
            "requires_grad of a result", lambda T, x: setattr(x.requires_grad_() * 2, "requires_grad", False), [real(3)]
        ),
        Case.misuse("retain_grad without", lambda T, x: x.retain_grad(), [real(3)]),
        Case.misuse("cuda", lambda T, x: x.cuda(), [real(3)]),
        Case.misuse("imag", lambda T, x: x.imag, [real(3)]),
        Case.misuse("H of three dimensions", lambda T, x: x.H, [real(2, 3, 4)]),
    ]


def data(T: Any, x: Any) -> Any:
    x.requires_grad_()
    x.data.mul_(2)
    x.data = x.data + 1
    before = x.data
    x.data = T.zeros(5)
    return [x, before, x.is_leaf, x.requires_grad, x.data.requires_grad]


def requires(T: Any, x: Any) -> Any:
    y = x.clone().requires_grad_()
    z = y * 2
    w = z.detach()
    y.requires_grad = False
    with T.no_grad():
        v = z + 1
    return [
        y.requires_grad,
        z.requires_grad,
        z.is_leaf,
        w.requires_grad,
        v.requires_grad,
        w.is_leaf,
        T.is_grad_enabled(),
    ]


def gradients(T: Any, x: Any) -> Any:
    y = x.clone().requires_grad_()
    (y * y).sum().backward()
    first = y.grad.clone()
    (y * 3).sum().backward()
    second = y.grad.clone()
    y.grad = None
    empty = y.grad
    y.grad = T.ones_like(y)
    y.grad.zero_()
    return [first, second, empty, y.grad]


def retained(T: Any, x: Any) -> Any:
    y = x.clone().requires_grad_()
    z = y * 2
    z.retain_grad()
    (z * z).sum().backward()
    return [z.grad, y.grad, z.is_leaf]


def subclasses(T: Any, x: Any) -> Any:
    class Named(T.Tensor):  # type: ignore[misc]
        label = "named"

        def doubled(self) -> Any:
            return self * 2

    made = x.as_subclass(Named)
    return [
        isinstance(made, Named),
        made.label,
        made.doubled().tolist() == (x * 2).tolist(),
        isinstance(Named([1.0, 2.0]), Named),
        isinstance(x, T.Tensor),
        isinstance(T.nn.Parameter(x), T.Tensor),
    ]


def memory() -> list[Case]:
    return [
        Case("storages", lambda T, x: storages(T, x), [nograd(real(3, 4))], jit=False, layouts=False),
        Case("resize_", lambda T: resizes(T), jit=False),
        Case(
            "set_",
            lambda T, x: [
                x.clone().set_(T.ones(2, dtype=x.dtype)),
                T.zeros(0, dtype=x.dtype).set_(x.clone().storage(), 1, (2, 2), (2, 1)),
                x.clone().set_().shape[0],
            ],
            [nograd(real(3, 4))],
            jit=False,
            layouts=False,
        ),
        Case(
            "apply_ map_",
            lambda T, x, y: [x.clone().apply_(lambda v: v * 2 + 1), x.clone().map_(y, lambda a, b: a + 3 * b)],
            [nograd(real(3)), nograd(real(3))],
            jit=False,
        ),
        Case("share_memory_", lambda T, x: x.clone().share_memory_(), [nograd(real(3))], jit=False),
        Case(
            "strides of copies",
            lambda T, x: [
                tuple(x.t().clone().stride()),
                tuple(x.t().contiguous().stride()),
                tuple((x.t() + 0).shape),
                tuple(x[:, ::2].clone().stride()),
            ],
            [nograd(real(3, 4))],
            jit=False,
            layouts=False,
        ),
        Case("out of arithmetic", lambda T, x, y: outs(T, x, y), [nograd(real(3, 4)), nograd(real(4))], jit=False),
        Case.misuse("resize_ of grad", lambda T, x: x.requires_grad_().resize_(2), [real(3)]),
        Case.misuse("out of another kind", lambda T, x: T.add(x, 1.5, out=T.zeros(3, dtype=T.int64)), [real(3)]),
        Case.misuse("out that is no tensor", lambda T, x: T.add(x, 1, out=[1, 2, 3]), [real(3)]),
        Case.misuse("out with grad", lambda T, x: T.add(x.requires_grad_(), 1, out=T.zeros(3)), [real(3)]),
        Case.misuse("an argument that is not there", lambda T, x: T.add(x, 1, banana=2), [real(3)]),
        Case.misuse("too few arguments", lambda T, x: T.add(x), [real(3)]),
    ]


def storages(T: Any, x: Any) -> Any:
    y = x.clone()
    view = y[1:]
    s, u = y.storage(), view.untyped_storage()
    s[0] = 5.0
    sizes = [s.size(), len(s), s.nbytes(), u.nbytes(), s.element_size(), u.size()]
    return [
        *sizes,
        s.data_ptr() == u.data_ptr(),
        view.storage_offset(),
        s[5] == y[1, 1].item(),
        y,
        s.tolist() == y.reshape(-1).tolist(),
        y.untyped_storage().data_ptr() == view.untyped_storage().data_ptr(),
    ]


def resizes(T: Any) -> Any:
    x = T.arange(6.0)
    y = x.resize_(2, 2)
    z = T.arange(4.0)
    z.resize_(3, 4)
    w = T.arange(6.0).resize_as_(T.ones(3, 2))
    return [x, y is x, tuple(z.shape), z[0], w]


def outs(T: Any, x: Any, y: Any) -> Any:
    a, b, c = T.empty(3, 4, dtype=x.dtype), T.empty(0, dtype=x.dtype), T.empty(3, 4, dtype=T.float64)
    r = T.add(x, y, out=a)
    T.mul(x, y, out=b)
    T.sub(x, y, out=c)
    values, indices = T.empty(0, dtype=x.dtype), T.empty(0, dtype=T.int64)
    T.max(x, 1, out=(values, indices))
    s, i = T.sort(x, dim=1, out=(T.empty(0, dtype=x.dtype), T.empty(0, dtype=T.int64)))
    t = T.empty(4, 3, dtype=x.dtype)
    T.exp(x.t(), out=t)
    m = T.matmul(x, y, out=T.empty(3, dtype=x.dtype))
    n = T.cat([x, x], out=T.empty(0, dtype=x.dtype))
    z = T.zeros(3, out=T.ones(3))
    k = T.arange(4, out=T.empty(0, dtype=T.int64))
    return [
        r is a,
        a,
        b,
        c,
        values,
        indices,
        s,
        i,
        t,
        m,
        n,
        z,
        k,
        T.sum(x, 0, out=T.empty(4, dtype=x.dtype)),
        T.stack([y, y], out=T.empty(2, 4, dtype=y.dtype)),
    ]


def products() -> list[Case]:
    return [
        Case(
            "einsum matrices",
            lambda T, x, y: [
                T.einsum("ij,jk->ik", x, y),
                T.einsum("ij,jk", x, y),
                T.einsum("ij,jk->ki", x, y),
                T.einsum("ij, jk -> i", x, y),
                T.einsum("ij,jk->", x, y),
                T.einsum("ij,jk->ijk", x, y),
            ],
            [real(3, 4), real(4, 5)],
        ),
        Case(
            "einsum of one",
            lambda T, x: [
                T.einsum("ij->ji", x),
                T.einsum("ij->", x),
                T.einsum("ij->j", x),
                T.einsum("ij", x),
                T.einsum("ba", x),
                T.einsum("...->...", x),
                T.einsum("i...->...", x),
            ],
            [real(3, 4)],
        ),
        Case(
            "einsum diagonals",
            lambda T, x: [
                T.einsum("ii", x),
                T.einsum("ii->i", x),
                T.einsum("ii,i->i", x, x[0]),
                T.einsum("ij,ji->", x, x),
            ],
            [real(4, 4)],
        ),
        Case(
            "einsum batches",
            lambda T, x, y: [
                T.einsum("bij,bjk->bik", x, y),
                T.einsum("...ij,...jk->...ik", x, y),
                T.einsum("bij,bjk->b", x, y),
                T.einsum("b...j,bjk->bk...", x, y),
                T.einsum("bij,cjk->bcik", x, y),
            ],
            [real(2, 3, 4), real(2, 4, 5)],
        ),
        Case(
            "einsum of three",
            lambda T, x, y, z: [
                T.einsum("ij,jk,kl->il", x, y, z),
                T.einsum("ij,jk,kl->", x, y, z),
                T.einsum("ij,jk,kl", [x, y, z]),
            ],
            [real(3, 4), real(4, 5), real(5, 2)],
        ),
        Case(
            "einsum sublists",
            lambda T, x, y: [
                T.einsum(x, [0, 1], y, [1, 2], [0, 2]),
                T.einsum(x, [0, 1], y, [1, 2]),
                T.einsum(x, [..., 1], [...]),
            ],
            [real(3, 4), real(4, 5)],
        ),
        Case(
            "einsum broadcasting",
            lambda T, x, y: [T.einsum("ij,jk->ik", x, y), T.einsum("...ij,jk->...ik", x, y)],
            [real(3, 1), real(4, 5)],
        ),
        Case(
            "einsum attention",
            lambda T, q, k, v: T.einsum("bhqk,bkhd->bqhd", T.einsum("bqhd,bkhd->bhqk", q, k).softmax(-1), v),
            [real(2, 3, 2, 4), real(2, 5, 2, 4), real(2, 5, 2, 4)],
        ),
        Case(
            "einsum vectors",
            lambda T, x, y: [
                T.einsum("i,i", x, y),
                T.einsum("i,j", x, y),
                T.einsum("i,i->i", x, y),
                T.einsum("i,->i", x, y[0]),
            ],
            [real(4), real(4)],
        ),
        Case("einsum integers", lambda T, x: T.einsum("ij,kj->ik", x, x), [integer(3, 4)]),
        Case.misuse("einsum operands", lambda T, x: T.einsum("ij,jk->ik", x), [real(3, 4)]),
        Case.misuse("einsum dimensions", lambda T, x: T.einsum("ijk->i", x), [real(3, 4)]),
        Case.misuse("einsum output", lambda T, x: T.einsum("ij->ik", x), [real(3, 4)]),
        Case.misuse("einsum sizes", lambda T, x: T.einsum("ij,jk->ik", x, x), [real(3, 4)]),
    ]


CASES = conversions() + attributes() + memory() + products()
