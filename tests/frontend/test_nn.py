"""Activations, normalisation, layers and initial values: PyTorch's numbers, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch_golden
from torch_values import data

import ingot
from ingot import nn
from ingot.nn import functional
from ingot.runtime.errors import GradError, ShapeError, SpecError, TraceError

FAMILIES = ("activation", "normalisation", "module")
CASES = {family: torch_golden.cases(family) for family in (*FAMILIES, "init")}
GOLDEN = torch_golden.golden()


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, found in CASES.items() for name in found])
def test_numbers_are_those_of_pytorch(family: str, name: str) -> None:
    found = [torch_golden.summary(t) for t in CASES[family][name](ingot)]
    assert torch_golden.differences(found, GOLDEN[family][name]) == []


@pytest.mark.parametrize(("family", "name"), [(family, name) for family in FAMILIES for name in CASES[family]])
def test_compiled_numbers_are_those_of_pytorch(family: str, name: str) -> None:
    found = torch_golden.compiled(ingot, CASES[family][name], lambda: ingot.manual_seed(3))
    assert torch_golden.differences([torch_golden.summary(t) for t in found], GOLDEN[family][name]) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda x: functional.relu(x, inplace=True),
        lambda x: functional.relu(x, True),
        lambda x: functional.relu_(x),
        lambda x: functional.leaky_relu(x, 0.2, True),
        lambda x: functional.silu(x, inplace=True),
        lambda x: functional.elu(x, inplace=True),
        lambda x: functional.hardtanh(x, inplace=True),
        lambda x: functional.dropout(x, 0.5, inplace=True),
        lambda x: nn.ReLU(inplace=True)(x),
    ],
)
def test_in_place_forms_write_to_their_operand(call: Callable[[Any], Any]) -> None:
    ingot.manual_seed(0)
    x = data(ingot, 3, 4)
    given = x.clone()
    result = call(given)
    assert result is given
    assert not given.equal(x)
    # Gradients flow through the write.
    leaf = x.clone().requires_grad_()
    through = leaf * 1
    call(through).sum().backward()
    assert leaf.grad is not None
    with pytest.raises(GradError, match="leaf Variable that requires grad"):
        call(leaf)


def test_relu_keeps_nan_and_has_no_gradient_at_0() -> None:
    x = ingot.tensor([float("nan"), -1.0, 0.0, 2.0], requires_grad=True)
    y = functional.relu(x)
    assert np.array_equal(y.detach().numpy(), [np.nan, 0, 0, 2], equal_nan=True)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist()[1:] == [0, 0, 1]


@pytest.mark.parametrize("compiled", [False, True])
def test_dropout_keeps_the_mean_and_follows_the_mode(compiled: bool) -> None:
    layer = nn.Dropout(0.25)
    call: Any = ingot.jit(lambda x: layer(x)) if compiled else layer
    ingot.manual_seed(1)
    x = ingot.ones(4000)
    first, second = call(x), call(x)
    for y in (first, second):
        kept = y != 0
        assert abs(kept.float().mean().item() - 0.75) < 0.03
        assert y[kept].sub(4 / 3).abs().max().item() < 1e-6
    assert not first.equal(second)
    layer.eval()
    assert call(x).equal(x)
    layer.train()
    assert not call(x).equal(x)
    layer.p = 1.0
    assert call(x).abs().sum().item() == 0


@pytest.mark.parametrize("shape", [(4, 6), (3, 100), (50, 7), (2, 3, 4, 5)])
def test_compiled_softmax_over_every_dimension(shape: tuple[int, ...]) -> None:
    x = data(ingot, *shape)
    for dim in range(len(shape)):
        compiled = ingot.jit(lambda x, dim: functional.softmax(-x, dim))
        np.testing.assert_allclose(compiled(x, dim).numpy(), functional.softmax(-x, dim).numpy(), atol=1e-6)


def test_dropout_draws_the_same_mask_eager_and_compiled() -> None:
    layer = nn.Dropout(0.4)
    ingot.manual_seed(1)
    wanted = [layer(ingot.ones(30)) for _ in range(3)]
    compiled = ingot.jit(lambda x: layer(x))
    ingot.manual_seed(1)
    assert all(compiled(ingot.ones(30)).equal(w) for w in wanted)


def test_embedding_options() -> None:
    # The numbers are PyTorch 2.13's.
    rows = ingot.tensor([[0, 2], [2, 2]])
    weight = data(ingot, 4, 3).requires_grad_()
    with ingot.no_grad():
        table = weight.clone()
    functional.embedding(rows, table, max_norm=1.0)
    norms = table.norm(dim=1)
    assert norms[[0, 2]].le(1.0).all() and norms[1].item() == pytest.approx(weight.detach().norm(dim=1)[1].item())
    functional.embedding(rows, weight, scale_grad_by_freq=True).sum().backward()
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad.numpy()[:, 0], [1, 0, 1, 0], rtol=1e-6)
    assert nn.Embedding(5, 2, padding_idx=-1).weight[4].tolist() == [0, 0]
    assert not nn.Embedding.from_pretrained(ingot.ones(3, 2)).weight.requires_grad


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Linear(3, 2), "Linear(in_features=3, out_features=2, bias=True)"),
        (lambda: nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)"),
        (lambda: nn.RMSNorm((2, 4)), "RMSNorm((2, 4), eps=None, elementwise_affine=True)"),
        (lambda: nn.Embedding(5, 3, padding_idx=1), "Embedding(5, 3, padding_idx=1)"),
        (lambda: nn.Dropout(0.1), "Dropout(p=0.1, inplace=False)"),
        (lambda: nn.LeakyReLU(0.2, inplace=True), "LeakyReLU(negative_slope=0.2, inplace=True)"),
        (lambda: nn.ReLU(True), "ReLU(inplace=True)"),
        (lambda: nn.ReLU6(), "ReLU6()"),
        (lambda: nn.Hardtanh(-2, 2), "Hardtanh(min_val=-2, max_val=2)"),
        (lambda: nn.GELU("tanh"), "GELU(approximate='tanh')"),
        (lambda: nn.Softmax(1), "Softmax(dim=1)"),
        (lambda: nn.Softplus(), "Softplus(beta=1.0, threshold=20.0)"),
        (lambda: nn.PReLU(3), "PReLU(num_parameters=3)"),
        (lambda: nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (lambda: nn.Unflatten(1, (2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))"),
        (lambda: nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
        (
            lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU()),
            "Sequential(\n  (0): Linear(in_features=3, out_features=2, bias=True)\n  (1): ReLU()\n)",
        ),
        (
            lambda: nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()]),
            "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)",
        ),
    ],
)
def test_layers_print_as_in_pytorch(make: Callable[[], Any], text: str) -> None:
    assert repr(make()) == text


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: functional.layer_norm(ingot.ones(2, 3), (4,)), ShapeError, r"IG245.*\[4\].*\[2, 3\]"),
        (lambda: functional.linear(ingot.ones(2, 3), ingot.ones(4, 5)), ShapeError, r"IG228"),
        (lambda: nn.Dropout(1.5), SpecError, "IG246"),
        (lambda: functional.dropout(ingot.ones(2), -0.1), SpecError, "IG246"),
        (lambda: functional.gelu(ingot.ones(2), "exact"), SpecError, "'exact'"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), AssertionError, "within num_embeddings"),
        (lambda: nn.init.kaiming_uniform_(ingot.ones(3)), SpecError, "IG248"),
        (lambda: nn.init.calculate_gain("step"), SpecError, "'step'"),
        (lambda: nn.init.eye_(ingot.ones(3)), SpecError, "IG248"),
        (lambda: ingot.jit(lambda: nn.init.trunc_normal_(ingot.empty(3)))(), TraceError, "IG18"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_initial_values_leave_the_tape_alone() -> None:
    weight = nn.Parameter(ingot.empty(3, 4))
    for fill in (nn.init.xavier_uniform_, nn.init.orthogonal_, nn.init.zeros_, nn.init.trunc_normal_):
        assert fill(weight) is weight
        assert weight.is_leaf and weight.requires_grad


def test_orthogonal_rows_are_orthonormal() -> None:
    wide, tall = nn.init.orthogonal_(ingot.empty(3, 5), gain=2.0), nn.init.orthogonal_(ingot.empty(5, 3))
    np.testing.assert_allclose((wide @ wide.T).numpy(), 4 * np.eye(3), atol=1e-5)
    np.testing.assert_allclose((tall.T @ tall).numpy(), np.eye(3), atol=1e-5)


@pytest.mark.parametrize("family", torch_golden.FAMILIES)
def test_the_golden_numbers_are_those_of_the_pytorch_here(family: str) -> None:
    torch = pytest.importorskip("torch")
    for name, case in torch_golden.cases(family).items():
        found = [torch_golden.summary(t) for t in case(torch)]
        assert torch_golden.differences(found, torch_golden.golden()[family][name]) == [], name
