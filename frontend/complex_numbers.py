"""Complex numbers, which come later: names that programs mention, and one error for those who use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line


def refused(what: str) -> DTypeError:
    """What using complex numbers raises."""
    return DTypeError(
        "IG347",
        f"{what}: complex numbers come later",
        where=user_line(),
        fix="real and imaginary parts in two real tensors",
    )


class ComplexDType(DType):
    """A dtype that tensors may be compared with, and cannot have."""

    __slots__ = ()

    is_complex = True

    @property
    def numpy(self) -> Any:
        raise refused(self.name)

    def __reduce__(self) -> tuple[object, ...]:
        return _named, (self.name,)


def _named(name: str) -> DType:
    """Unpickle a dtype."""
    return {"complex32": complex32, "complex64": complex64, "complex128": complex128}[name]


complex32 = ComplexDType("complex32", "c32", 4, "c")
complex64 = ComplexDType("complex64", "c64", 8, "c")
complex128 = ComplexDType("complex128", "c128", 16, "c")


def refusing(name: str) -> Callable[..., Any]:
    """A function that needs complex numbers."""

    def function(*args: Any, **kwargs: Any) -> Any:
        raise refused(name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises DTypeError (IG347): complex numbers come later."
    return function


complex = refusing("complex")
polar = refusing("polar")
view_as_complex = refusing("view_as_complex")
view_as_real = refusing("view_as_real")
stft = refusing("stft")
istft = refusing("istft")
imag = refusing("imag")
