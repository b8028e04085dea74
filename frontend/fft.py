"""`ingot.fft`: what needs no complex numbers; transforms come later, with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.complex_numbers import refusing
from ingot.creation import arange
from ingot.functional.arithmetic import div
from ingot.functional.joining import cat, roll
from ingot.runtime.dtypes import DType

if TYPE_CHECKING:
    from ingot.tensor import Tensor

fft, ifft, rfft, irfft, hfft, ihfft = (refusing(f"fft.{n}") for n in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fft2, ifft2, rfft2, irfft2 = (refusing(f"fft.{n}") for n in ("fft2", "ifft2", "rfft2", "irfft2"))
fftn, ifftn, rfftn, irfftn = (refusing(f"fft.{n}") for n in ("fftn", "ifftn", "rfftn", "irfftn"))
hfft2, ihfft2, hfftn, ihfftn = (refusing(f"fft.{n}") for n in ("hfft2", "ihfft2", "hfftn", "ihfftn"))


def fftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """The frequencies of a transform of n samples, d apart: 0, 1, ..., then the negative ones, over n d."""
    half = (n + 1) // 2
    numbers = cat([arange(0, half, device=device), arange(half - n, 0, device=device)])
    frequencies = div(numbers, n * d)
    return frequencies if dtype is None else frequencies.to(dtype)


def rfftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """The frequencies 0, 1, ..., n // 2 over n d."""
    frequencies = div(arange(n // 2 + 1, device=device), n * d)
    return frequencies if dtype is None else frequencies.to(dtype)


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The zero frequency moved to the middle of the dimensions."""
    axes = _axes(input, dim)
    return roll(input, [int(input._layout.shape[a]) // 2 for a in axes], axes)


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    axes = _axes(input, dim)
    return roll(input, [-(int(input._layout.shape[a]) // 2) for a in axes], axes)


def _axes(input: Tensor, dim: Any) -> list[int]:
    if dim is None:
        return list(range(input._layout.ndim))
    return [dim] if isinstance(dim, int) else list(dim)
