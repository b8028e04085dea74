"""Small libraries written by hand in LLVM text, so that these tests need neither tracing nor passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ingot.compiler.aot import Captured, Function, Library
from ingot.compiler.aot.interface import Weights
from ingot.compiler.codegen import target
from ingot.compiler.dims import Dim, Symbol
from ingot.runtime import dtypes
from ingot.runtime.program import Program, Slot

WEIGHT = np.array([1.5, -2.0, 0.25], np.float32)
BIAS = np.array([0.5, 0.0, -1.0], np.float32)

# out[i, j] = x[i, j] * weight[j] + bias[j] for i < b, j < 3; status 7 when x[0, 0] is negative.
SCALE = """
define i32 @entry(ptr %bufs, ptr %dims, ptr %workspace, ptr %context) {
begin:
  %n = load i64, ptr %dims
  %x = load ptr, ptr %bufs
  %p1 = getelementptr ptr, ptr %bufs, i64 1
  %p2 = getelementptr ptr, ptr %bufs, i64 2
  %p3 = getelementptr ptr, ptr %bufs, i64 3
  %w = load ptr, ptr %p1
  %b = load ptr, ptr %p2
  %out = load ptr, ptr %p3
  %total = mul i64 %n, 3
  %first = load float, ptr %x
  %bad = fcmp olt float %first, 0.0
  br i1 %bad, label %fail, label %head
fail:
  ret i32 7
head:
  %i = phi i64 [ 0, %begin ], [ %next, %body ]
  %more = icmp slt i64 %i, %total
  br i1 %more, label %body, label %done
body:
  %j = urem i64 %i, 3
  %px = getelementptr float, ptr %x, i64 %i
  %pw = getelementptr float, ptr %w, i64 %j
  %pb = getelementptr float, ptr %b, i64 %j
  %po = getelementptr float, ptr %out, i64 %i
  %vx = load float, ptr %px
  %vw = load float, ptr %pw
  %vb = load float, ptr %pb
  %m = fmul float %vx, %vw
  %s = fadd float %m, %vb
  store float %s, ptr %po
  %next = add i64 %i, 1
  br label %head
done:
  ret i32 0
}
"""

# weight += step, through a workspace of 16 bytes; the sum before the update comes back.
STEP = """
define internal void @add(ptr %to, float %v) {
  %old = load float, ptr %to
  %new = fadd float %old, %v
  store float %new, ptr %to
  ret void
}
define i32 @entry(ptr %bufs, ptr %dims, ptr %workspace, ptr %context) {
  %step = load ptr, ptr %bufs
  %p1 = getelementptr ptr, ptr %bufs, i64 1
  %w = load ptr, ptr %p1
  %p3 = getelementptr ptr, ptr %bufs, i64 3
  %sum = load ptr, ptr %p3
  %v = load float, ptr %step
  %w1 = getelementptr float, ptr %w, i64 1
  %w2 = getelementptr float, ptr %w, i64 2
  %a = load float, ptr %w
  %b = load float, ptr %w1
  %c = load float, ptr %w2
  %ab = fadd float %a, %b
  store float %ab, ptr %workspace
  %again = load float, ptr %workspace
  %abc = fadd float %again, %c
  store float %abc, ptr %sum
  call void @add(ptr %w, float %v)
  call void @add(ptr %w1, float %v)
  call void @add(ptr %w2, float %v)
  ret i32 0
}
"""


def slot(name: str, *shape: int | str) -> Slot:
    strides = tuple(int(np.prod([n for n in shape[i + 1 :] if isinstance(n, int)])) for i in range(len(shape)))
    return Slot(name, dtypes.float32, shape, strides)


def program(name: str, inputs: list[Slot], outputs: list[Slot], **rest: Any) -> Program:
    made = Program(name, "entry", b"", "", tuple(inputs), tuple(outputs))
    return Program(**{**vars(made), **rest})


def scale() -> Function:
    inputs = [slot("x", "b", 3), slot("weight", 3), slot("bias", 3)]
    made = program("scale", inputs, [slot("out", "b", 3)], dims=("b",), kernels=("scale",))
    return Function("scale", made, SCALE, {1: "net.weight", 2: "net.bias"}, 0, (Symbol("b", 1, 1000),))


def step() -> Function:
    made = program(
        "step",
        [slot("size"), slot("weight", 3)],
        [slot("weight", 3), slot("sum")],
        aliases=((1, 0),),
        kernels=("sum", "add"),
    )
    return Function("step", made, STEP, {1: "net.weight"}, 16)


def captured() -> tuple[Captured, ...]:
    return (
        Captured("net.weight", dtypes.float32, (3,), WEIGHT.tobytes()),
        Captured("net.bias", dtypes.float32, (3,), BIAS.tobytes()),
    )


def library(*functions: Function, weights: Weights = "inside", on: str = "x86-64-v2", name: str = "net") -> Library:
    return Library(name, target.named(on), functions or (scale(),), captured(), weights)


def doubled() -> Function:
    """As `scale`, with a workspace whose size depends on b."""
    size = Dim("b", 1, 1000)
    return replace(scale(), name="doubled", workspace=size * 8 + 64)
