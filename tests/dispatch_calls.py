"""What the tests of the call path share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingot.runtime import dispatch, dtypes
from ingot.runtime.layout import Layout
from ingot.runtime.specialise import (
    DictGuard,
    ListGuard,
    ScalarGuard,
    Specialisation,
    TensorGuard,
    TupleGuard,
)

VECTOR = Layout.of(dtypes.float64, (3,))
NewCall = Callable[[], dispatch.CallObject]
SlowCalls = list[tuple[tuple[Any, ...], dict[str, Any]]]


def hits(call: dispatch.CallObject, *args: Any) -> bool:
    """Whether a specialisation takes these arguments."""
    return not isinstance(call(*args), str)


def nested(programs: Any, tensor_types: Any) -> Specialisation:
    """(x, [y, {"z": z, "s": scalar}]) -> x + y + z + s."""
    specialisation = Specialisation(programs.sum([(3,), (3,), (3,), ()], 2, 3))
    guards = [TensorGuard(tensor_types[0], VECTOR, i) for i in range(3)]
    inner = DictGuard((("z", guards[2]), ("s", ScalarGuard(3))))
    specialisation.argument(TupleGuard((guards[0], ListGuard((guards[1], inner)))))
    specialisation.output(VECTOR, 1)
    specialisation.output(VECTOR, 0)
    specialisation.result("tuple")
    return specialisation


def writing(programs: Any, tensor_types: Any, owner: Any, **options: Any) -> Specialisation:
    specialisation = Specialisation(programs.sum([(3,)], 2, 3, **options))
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    specialisation.write(owner, "_grad", VECTOR, 1)
    specialisation.output(VECTOR, 0)
    specialisation.result("single")
    return specialisation
