"""Prints the largest error of every math function, in units in the last place, as a Markdown table.

f32: every 61st of all 2**32 bit patterns against f64. f64: 2.4 million points against long double, or 1500 per range
against mpmath where NumPy has no long double version. `python tests/benchmarks/ulp.py [--stride 61] [names...]`
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from codegen.accuracy import EDGES, MPMATH, NUMPY, RANGES, SCIPY, Array, mp_errors, pairs, points
from codegen.elementwise import SETS, compile_kernel, ulp_errors

from ingot.compiler.codegen.scalar import Scalar
from ingot.runtime.dtypes import DType, float32, float64

CHUNK = 1 << 21
EXACT = ("floor", "ceil", "round", "trunc", "sqrt", "reciprocal")
Worst = tuple[float, str]


def kernel(name: str, dtype: DType, arity: int) -> Callable[..., Array]:
    def body(scalar: Scalar, *xs: object) -> object:
        return getattr(scalar, name)(*((dtype,) if name == "pow" else ()), *xs)

    target = SETS["host"]
    return compile_kernel(body, (dtype,) * arity, dtype, target, target.lanes(dtype.bits))  # type: ignore[arg-type]


def patterns(stride: int) -> Iterator[Array]:
    yield EDGES.astype(np.float32)
    for start in range(0, 2**32, CHUNK * stride):
        stop = min(start + CHUNK * stride, 2**32)
        yield np.arange(start, stop, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)


def worst_of(chunks: Iterator[tuple[Array, ...]], run: Callable[..., Array], exact: Callable[..., Array]) -> Worst:
    worst = (-1.0, "")
    for inputs in chunks:
        errors = ulp_errors(run(*inputs), exact(*inputs))
        at = int(np.argmax(errors))
        worst = max(worst, (float(errors[at]), ", ".join(f"{x[at]:.9g}" for x in inputs)))
    return worst


def single(name: str, stride: int) -> Worst:
    reference = NUMPY.get(name) or SCIPY[name]
    run = kernel(name, float32, 1)
    return worst_of(((x,) for x in patterns(stride)), run, lambda x: reference(x.astype(np.float64)))


def double(name: str) -> Worst:
    run = kernel(name, float64, 1)
    if name in NUMPY:
        x = points(np.float64, 2_400_000)
        return worst_of(((c,) for c in np.array_split(x, 8)), run, lambda v: NUMPY[name](v.astype(np.longdouble)))
    worst, rng = (-1.0, ""), np.random.default_rng(5)
    for low, high, *_ in RANGES[name]:
        x = rng.uniform(low, high, 1500) if high < 100 else np.exp(rng.uniform(np.log(low), np.log(high), 1500))
        errors = mp_errors(name, x, run(x))
        worst = max(worst, (float(errors.max()), f"{x[int(np.argmax(errors))]:.17g}"))
    return worst


def binary(name: str, dtype: DType) -> Worst:
    function = {"pow": np.power, "atan2": np.arctan2}[name]
    wide = np.float64 if dtype is float32 else np.longdouble
    x, y = pairs(dtype.numpy, 4_000_000)
    chunks = zip(np.array_split(x, 8), np.array_split(y, 8), strict=True)
    return worst_of(chunks, kernel(name, dtype, 2), lambda a, b: function(a.astype(wide), b.astype(wide)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=61, help="every how many-th f32 bit pattern")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or [n for n in [*NUMPY, *MPMATH, "pow", "atan2"] if n not in EXACT]
    print("| function | f32 ULP | at | f64 ULP | at |\n|---|---|---|---|---|", flush=True)
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        for name in names:
            if name in ("pow", "atan2"):
                row = [binary(name, float32), binary(name, float64)]
            else:
                row = [single(name, options.stride), double(name)]
            print(f"| {name} | " + " | ".join(f"{error:.3f} | {at}" for error, at in row) + " |", flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s on {SETS['host'].cpu}")


if __name__ == "__main__":
    main()
