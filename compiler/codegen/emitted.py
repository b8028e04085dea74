"""What an emitter says of the kernel function it added to a module."""

from __future__ import annotations

from dataclasses import dataclass

from ingot.compiler.ir import Size


@dataclass(frozen=True)
class Emitted:
    """`void name(ptr frame, i64 lo, i64 hi, i64 thread)` runs units lo..hi of `units`, split into chunks of `grain`.

    `frame` holds one pointer per buffer and then the scratch area, of which each thread has `scratch` bytes.
    `cost` estimates the whole kernel on one thread, in nanoseconds. A kernel that `fails` may store an i32 to the
    address behind the scratch area and the sizes: the program's status (see `ingot.runtime.failures`).
    """

    name: str
    units: Size
    grain: int
    scratch: int
    cost: float
    fails: bool = False
