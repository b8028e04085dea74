"""Normalisation and dropout as state of training: compiled steps leave the buffers that eager ones leave."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import aot, nn
from ingot.nn import functional
from ingot.runtime.errors import OperandError, ShapeError, SpecError

STATE: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.BatchNorm1d(6), (8, 6)),
    (lambda: nn.BatchNorm1d(6, momentum=None), (8, 6, 3)),
    (lambda: nn.BatchNorm2d(6, momentum=0.3, affine=False), (4, 6, 3, 2)),
    (lambda: nn.BatchNorm3d(6, eps=1e-2), (2, 6, 3, 2, 2)),
    (lambda: nn.InstanceNorm1d(6, affine=True, track_running_stats=True), (4, 6, 5)),
    (lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.3), nn.ReLU(inplace=True), nn.AlphaDropout(0.2)), (8, 6)),
    (lambda: nn.Sequential(nn.Dropout2d(0.5), nn.BatchNorm2d(6)), (4, 6, 3, 2)),
]


def _steps(model: Any, x: Any, compiled: bool) -> list[Any]:
    """Five steps of training, then two in use."""
    # Every kind of layer has something to train.
    scale = nn.Parameter(ingot.ones(()))
    optimizer = ingot.optim.SGD([*model.parameters(), scale], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) * scale).square().mean() + model(x * 0.5).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = ingot.jit(step) if compiled else step
    ingot.manual_seed(3)
    model.train()
    found = [run(x + i).detach().clone() for i in range(5)]
    model.eval()
    call = ingot.jit(lambda x: model(x)) if compiled else model
    found += [call(x).detach().clone() for _ in range(2)]
    assert not compiled or run.stats()["compiles"] <= 2  # type: ignore[attr-defined]
    return [*found, *[t.detach().clone() for t in model.state_dict().values()], ingot.rand(2)]


@pytest.mark.parametrize(("make", "shape"), STATE)
def test_compiled_steps_leave_the_state_of_eager_ones(make: Callable[[], Any], shape: tuple[int, ...]) -> None:
    ingot.manual_seed(0)
    x = ingot.randn(*shape)
    eager = make()
    compiled = copy.deepcopy(eager)
    wanted, found = _steps(eager, x, False), _steps(compiled, x, True)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype is b.dtype
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-6)
    for name, buffer in eager.named_buffers():
        assert buffer.data_ptr() != compiled.get_buffer(name).data_ptr()
        if name.endswith("num_batches_tracked"):
            assert (
                buffer.item() == compiled.get_buffer(name).item() == (0 if isinstance(eager, nn.InstanceNorm1d) else 10)
            )


def test_statistics_are_followed_in_place() -> None:
    layer = nn.BatchNorm1d(3)
    mean, state = layer.running_mean, layer.state_dict()
    assert mean is not None and layer.num_batches_tracked is not None
    x = ingot.randn(10, 3) * 2 + 1
    layer(x)
    assert layer.running_mean is mean and state["running_mean"].equal(mean)
    np.testing.assert_allclose(mean.numpy(), 0.1 * x.mean(0).numpy(), rtol=1e-5)
    np.testing.assert_allclose(state["running_var"].numpy(), 0.9 + 0.1 * x.var(0).numpy(), rtol=1e-5)
    assert layer.num_batches_tracked.item() == 1 and layer.num_batches_tracked.dtype is ingot.int64
    layer.eval()
    layer(x)
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert mean.tolist() == [0, 0, 0] and layer.num_batches_tracked.item() == 0
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    layer.half()
    assert layer.num_batches_tracked.dtype is ingot.int64 and mean.dtype is ingot.float16


def test_states_from_before_batches_were_counted() -> None:
    layer, other = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    state = dict(layer.state_dict())
    del state["num_batches_tracked"]
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"


def test_gradients_flow_through_the_statistics_of_the_batch() -> None:
    x = ingot.randn(5, 2, 3, dtype=ingot.float64, requires_grad=True)
    w = ingot.randn(2, dtype=ingot.float64, requires_grad=True)
    known = w.detach().clone()
    calls: list[Callable[..., Any]] = [
        lambda x, w: functional.batch_norm(x, None, None, w, w, training=True),
        lambda x, w: functional.batch_norm(x, known, known.exp(), w),
        lambda x, w: functional.instance_norm(x, weight=w, bias=w),
        lambda x, w: functional.group_norm(x, 2, w, w),
        lambda x, w: functional.local_response_norm(x, 2) * w.sum(),
        lambda x, w: functional.normalize(x) * w.sum(),
    ]
    for call in calls:
        assert ingot.autograd.gradcheck(call, (x, w))


def test_small_variances_are_bounded_by_eps() -> None:
    x = ingot.full((4, 3), 7.0)
    assert nn.BatchNorm1d(3)(x).abs().max().item() == 0
    assert nn.LayerNorm(3)(x).abs().max().item() == 0


def test_synchronised_normalisation_replaces_the_plain_one() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4, momentum=0.5)))
    weight = model[1][0].weight
    model.eval()
    other = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    layer = other[1][0]  # type: ignore[index]
    assert isinstance(layer, nn.SyncBatchNorm) and layer.weight is weight and not layer.training
    assert layer.momentum == 0.5 and layer(ingot.ones(2, 4)).shape == (2, 4)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: nn.BatchNorm2d(3),
            "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        ),
        (
            lambda: nn.InstanceNorm2d(3),
            "InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)",
        ),
        (lambda: nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"),
        (lambda: nn.LocalResponseNorm(2), "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)"),
        (lambda: nn.EmbeddingBag(4, 3, mode="sum"), "EmbeddingBag(4, 3, mode='sum')"),
        (lambda: nn.Dropout2d(), "Dropout2d(p=0.5, inplace=False)"),
        (lambda: nn.RReLU(), "RReLU(lower=0.125, upper=0.3333333333333333)"),
        (lambda: nn.Bilinear(1, 2, 3), "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)"),
    ],
)
def test_layers_print_as_in_pytorch(make: Callable[[], Any], text: str) -> None:
    assert repr(make()) == text


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.BatchNorm1d(3)(ingot.ones(1, 3)), SpecError, "IG320.*more than 1 value per channel"),
        (lambda: nn.BatchNorm2d(3)(ingot.ones(1, 3)), SpecError, "IG319.*expected 4D input"),
        (lambda: nn.BatchNorm1d(4)(ingot.ones(2, 3)), ShapeError, "IG319.*running_mean should contain 3"),
        (lambda: nn.BatchNorm1d(3)(ingot.ones(2, 3).double()), OperandError, "IG227"),
        (lambda: functional.batch_norm(ingot.ones(2, 3), None, None), OperandError, "IG320"),
        (lambda: functional.group_norm(ingot.ones(2, 3, 2), 2), ShapeError, "IG319"),
        (lambda: functional.dropout3d(ingot.ones(2, 3)), ShapeError, "IG245"),
        (
            lambda: functional.embedding_bag(ingot.tensor([1, 2]), ingot.ones(3, 2), ingot.tensor([1])),
            OperandError,
            "IG321",
        ),
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_embeddings_compiled(mode: str) -> None:
    weight, flat, offsets = ingot.randn(6, 3), ingot.tensor([1, 2, 4, 5, 4, 3]), ingot.tensor([0, 2, 2])

    def call(weight: Any, flat: Any, offsets: Any) -> Any:
        weight.requires_grad_()
        result = functional.embedding_bag(flat, weight, offsets, mode=mode)
        result.square().sum().backward()
        return result, weight.grad

    wanted = call(weight.clone(), flat, offsets)
    found = ingot.jit(call)(weight.clone(), flat, offsets)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert wanted[0][1].tolist() == [0, 0, 0]


def test_random_slopes_and_classes_are_the_same_compiled() -> None:
    x = ingot.randn(5, 7)
    calls: tuple[Callable[[Any], Any], ...] = (
        lambda x: functional.rrelu(x, training=True),
        lambda x: functional.gumbel_softmax(x, hard=True),
        lambda x: functional.feature_alpha_dropout(x, 0.4, training=True),
    )
    for call in calls:
        ingot.manual_seed(4)
        wanted = call(x)
        ingot.manual_seed(4)
        np.testing.assert_allclose(ingot.jit(call)(x).numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_named_sizes(tmp_path: Any) -> None:
    layer = nn.BatchNorm1d(6)

    def m(x: Any) -> Any:
        return layer(x)

    # Traced and compiled for every number of rows.
    assert aot.build(m, tmp_path, specs=["f32[b,6]"], emit=["obj"])
