"""Views, shapes, joining, splitting, repeating."""

from __future__ import annotations

from typing import Any

from peer import Case, integer, nograd, real


def layout_of(x: Any) -> list[Any]:
    return [tuple(x.stride()), x.storage_offset(), x.is_contiguous()]


def viewed(*makers: Any) -> Any:
    """The values, strides and offsets of views, and whether a write through each reaches the base."""

    def case(T: Any, x: Any) -> Any:
        results: list[Any] = []
        for make in makers:
            base = x.detach().clone(memory_format=T.contiguous_format)
            part = make(T, base)
            results.append([make(T, x), layout_of(part)])
            part.zero_()
            results.append(base)
        return results

    return case


def views() -> list[Case]:
    return [
        Case(
            "view",
            viewed(
                lambda T, x: x.view(12, 2),
                lambda T, x: x.view(-1),
                lambda T, x: x.view((2, -1)),
                lambda T, x: x.view(T.Size([4, 6])),
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "transposing",
            viewed(
                lambda T, x: x.transpose(0, 1),
                lambda T, x: x.permute(2, 0, 1),
                lambda T, x: x.mT,
                lambda T, x: T.swapaxes(x, 0, -1),
                lambda T, x: x.swapdims(1, 2),
                lambda T, x: T.movedim(x, 0, -1),
                lambda T, x: x.movedim((0, 1), (-1, 0)),
                lambda T, x: T.moveaxis(x, 1, 0),
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "t T",
            viewed(
                lambda T, x: x.t(), lambda T, x: x.T, lambda T, x: x.H, lambda T, x: T.t(x), lambda T, x: x.adjoint()
            ),
            [real(3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "slicing",
            viewed(
                lambda T, x: x[1],
                lambda T, x: x[:, 1:],
                lambda T, x: x[..., ::2],
                lambda T, x: x[:, None],
                lambda T, x: x.narrow(1, 1, 2),
                lambda T, x: x.select(1, 2),
                lambda T, x: T.narrow(x, -1, 0, 3),
                lambda T, x: x.narrow(0, T.tensor(1), 1),
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "squeezing",
            viewed(
                lambda T, x: x.unsqueeze(0),
                lambda T, x: x.unsqueeze(-1),
                lambda T, x: x.unsqueeze(1).squeeze(1),
                lambda T, x: x[:1].squeeze(),
                lambda T, x: x[:1, :1].squeeze((0, 1)),
                lambda T, x: x.squeeze(0),
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "flattening",
            viewed(
                lambda T, x: x.flatten(1),
                lambda T, x: x.flatten(),
                lambda T, x: T.flatten(x, 0, 1),
                lambda T, x: x.ravel(),
                lambda T, x: x.unflatten(2, (2, 2)),
                lambda T, x: T.unflatten(x, -1, (2, -1)),
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "diagonal",
            viewed(
                lambda T, x: x.diagonal(),
                lambda T, x: x.diagonal(1, 0, 1),
                lambda T, x: T.diagonal(x, -1, 1, 2),
                lambda T, x: x.diagonal(0, 2, 0),
                lambda T, x: x.diagonal(1, -1, -2),
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "unfold view",
            lambda T, x: [
                [u, layout_of(u)]
                for u in (
                    x.contiguous().unfold(2, 2, 2),
                    x.contiguous().unfold(1, 2, 1),
                    x.contiguous().unfold(-1, 3, 1),
                )
            ],
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "unfold",
            lambda T, x: [x.unfold(2, 2, 2), x.unfold(1, 2, 1), x.unfold(0, 1, 1), x[0, 0].unfold(0, 2, 1)],
            [real(2, 3, 4)],
        ),
        Case.misuse("unfold too large", lambda T, x: x.unfold(0, 5, 1), [real(3)]),
        Case(
            "as_strided",
            lambda T, x: [
                [u, layout_of(u)]
                for u in (x.contiguous().as_strided((2, 2), (4, 1)), T.as_strided(x.contiguous(), (3,), (5,), 1))
            ],
            [nograd(real(3, 4))],
            layouts=False,
            jit=False,
        ),
        Case(
            "as_strided overlapping",
            lambda T, x: T.as_strided(x.contiguous(), (3, 2), (1, 1)),
            [real(4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "split chunk",
            viewed(
                lambda T, x: x.split(2, 2)[1],
                lambda T, x: T.split(x, [1, 2], dim=1)[1],
                lambda T, x: x.chunk(2, -1)[0],
                lambda T, x: T.tensor_split(x, 2, 1)[1],
                lambda T, x: x.unbind(1)[2],
                lambda T, x: x.hsplit(3)[1],
                lambda T, x: T.vsplit(x, 2)[1],
                lambda T, x: x.dsplit(2)[0],
            ),
            [real(2, 3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "expanding",
            lambda T, x: [
                [u, layout_of(u)]
                for u in (
                    x.contiguous().expand(5, 3, 4),
                    x[:1].contiguous().expand(2, -1),
                    T.broadcast_to(x, (2, 3, 4)).contiguous(),
                    x.expand_as(T.ones(2, 3, 4)).contiguous(),
                )
            ],
            [real(3, 4)],
            layouts=False,
            jit=False,
        ),
        Case(
            "detach is a view",
            lambda T, x: [x.detach().zero_(), x.data.add_(1), x],
            [nograd(real(3))],
            jit=False,
            layouts=False,
        ),
        Case(
            "view dtype",
            lambda T: [
                T.arange(4.0).view(T.int32),
                T.arange(4, dtype=T.int64).view(T.int32),
                T.arange(8, dtype=T.uint8).view(T.int16),
                T.tensor([1.0]).view(T.int32),
            ],
            jit=False,
        ),
        Case.misuse("view of transposed", lambda T, x: x.t().view(12), [real(3, 4)]),
        Case.misuse("view of another size", lambda T, x: x.view(5, 2), [real(3, 4)]),
        Case.misuse("view of two unknown", lambda T, x: x.view(-1, -1), [real(3, 4)]),
        Case.misuse("transpose outside", lambda T, x: x.transpose(0, 2), [real(3, 4)]),
        Case.misuse("permute incomplete", lambda T, x: x.permute(0), [real(3, 4)]),
        Case.misuse("expand smaller", lambda T, x: x.expand(3, 5), [real(3, 4)]),
        Case.misuse("t of three dimensions", lambda T, x: x.t(), [real(2, 3, 4)]),
        Case.misuse("narrow too long", lambda T, x: x.narrow(0, 2, 3), [real(3, 4)]),
        Case.misuse("select outside", lambda T, x: x.select(0, 3), [real(3, 4)]),
        Case.misuse("unsqueeze outside", lambda T, x: x.unsqueeze(4), [real(3, 4)]),
        Case.misuse("as_strided outside", lambda T, x: x.as_strided((5,), (5,)), [real(3, 4)]),
    ]


def shapes() -> list[Case]:
    return [
        Case(
            "reshape",
            lambda T, x: [
                x.reshape(6, 4),
                T.reshape(x, (-1,)),
                x.reshape(4, -1),
                x.reshape([2, 12]),
                x.reshape_as(T.ones(8, 3)),
                x.view_as(x),
            ],
            [real(2, 3, 4)],
            dtypes="half",
        ),
        Case(
            "reshape zero-size", lambda T, x: [x.reshape(3, 0), x.view(0), x.reshape(0, 5), x.flatten()], [real(0, 3)]
        ),
        Case(
            "reshape 0-d",
            lambda T, x: [
                x.reshape(1),
                x.view(1, 1),
                x.flatten(),
                x.ravel(),
                x.reshape(()),
                x.squeeze(),
                x.unsqueeze(0),
            ],
            [real()],
        ),
        Case(
            "permute etc",
            lambda T, x: [T.permute(x, (2, 0, 1)), x.permute([1, 0, 2]), T.transpose(x, 0, -1), x.mT, x.movedim(0, 2)],
            [real(2, 3, 4)],
        ),
        Case(
            "squeeze",
            lambda T, x: [
                T.squeeze(x),
                x.squeeze(0),
                x.squeeze(1),
                x.squeeze(-1),
                T.squeeze(x, (0, 3)),
                x.squeeze(dim=(0, 1)),
            ],
            [real(1, 3, 4, 1)],
        ),
        Case(
            "unsqueeze",
            lambda T, x: [T.unsqueeze(x, 0), x.unsqueeze(-1), x.unsqueeze(1), x.unsqueeze(-2)],
            [real(3, 4)],
        ),
        Case(
            "flatten",
            lambda T, x: [x.flatten(1, 2), x.flatten(-2), x.flatten(start_dim=1), x.flatten(0, 0)],
            [real(2, 3, 4)],
        ),
        Case(
            "diagonals",
            lambda T, x: [
                T.diagonal(x),
                x.diagonal(1),
                x.diagonal(-2),
                x.diagonal(3),
                x.diagonal(dim1=1, dim2=0),
            ],
            [real(3, 4)],
        ),
        Case("diag", lambda T, x: [T.diag(x), x.diag(1), T.diag(x[0]), T.diag(x[0], -1), x[0].diag(2)], [real(3, 4)]),
        Case("diagflat", lambda T, x: [T.diagflat(x), x.diagflat(1), T.diagflat(x[0], -1)], [real(2, 3)]),
        Case(
            "diag_embed",
            lambda T, x: [T.diag_embed(x), x.diag_embed(1), T.diag_embed(x, -1, 0, 2), T.diag_embed(x, dim1=1, dim2=0)],
            [real(2, 3)],
        ),
        Case(
            "tril triu",
            lambda T, x: [T.tril(x), x.triu(1), T.tril(x, -1), T.triu(x, diagonal=-2), x[0].tril()],
            [real(2, 3, 4)],
        ),
        Case(
            "tril triu kinds",
            lambda T, i: [i.tril(), (i > 0).triu(), i.clone().tril_(), i.clone().triu_(1)],
            [integer(3, 4)],
        ),
        Case(
            "atleast",
            lambda T, x, z: [
                T.atleast_1d(z),
                T.atleast_2d(x),
                T.atleast_3d(x),
                T.atleast_3d(z),
                T.atleast_2d(x, z),
                T.atleast_1d([x, z]),
            ],
            [real(3), real()],
        ),
        Case(
            "broadcast_tensors",
            lambda T, x, y: [T.broadcast_tensors(x, y), T.broadcast_shapes((3, 1), (4,)), T.broadcast_to(y, (2, 4))],
            [real(3, 1), real(4)],
        ),
        Case(
            "meshgrid",
            lambda T, x, y: [T.meshgrid(x, y, indexing="ij"), T.meshgrid([x, y], indexing="xy"), T.meshgrid(x, y)],
            [real(3), real(4)],
        ),
        Case("cartesian_prod", lambda T, x, y: [T.cartesian_prod(x, y), T.cartesian_prod(x)], [real(3), real(2)]),
        Case(
            "block_diag",
            lambda T, x, y: [T.block_diag(x, y), T.block_diag(x[0], y, T.tensor(3.0, dtype=x.dtype))],
            [real(2, 3), real(3, 2)],
        ),
        Case("in-place shapes", in_place_shapes, [real(2, 1, 3)], jit=False, layouts=False),
        Case(
            "contiguous",
            lambda T, x: [x.t().contiguous(), x.contiguous(memory_format=T.contiguous_format), x.t().is_contiguous()],
            [real(3, 4)],
        ),
        Case("sizes", sizes, [nograd(real(2, 3, 4))], jit=False, layouts=False),
        Case.misuse("diag of three dimensions", lambda T, x: T.diag(x), [real(2, 3, 4)]),
        Case.misuse("reshape count", lambda T, x: x.reshape(5), [real(3, 4)]),
        Case.misuse("tril of a vector", lambda T, x: x.tril(), [real(3)]),
        Case.misuse("size outside", lambda T, x: x.size(2), [real(3, 4)]),
        Case.misuse("flatten crossed", lambda T, x: x.flatten(2, 1), [real(2, 3, 4)]),
        Case.misuse("unflatten sizes", lambda T, x: x.unflatten(1, (2, 3)), [real(3, 4)]),
    ]


def in_place_shapes(T: Any, x: Any) -> Any:
    names = [
        ("transpose_", (0, 2)),
        ("squeeze_", ()),
        ("squeeze_", (1,)),
        ("unsqueeze_", (0,)),
        ("swapaxes_", (0, 1)),
        ("swapdims_", (1, 2)),
    ]
    results: list[Any] = []
    for name, args in names:
        y = x.clone()
        z = getattr(y, name)(*args)
        results += [y, z is y, tuple(y.stride())]
    m = x.clone()[:, 0]
    m.t_()
    return [*results, m]


def sizes(T: Any, x: Any) -> Any:
    named = [x.size(0), x.size(-1), list(x.size()), x.dim(), x.ndim, x.numel(), x.nelement(), len(x), x.shape[1]]
    return [*named, x.shape.numel(), tuple(x.stride()), x.stride(0), x.ndimension(), list(x.shape[1:]), T.numel(x)]


def joining() -> list[Case]:
    return [
        Case(
            "cat",
            lambda T, x, y: [
                T.cat([x, y]),
                T.cat((x, x, y), dim=0),
                T.cat([x, x], 1),
                T.cat([x], -1),
                T.concat([x, y]),
                T.concatenate([x, y], axis=0),
            ],
            [real(2, 3), real(4, 3)],
            dtypes="half",
        ),
        Case(
            "cat promotes",
            lambda T, x, i: [T.cat([x, i]), T.cat([i, i > 0]), T.cat([x, x.double()])],
            [nograd(real(2, 3)), integer(4, 3)],
        ),
        Case(
            "cat empty vector",
            lambda T, x: [T.cat([x, T.zeros(0, dtype=x.dtype)]), T.cat([T.zeros(0, dtype=x.dtype), x], 1)],
            [real(2, 3)],
        ),
        Case("cat zero-size", lambda T, x: T.cat([x[:0], x]), [real(2, 3)]),
        Case(
            "stack",
            lambda T, x, y: [T.stack([x, y]), T.stack((x, y), dim=-1), T.stack([x, y], 1), T.stack([x.sum(), y.sum()])],
            [real(2, 3), real(2, 3)],
        ),
        Case(
            "stacks of dimensions",
            lambda T, x, y: [
                T.hstack([x, y]),
                T.vstack([x, y]),
                T.dstack([x, y]),
                T.column_stack([x, y]),
                T.row_stack([x, y]),
            ],
            [real(2, 3), real(2, 3)],
        ),
        Case(
            "stacks of vectors",
            lambda T, x, y: [
                T.hstack([x, y]),
                T.vstack([x, y]),
                T.dstack([x, y]),
                T.column_stack([x, y]),
                T.hstack((x.sum(), y.sum())),
            ],
            [real(3), real(3)],
        ),
        Case(
            "split sizes",
            lambda T, x: [
                T.split(x, 2),
                x.split(3, dim=1),
                x.split([1, 0, 2, 1]),
                T.split(x, [1, 2], 1),
                x.split_with_sizes([2, 2]),
                T.split_with_sizes(x, [3, 1]),
            ],
            [real(4, 3)],
        ),
        Case(
            "chunk",
            lambda T, x: [
                T.chunk(x, 3),
                x.chunk(4, 1),
                x.chunk(2, dim=-1),
                x.chunk(7),
                T.unsafe_chunk(x, 2),
                T.unsafe_split(x, 3),
            ],
            [real(4, 3)],
        ),
        Case(
            "tensor_split",
            lambda T, x: [
                T.tensor_split(x, 3),
                x.tensor_split((1, 3)),
                T.tensor_split(x, (1,), dim=1),
                T.tensor_split(x, T.tensor([1, 2])),
                x.tensor_split(6),
            ],
            [real(4, 3)],
            jit=False,
        ),
        Case(
            "hsplit vsplit dsplit",
            lambda T, x: [T.hsplit(x, 3), T.vsplit(x, [1]), T.dsplit(x, 2), T.hsplit(x[0, 0], 2), x.vsplit(2)],
            [real(2, 3, 4)],
        ),
        Case("unbind", lambda T, x: [T.unbind(x), x.unbind(1), T.unbind(x, dim=-1), list(x)], [real(3, 4)], jit=False),
        Case(
            "repeat", lambda T, x: [x.repeat(2, 3), x.repeat(2, 1, 1), x.repeat((1, 2)), x.repeat(0, 1)], [real(3, 4)]
        ),
        Case("tile", lambda T, x: [T.tile(x, (2,)), x.tile(2, 1), T.tile(x, (1, 2, 1)), x.tile((2, 2))], [real(3, 4)]),
        Case(
            "repeat_interleave",
            lambda T, x: [T.repeat_interleave(x, 2), x.repeat_interleave(3, dim=0), T.repeat_interleave(x, 2, dim=-1)],
            [real(3, 4)],
        ),
        Case(
            "flip",
            lambda T, x: [
                T.flip(x, [0]),
                x.flip(0, 1),
                x.flip((-1,)),
                T.fliplr(x),
                x.flipud(),
                T.flip(x, dims=(1,)),
                x.flip(()),
            ],
            [real(3, 4)],
        ),
        Case(
            "roll",
            lambda T, x: [
                T.roll(x, 1),
                x.roll(-2, 1),
                T.roll(x, (1, 2), (0, 1)),
                T.roll(x, shifts=5, dims=0),
                x.roll(0, 0),
                T.roll(x, 3, -1),
            ],
            [real(3, 4)],
        ),
        Case(
            "rot90",
            lambda T, x: [T.rot90(x), x.rot90(2), T.rot90(x, 3, (0, 1)), T.rot90(x, -1, [1, 0]), x.rot90(1, (1, 0))],
            [real(3, 4)],
        ),
        Case("narrow_copy", lambda T, x: [T.narrow_copy(x, 0, 1, 2), x.narrow_copy(1, 0, 2)], [real(3, 4)]),
        Case(
            "vander", lambda T, x: [T.vander(x), T.vander(x, 2), T.vander(x, N=4, increasing=True)], [nograd(real(3))]
        ),
        Case(
            "constant_pad_nd",
            lambda T, x: [T.constant_pad_nd(x, (1, 2)), T.constant_pad_nd(x, (1, -1, 0, 2), 5.0)],
            [real(3, 4)],
        ),
        Case.misuse("cat shapes", lambda T, x, y: T.cat([x, y], 1), [real(2, 3), real(4, 3)]),
        Case.misuse("cat nothing", lambda T: T.cat([])),
        Case.misuse("cat dim", lambda T, x: T.cat([x, x], 2), [real(2, 3)]),
        Case.misuse("cat 0-d", lambda T, x: T.cat([x.sum(), x.sum()]), [real(2)]),
        Case.misuse("stack shapes", lambda T, x, y: T.stack([x, y]), [real(2, 3), real(3, 3)]),
        Case.misuse("split sum", lambda T, x: x.split([1, 1]), [real(4)]),
        Case.misuse("chunk 0", lambda T, x: x.chunk(0), [real(4)]),
        Case.misuse("repeat too few", lambda T, x: x.repeat(2), [real(3, 4)]),
        Case.misuse("flip outside", lambda T, x: x.flip(2), [real(3, 4)]),
        Case.misuse("flip twice", lambda T, x: x.flip(0, 0), [real(3, 4)]),
    ]


CASES = views() + shapes() + joining()
