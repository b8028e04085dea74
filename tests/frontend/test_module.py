"""Modules: attributes, walking, state, hooks, modes, and what compiled code notices of them."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.runtime.errors import TraceError


class Block(nn.Module):
    """A layer, a buffer that counts, and a switch."""

    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.scale = nn.Parameter(ingot.ones(size))
        self.register_buffer("calls", ingot.zeros(()))
        self.register_buffer("mask", ingot.ones(size), persistent=False)
        self.negate = False

    def forward(self, x: Any) -> Any:
        self.calls += 1
        y = self.linear(x) * self.scale * self.mask
        return -y if self.negate else y


def net() -> nn.Sequential:
    return nn.Sequential(OrderedDict(first=Block(), second=nn.Sequential(nn.ReLU(), Block())))


# ---- attributes


def test_attributes_are_registered_by_what_they_are() -> None:
    block = Block()
    assert [name for name, _ in block.named_parameters()] == ["scale", "linear.weight", "linear.bias"]
    assert [name for name, _ in block.named_buffers()] == ["calls", "mask"]
    assert [name for name, _ in block.named_children()] == ["linear"]
    assert isinstance(block.scale, nn.Parameter) and block.scale.requires_grad and block.scale.is_leaf
    assert {"scale", "calls", "linear", "negate"} <= set(dir(block))
    block.linear = nn.Identity()  # type: ignore[assignment]
    assert [name for name, _ in block.named_parameters()] == ["scale"]
    block.scale = None  # type: ignore[assignment]
    assert list(block.parameters()) == []
    del block.calls
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'calls'"):
        _ = block.calls


def test_what_cannot_be_registered() -> None:
    block = Block()
    with pytest.raises(TypeError, match=r"cannot assign 'Tensor' as parameter 'scale' \(nn.Parameter or None"):
        block.scale = ingot.ones(3)  # type: ignore[assignment]
    with pytest.raises(TypeError, match="as child module 'linear'"):
        block.linear = 3  # type: ignore[assignment]
    with pytest.raises(TypeError, match="as buffer 'calls'"):
        block.calls = 3
    with pytest.raises(TypeError, match="is not a Module subclass"):
        block.register_module("other", 3)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="dot"):
        block.register_buffer("a.b", ingot.ones(1))
    with pytest.raises(KeyError, match="already exists"):
        block.register_parameter("forward", None)

    class Late(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(ingot.ones(1))

    with pytest.raises(AttributeError, match=r"before Module\.__init__"):
        Late()
    with pytest.raises(NotImplementedError, match='missing the required "forward" function'):
        nn.Module()(1)


def test_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert len(list(model.parameters())) == 3
    assert len(list(model.named_parameters(remove_duplicate=False))) == 4
    assert set(model.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


# ---- walking and changing


def test_walking() -> None:
    model = net()
    assert [path for path, _ in model.named_modules()] == [
        "",
        "first",
        "first.linear",
        "second",
        "second.0",
        "second.1",
        "second.1.linear",
    ]
    assert model.get_submodule("second.1") is model.second[1]
    assert model.get_parameter("second.1.scale") is model.second[1].scale
    assert model.get_buffer("first.mask") is model.first.mask
    with pytest.raises(AttributeError, match="has no attribute `third`"):
        model.get_submodule("third")
    visited: list[str] = []
    assert model.apply(lambda module: visited.append(type(module).__name__)) is model
    assert visited[-1] == "Sequential" and visited.count("Block") == 2


def test_dtypes_change_in_place() -> None:
    block = Block()
    weight, count = block.linear.weight, block.calls
    assert block.double() is block
    assert block.linear.weight is weight and weight.dtype is ingot.float64
    assert count.dtype is ingot.float64
    assert block(ingot.ones(2, 3, dtype=ingot.float64)).dtype is ingot.float64
    assert block.to("cpu").to(dtype=ingot.float32).scale.dtype is ingot.float32
    assert block.half().scale.dtype is ingot.float16
    assert block.bfloat16().float().scale.dtype is ingot.float32


def test_gradients_are_forgotten_or_zeroed() -> None:
    block = Block()
    block(ingot.ones(2, 3)).sum().backward()
    block.zero_grad(set_to_none=False)
    assert block.scale.grad is not None and block.scale.grad.tolist() == [0, 0, 0]
    block.zero_grad()
    assert block.scale.grad is None
    block.requires_grad_(False)
    assert not block(ingot.ones(2, 3)).requires_grad


def test_modes_reach_everything_below() -> None:
    model = net()
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.train()
    assert all(module.training for module in model.modules())


def test_copies_are_independent() -> None:
    model = net()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(other) is type(model)
        assert isinstance(other.first.scale, nn.Parameter) and other.first.scale.requires_grad
        with ingot.no_grad():
            other.first.scale.add_(1)
        assert model.first.scale.tolist() == [1, 1, 1]
        assert other(ingot.ones(1, 3)).shape == (1, 3)


# ---- state


def test_state_goes_around() -> None:
    model, other = net(), net()
    state = model.state_dict()
    assert list(state)[:4] == ["first.scale", "first.calls", "first.linear.weight", "first.linear.bias"]
    assert "first.mask" not in state
    assert not state["first.scale"].requires_grad and model.state_dict(keep_vars=True)["first.scale"].requires_grad
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    x = ingot.rand(2, 3)
    assert other(x).equal(model(x))
    # The dictionary shares memory with the model; loading copies.
    with ingot.no_grad():
        model.first.scale.fill_(5)
    assert state["first.scale"].tolist() == [5, 5, 5]
    assert other.first.scale.tolist() == [1, 1, 1]


def test_state_that_does_not_fit() -> None:
    model = net()
    state = model.state_dict()
    state["extra"] = ingot.ones(1)
    del state["first.scale"]
    state["first.linear.bias"] = ingot.ones(4)
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(state)
    text = str(caught.value)
    assert "Error(s) in loading state_dict for Sequential:" in text
    assert 'Unexpected key(s) in state_dict: "extra". ' in text
    assert 'Missing key(s) in state_dict: "first.scale". ' in text
    assert "size mismatch for first.linear.bias: copying a param with shape ingot.Size([4])" in text
    del state["first.linear.bias"]
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["first.scale", "first.linear.bias"] and unexpected == ["extra"]


def test_state_can_be_taken_over_without_a_copy() -> None:
    block, weight = Block(), ingot.full((3,), 7.0)
    kept = block.scale
    block.load_state_dict({**block.state_dict(), "scale": weight}, assign=True)
    assert block.scale is not kept and isinstance(block.scale, nn.Parameter) and block.scale.requires_grad
    weight.add_(1)
    assert block.scale.tolist() == [8, 8, 8]


# ---- hooks


def test_hooks_see_and_change_what_goes_through() -> None:
    layer = nn.Identity()
    seen: list[Any] = []
    first = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    second = layer.register_forward_hook(lambda module, args, result: seen.append(result.item()))
    third = layer.register_forward_hook(lambda module, args, result: result * 10, prepend=True)
    assert layer(ingot.tensor(1.0)).item() == 20
    assert seen == [20.0]
    for handle in (first, third):
        handle.remove()
    assert layer(ingot.tensor(1.0)).item() == 1
    with second:
        pass
    layer(ingot.tensor(2.0))
    assert seen == [20.0, 1.0]


def test_hooks_with_keywords() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return x * factor

    layer = Scaled()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": 3.0}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, result: result + kwargs["factor"], with_kwargs=True)
    assert layer(ingot.tensor(2.0)).item() == 9


# ---- compiled


def test_compiled_code_updates_buffers() -> None:
    block = Block()
    call = ingot.jit(lambda x: block(x))
    x = ingot.rand(2, 3)
    for _ in range(3):
        found = call(x)
    assert block.calls.item() == 3
    np.testing.assert_allclose(found.detach().numpy(), block(x).detach().numpy(), rtol=1e-6)
    assert call.stats()["compiles"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda block: setattr(block, "negate", True),
        lambda block: setattr(block, "linear", nn.Identity()),
        lambda block: setattr(block, "scale", nn.Parameter(ingot.full((3,), 2.0))),
        lambda block: setattr(block, "mask", ingot.zeros(3)),
        lambda block: block.register_forward_hook(lambda module, args, result: result + 1),
        lambda block: block.scale.data.mul_(3),
        lambda block: block.double().float(),
        lambda block: block.load_state_dict({**block.state_dict(), "scale": ingot.ones(3) * 4}),
        lambda block: block.load_state_dict({**block.state_dict(), "scale": ingot.ones(3) * 4}, assign=True),
    ],
)
def test_compiled_code_is_never_stale(change: Any) -> None:
    block = Block()
    call = ingot.jit(lambda x: block(x))
    x = ingot.rand(2, 3)
    call(x)
    call(x)
    change(block)
    np.testing.assert_allclose(call(x).detach().numpy(), block(x).detach().numpy(), rtol=1e-6)


def test_modes_are_compiled_once_each() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    call = ingot.jit(lambda x: model(x))
    for _ in range(3):
        model.train()
        call(ingot.ones(2, 3))
        model.eval()
        call(ingot.ones(2, 3))
    assert call.stats()["compiles"] == 2


def test_values_know_the_module_they_come_from() -> None:
    model = net()

    def call(x: Any) -> Any:
        return model(x)

    paths = {v.location.scope for v in ingot.jit(call).graph(ingot.ones(2, 3)).values if v.location is not None}
    assert "model.second[1].linear" in paths


def test_python_state_changed_while_tracing_is_an_error() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def forward(self, x: Any) -> Any:
            self.count += 1
            return x * self.count

    layer = Counting()
    with pytest.raises(TraceError, match=r"IG189.*count[\s\S]*register_buffer"):
        ingot.jit(lambda x: layer(x))(ingot.ones(2))


def test_a_traced_tensor_assigned_to_a_buffer_is_written_to_it() -> None:
    class Average(nn.Module):
        mean: ingot.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", ingot.zeros(3))

        def forward(self, x: Any) -> Any:
            self.mean = self.mean * 0.5 + x.mean(0) * 0.5
            return x - self.mean

    eager, compiled = Average(), Average()
    call = ingot.jit(lambda x: compiled(x))
    for _ in range(3):
        x = ingot.rand(4, 3)
        np.testing.assert_allclose(call(x).numpy(), eager(x).numpy(), atol=1e-6)
    np.testing.assert_allclose(compiled.mean.numpy(), eager.mean.numpy(), atol=1e-6)


# ---- containers


def test_sequential_is_a_sequence() -> None:
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU()
    model = nn.Sequential(a, b).append(c)
    assert len(model) == 3 and model[-1] is c and list(model) == [a, b, c] and b in model
    model.insert(1, d)
    assert list(model) == [a, d, b, c] and list(dict(model.named_children())) == ["0", "1", "2", "3"]
    del model[0]
    assert list(model) == [d, b, c]
    assert model.pop(-1) is c
    model[0] = a
    assert list(model[1:]) == [b] and isinstance(model[:1], nn.Sequential)
    assert list(model + nn.Sequential(c)) == [a, b, c]
    model += [d]
    assert list(model) == [a, b, d]
    with pytest.raises(IndexError):
        _ = model[5]


def test_lists_and_dicts_of_modules_and_parameters() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
    layers.extend([nn.Tanh()])
    assert len(layers[:2]) == 2 and isinstance(layers[:2], nn.ModuleList)
    assert len(layers + nn.ModuleList([nn.ReLU()])) == 4
    assert "0.weight" in layers.state_dict()
    named = nn.ModuleDict({"a": nn.Linear(2, 2)})
    named["b"] = nn.ReLU()
    named.update([("c", nn.Tanh())])
    assert list(named) == ["a", "b", "c"] and "b" in named and len(named.items()) == 3  # type: ignore[arg-type]
    assert isinstance(named.pop("b"), nn.ReLU) and list(named.keys()) == ["a", "c"]
    parameters = nn.ParameterList([ingot.ones(2), nn.Parameter(ingot.zeros(1))])
    assert len(parameters) == 2 and all(isinstance(p, nn.Parameter) for p in parameters)
    table = nn.ParameterDict({"w": ingot.ones(2)})
    assert table["w"].requires_grad and list(table.state_dict()) == ["w"]


# ---- state with versions and hooks


def test_names_that_are_taken_cannot_be_registered() -> None:
    block = Block()
    for register in (block.register_parameter, block.register_buffer, block.register_module):
        with pytest.raises(KeyError, match="attribute 'negate' already exists"):
            register("negate", None)
    with pytest.raises(KeyError, match="attribute 'scale' already exists"):
        block.register_buffer("scale", ingot.ones(1))
    # Assigning replaces.
    block.negate = nn.Parameter(ingot.ones(1))  # type: ignore[assignment]
    assert "negate" in dict(block.named_parameters()) and "negate" not in block.__dict__


def test_training_modes_that_are_overridden_are_called() -> None:
    class Frozen(nn.Module):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    model = nn.Sequential(Frozen(), nn.ReLU()).train()
    assert [module.training for module in model] == [False, True]


def test_hooks_of_backward_see_and_change_gradients() -> None:
    seen: list[Any] = []
    layer = nn.Linear(2, 1, bias=False)
    with ingot.no_grad():
        layer.weight.fill_(3.0)
    layer.register_full_backward_hook(lambda m, into, out: seen.append((into[0].tolist(), out[0].tolist())))
    layer.register_full_backward_pre_hook(lambda m, out: (out[0] * 2,))
    x = ingot.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [([[6.0, 6.0]], [[2.0]])]
    assert x.grad is not None and x.grad.tolist() == [[6, 6]]
    assert layer.weight.grad is not None and layer.weight.grad.tolist() == [[2, 2]]


def test_hooks_of_backward_are_compiled() -> None:
    layer = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    layer[1].register_full_backward_hook(lambda m, into, out: (into[0] * 10,))

    def step(x: Any) -> Any:
        x = x.detach().requires_grad_()
        layer(x).sum().backward()
        return x.grad

    x = ingot.rand(3, 2)
    np.testing.assert_allclose(ingot.jit(step)(x).numpy(), step(x).numpy(), rtol=1e-5)


def test_hooks_are_called_when_forward_fails() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    seen: list[Any] = []
    layer = Broken()
    layer.register_forward_hook(lambda *_: seen.append("plain"))
    layer.register_forward_hook(lambda *_: seen.append("always"), always_call=True)
    with pytest.raises(ValueError, match="no"):
        layer(1)
    assert seen == ["always"]


def test_hooks_of_all_modules() -> None:
    seen: list[str] = []
    model = nn.Sequential(nn.ReLU(), nn.Tanh())
    with nn.modules.module.register_module_forward_hook(lambda m, args, out: seen.append(type(m).__name__)):
        model(ingot.ones(1))
    model(ingot.ones(1))
    assert seen == ["ReLU", "Tanh", "Sequential"]
    # Compiled code notices them.
    call = ingot.jit(lambda x: model(x))
    plain = call(ingot.ones(1)).item()
    with nn.modules.module.register_module_forward_hook(lambda m, args, out: out + 1):
        assert call(ingot.ones(1)).item() != plain
    assert call(ingot.ones(1)).item() == plain


def test_a_module_compiles_itself() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    other = copy.deepcopy(model)
    model.compile(mode="max-autotune", fullgraph=True)
    for _ in range(3):
        x = ingot.rand(4, 2)
        np.testing.assert_allclose(model(x).detach().numpy(), other(x).detach().numpy(), atol=1e-6)
    assert model[1].num_batches_tracked.item() == 3
    assert pickle.loads(pickle.dumps(model))[1].num_batches_tracked.item() == 3


def test_places_of_pytorch() -> None:
    assert nn.modules.batchnorm._BatchNorm in nn.BatchNorm2d.__mro__
    assert nn.modules.utils._pair(3) == (3, 3) and nn.modules.utils._triple((1, 2, 3)) == (1, 2, 3)
    assert nn.modules.linear.Linear is nn.Linear and nn.modules.Module is nn.Module


def test_one_device_is_parallel_enough() -> None:
    layer = nn.Linear(2, 1)
    model = nn.DataParallel(layer)
    x = ingot.rand(3, 2)
    assert model.module is layer and model(x).equal(layer(x))
    assert nn.parallel.data_parallel(layer, (x,)).equal(layer(x))
    assert list(model.state_dict()) == ["module.weight", "module.bias"]


def test_a_module_without_forward_says_so() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"IG348.*Module \[Empty\] is missing the required \"forward\""):
        Empty()(1)
