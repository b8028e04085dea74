"""What is kept for derivatives in another form: pairs of functions that pack a tensor and unpack it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingot.core import Array, TensorBase, array_of, new_tensor, type_of
from ingot.modes import modes
from ingot.runtime.errors import GradError
from ingot.source_lines import user_line

# The pairs in force, the last one first in line.
packing: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []


class Packed:
    """Stands where a saved tensor's storage stands."""

    __slots__ = ("content", "type", "unpack")

    def __init__(self, tensor: TensorBase) -> None:
        pack, self.unpack = packing[-1]
        self.type = type_of(tensor)
        before, modes.grad = modes.grad, False
        try:
            self.content = pack(new_tensor(tensor._layout, tensor._storage, tensor._offset))
        finally:
            modes.grad = before

    def tensor(self) -> Any:
        """What unpacking gives. Raises GradError (IG387) for anything but a tensor of the same shape and dtype."""
        before, modes.grad = modes.grad, False
        try:
            made = self.unpack(self.content)
        finally:
            modes.grad = before
        if not isinstance(made, TensorBase) or type_of(made) is not self.type:
            raise GradError(
                "IG387",
                f"unpack_hook was to give back {self.type!r} and gave "
                f"{type_of(made) if isinstance(made, TensorBase) else type(made).__name__!r}",
                where=user_line(),
                fix="an unpack_hook that undoes what pack_hook did",
            )
        return made

    def array(self, layout: Any, offset: int = 0) -> Array:
        """The elements."""
        return array_of(self.tensor())
