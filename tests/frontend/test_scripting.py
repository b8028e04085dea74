"""Names beside `jit` and questions about other processes, as programs written for PyTorch use them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import ingot
from ingot import nn

# PyTorch's names are attributes of the function.
JIT: Any = ingot.jit


@JIT.script  # type: ignore[untyped-decorator]
def doubled(x: Any) -> Any:
    return x * 2


class Model(nn.Module):
    @JIT.ignore  # type: ignore[untyped-decorator]
    def size(self) -> int:
        return 3

    @JIT.ignore(drop=True)  # type: ignore[untyped-decorator]
    def options(self) -> int:
        return 4

    @JIT.export  # type: ignore[untyped-decorator]
    def helper(self, x: Any) -> Any:
        return x - 1

    def forward(self, x: Any) -> Any:
        return doubled(x) + (0 if JIT.is_scripting() or JIT.is_tracing() else 1)


def test_names_are_those_of_a_module_too() -> None:
    module = importlib.import_module("ingot.jit")
    for name in ("script", "trace", "ignore", "is_scripting", "Final"):
        assert getattr(module, name) is getattr(JIT, name)
    with pytest.raises(AttributeError, match="no attribute 'scripted'"):
        _ = module.scripted


def test_script_and_trace_give_back_what_they_are_given() -> None:
    x = ingot.ones(2)
    model = Model()
    for made in (JIT.script(model), JIT.trace(model, x), JIT.freeze(model.eval())):
        assert made is model
        assert ingot.jit(made)(x).tolist() == made(x).tolist() == [3, 3]
    assert model.size() == 3 and model.options() == 4 and model.helper(x).tolist() == [0, 0]
    assert JIT.annotate(list[int], [1]) == [1]


def test_a_program_is_one_process() -> None:
    distributed = ingot.distributed
    assert not distributed.is_available() and not distributed.is_initialized()
    assert not distributed.is_nccl_available()
    with pytest.raises(AttributeError, match=r"init_process_group.*one process"):
        distributed.init_process_group("gloo")
