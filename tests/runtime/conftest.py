"""A tensor class of their own and small hand-written programs, for the tests of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dispatch_calls import VECTOR, NewCall, SlowCalls

from ingot.runtime import dispatch, dtypes, flags
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import BuildError
from ingot.runtime.executable import Executable
from ingot.runtime.layout import Layout
from ingot.runtime.program import Program, Slot
from ingot.runtime.specialise import Guard, Specialisation, TensorGuard
from ingot.runtime.storage import Storage


class Tensor:
    """Slots as the frontend's tensor has them."""

    __slots__ = ("__weakref__", "_grad", "_layout", "_node", "_offset", "_requires_grad", "_storage")

    def __init__(self, array: np.ndarray[Any, Any], layout: Layout | None = None, offset: int = 0) -> None:
        self._layout = layout or Layout.of(dtypes.from_numpy(array.dtype), array.shape)
        self._storage = Storage.from_numpy(array)
        self._storage.data_ptr()
        self._offset = offset
        self._grad: Any = None
        self._node: Any = None
        self._requires_grad = False

    def numpy(self) -> np.ndarray[Any, Any]:
        return self._storage.array(self._layout, self._offset)


class Parameter(Tensor):
    __slots__ = ()


@lru_cache(maxsize=256)
def _object_code(text: str, triple: str | None = None) -> bytes:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = triple or llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(reloc="pic", codemodel="small", opt=1)
    module = llvm.parse_assembly(text)
    module.triple = triple
    code: bytes = machine.emit_object(module)
    return code


class Programs:
    """Makes programs over float64 vectors: every output is the sum of all inputs, times its number plus one."""

    def slot(self, shape: tuple[int, ...], dtype: DType = dtypes.float64) -> Slot:
        layout = Layout.of(dtype, shape)
        return Slot("x", dtype, layout.shape, layout.strides)

    def code(self, text: str, triple: str | None = None) -> bytes:
        return _object_code(text, triple)

    def sum(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        size: int,
        *,
        aliases: tuple[tuple[int, int], ...] = (),
        status: int = 0,
        cost: float = 0.0,
        workspace: int = 0,
    ) -> Executable:
        """Inputs of `shapes`, () being a scalar that is added to every element; outputs have `size` elements."""
        text = _sum_text([shape == () for shape in shapes], outputs, size, status, workspace)
        program = Program(
            name="sum",
            entry="entry",
            object_code=self.code(text),
            triple="",
            inputs=tuple(self.slot(shape) for shape in shapes),
            outputs=tuple(self.slot((size,)) for _ in range(outputs)),
            aliases=aliases,
            cost=cost,
            workspace_bytes=workspace,
        )
        return Executable(program)


def _sum_text(scalars: list[bool], outputs: int, size: int, status: int, workspace: int) -> str:
    lines = ["define i32 @entry(ptr %bufs, ptr %dims, ptr %work, ptr %ctx) nounwind {", "entry:"]
    for i in range(len(scalars) + outputs):
        lines.append(f"  %cell{i} = getelementptr ptr, ptr %bufs, i64 {i}")
        lines.append(f"  %buf{i} = load ptr, ptr %cell{i}")
    if workspace:
        # Touch the last byte of the workspace and lose the result if it cannot be read back.
        lines.append(f"  %last = getelementptr i8, ptr %work, i64 {workspace - 1}")
        lines.append("  store i8 7, ptr %last")
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [0, %entry], [%i1, %loop]"]
    total = "0.0"
    for i, scalar in enumerate(scalars):
        index = "0" if scalar else "%i"
        lines.append(f"  %at{i} = getelementptr double, ptr %buf{i}, i64 {index}")
        lines.append(f"  %x{i} = load double, ptr %at{i}")
        lines.append(f"  %sum{i} = fadd double {total}, %x{i}")
        total = f"%sum{i}"
    for j in range(outputs):
        lines.append(f"  %y{j} = fmul double {total}, {float(j + 1)}")
        lines.append(f"  %to{j} = getelementptr double, ptr %buf{len(scalars) + j}, i64 %i")
        lines.append(f"  store double %y{j}, ptr %to{j}")
    lines += ["  %i1 = add i64 %i, 1", f"  %more = icmp slt i64 %i1, {size}"]
    lines += ["  br i1 %more, label %loop, label %end", "end:", f"  ret i32 {status}", "}"]
    return "\n".join(lines)


@pytest.fixture
def programs() -> Programs:
    return Programs()


@pytest.fixture
def tensor_types() -> Iterator[tuple[type[Tensor], type[Parameter]]]:
    """Install the tensor class of these tests, and put back whatever was installed."""
    try:
        before = dispatch.installed()
    except BuildError:
        before = None
    defaults = {"_grad": None, "_node": None, "_requires_grad": False}
    slots = {"layout": "_layout", "storage": "_storage", "offset": "_offset"}
    dispatch.install((Tensor, Parameter), Storage, slots, defaults)
    yield Tensor, Parameter
    if before is not None:
        dispatch.install_class(before)


@pytest.fixture(params=["native", "safe"])
def call_path(request: pytest.FixtureRequest, tensor_types: Any) -> Iterator[str]:
    """Run a test through both call paths."""
    with flags.DISPATCH.override(request.param):
        yield request.param


@pytest.fixture
def cache_dir(tmp_path: Path) -> Iterator[Path]:
    """An empty cache of the test's own."""
    with flags.CACHE.override(True), flags.CACHE_DIR.override(tmp_path / "cache"):
        yield tmp_path / "cache"


@pytest.fixture
def slow_calls() -> SlowCalls:
    return []


@pytest.fixture
def new_call(call_path: str, slow_calls: SlowCalls) -> NewCall:
    """Makes compiled functions whose slow path records its arguments and returns "slow"."""

    def slow(*args: Any, **kwargs: Any) -> str:
        slow_calls.append((args, kwargs))
        return "slow"

    return lambda: dispatch.callable(slow, "function")


@pytest.fixture
def tensor(tensor_types: Any) -> Callable[..., Any]:
    def make(*values: float) -> Any:
        return tensor_types[0](np.array(values or (1, 2, 3), np.float64))

    return make


@pytest.fixture
def identity(programs: Any, tensor_types: Any) -> Callable[..., Specialisation]:
    """A specialisation x -> x for a first tensor argument, and further guards that the program does not read."""

    def make(*guards: Guard, **options: Any) -> Specialisation:
        specialisation = Specialisation(programs.sum([(3,)], 1, 3, **options))
        specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
        for guard in guards:
            specialisation.argument(guard)
        specialisation.output(VECTOR, 0)
        specialisation.result("single")
        return specialisation

    return make
