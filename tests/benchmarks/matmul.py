"""Matrix products against the machine's peak: python tests/benchmarks/matmul.py [case ...]

Two threads run their share of the units again and again, with a barrier after each product, inside native code. The
peak is that of independent multiply-adds in the same process. Prints GF/s, the share of the peak, the code's size and
the time to generate and compile it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import threading
import time
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from codegen.contractions import Array, Compiled, machine

from ingot.compiler.codegen.contract import tile_contract
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.codegen.target import Target, host
from ingot.compiler.kernel import Buffer, Contract, Index, Kernel, Load, Name, Store, Tiling
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.objects import load

# A barrier per repetition: arrive, then wait until every thread of this round has.
REPEAT = """
define void @repeat(ptr %frame, i64 %lo, i64 %hi, i64 %thread, i64 %times, ptr %arrived, i64 %threads) {
entry:
  br label %again
again:
  %i = phi i64 [ 0, %entry ], [ %next, %done ]
  %next = add i64 %i, 1
  call void @run(ptr %frame, i64 %lo, i64 %hi, i64 %thread)
  %old = atomicrmw add ptr %arrived, i64 1 seq_cst
  %all = mul i64 %next, %threads
  br label %wait
wait:
  %now = load atomic i64, ptr %arrived seq_cst, align 8
  %there = icmp uge i64 %now, %all
  br i1 %there, label %done, label %wait
done:
  %more = icmp ult i64 %next, %times
  br i1 %more, label %again, label %out
out:
  ret void
}
"""


def matmul(m: int, n: int, k: int, layout: str = "NN", batch: int = 1, dtype: DType = dtypes.float32) -> Kernel:
    a = (("m", 1), ("k", m)) if layout[0] == "T" else (("m", k), ("k", 1))
    b = (("n", k), ("k", 1)) if layout[1] == "T" else (("n", 1), ("k", n))
    total = Name("sum", dtype if dtype.itemsize >= 4 else dtypes.float32)
    store = Store(2, Index((("b", m * n), ("m", n), ("n", 1))), total)
    axes = [((name, size),) for name, size in (("b", batch), ("m", m), ("n", n), ("k", k))]
    loads = Load(0, Index((("b", m * k), *a)), dtype), Load(1, Index((("b", n * k), *b)), dtype)
    contract = Contract("sum", axes[0], axes[1], axes[2], axes[3], *loads, total.dtype, (store,))
    buffers = (Buffer(dtype, "read"), Buffer(dtype, "read"), Buffer(total.dtype, "write"))
    return Kernel("product", buffers, (contract,))


class Repeated:
    """A compiled kernel run by pinned threads."""

    def __init__(self, compiled: Compiled, arrays: list[Array], threads: int) -> None:
        self.compiled, self.threads, self.arrays = compiled, threads, arrays
        text = compiled.text + REPEAT
        self.loaded = load(machine(host()).emit_object(llvm.parse_assembly(text)))
        kinds = [ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_void_p, ctypes.c_int64]
        self.repeat = ctypes.CFUNCTYPE(None, *kinds)(self.loaded.symbols["repeat"])
        self.frame, self.scratch = compiled.frame([a.ctypes.data for a in arrays], threads)

    def run(self, times: int) -> float:
        """Seconds per product."""
        arrived = ctypes.c_int64(0)
        cpus = sorted(os.sched_getaffinity(0))
        cuts = [self.compiled.units * t // self.threads for t in range(self.threads + 1)]
        ends = [0.0] * self.threads

        def work(t: int) -> None:
            os.sched_setaffinity(0, {cpus[t % len(cpus)]})
            at = ctypes.addressof(self.frame)
            self.repeat(at, cuts[t], cuts[t + 1], t, 1, ctypes.addressof(arrived), self.threads)
            start = time.perf_counter()
            arrived_here = ctypes.addressof(second)
            self.repeat(at, cuts[t], cuts[t + 1], t, times, arrived_here, self.threads)
            ends[t] = (time.perf_counter() - start) / times

        second = ctypes.c_int64(0)
        workers = [threading.Thread(target=work, args=(t,)) for t in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return max(ends)


def peak(target: Target, threads: int) -> float:
    """GF/s of independent multiply-adds on this many threads."""
    module = Module(target.triple)
    lanes = target.lanes(32)
    f = Function(module, "spin", [("i64", "times"), ("ptr", "out")], linkage="")

    def body(_: Reg, sums: list[Reg]) -> list[Reg]:
        return [f.intrinsic("fmuladd", s, f.like(s, 0.5), f.like(s, 1.0)) for s in sums]

    sums = f.loop(0, f.params[0], 1, body, [f.const("f32", i, lanes) for i in range(12)], at_least_once=True)
    total = sums[0]
    for s in sums[1:]:
        total = f.add(total, s)
    f.store(total, f.params[1])
    f.finish()
    loaded = load(machine(target).emit_object(llvm.parse_assembly(module.text())))
    spin = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(loaded.symbols["spin"])
    times, best = 1_000_000, 0.0
    cpus = sorted(os.sched_getaffinity(0))

    def work(t: int, out: list[float]) -> None:
        os.sched_setaffinity(0, {cpus[t % len(cpus)]})
        room = np.zeros(64, np.float32)
        start = time.perf_counter()
        spin(times, room.ctypes.data)
        out[t] = 2 * 12 * lanes * times / (time.perf_counter() - start) / 1e9

    for _ in range(3):
        rates = [0.0] * threads
        workers = [threading.Thread(target=work, args=(t, rates)) for t in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, sum(rates))
    return best


CASES = [
    "16x16x16",
    "32x32x32",
    "64x64x64",
    "128x128x128",
    "256x256x256",
    "512x512x512",
    "1024x1024x1024",
    "2048x2048x2048",
    "32x512x784",
    "784x512x32 TN",
    "32x784x512 NT",
    "1x512x784",
    "1x512x784 NT",
    "1x4096x4096",
    "1x4096x4096 NT",
    "48x64x32x64",
    "48x64x64x32 NT",
    "1000x16x16x16",
    "512x512x512 TN",
    "512x512x512 NT",
    "512x512x512 TT",
]


def describe(tiling: Tiling) -> str:
    marks = [name for name in ("pack_a", "pack_b", "transposed", "dot") if getattr(tiling, name)]
    return f"{tiling.rows}x{tiling.columns} k{tiling.depth} {tiling.grid} {' '.join(marks)}"


def measure(case: str, threads: int, top: float, slots: int, dtype: DType) -> None:
    sizes, _, layout = case.partition(" ")
    *batch, m, n, k = map(int, sizes.split("x"))
    kernel = matmul(m, n, k, layout or "NN", batch[0] if batch else 1, dtype)
    (contract,) = kernel.body
    assert isinstance(contract, Contract)
    start = time.perf_counter()
    tiling = tile_contract(contract, host()).tiling
    model = time.perf_counter() - start
    start = time.perf_counter()
    compiled = Compiled(kernel, host())
    build = time.perf_counter() - start
    rng = np.random.default_rng(0)
    b = batch[0] if batch else 1
    spans = (b * m * k, b * n * k, b * m * n)
    arrays = [
        rng.standard_normal(s).astype(np.float32).astype(buffer.dtype.numpy)
        for s, buffer in zip(spans, kernel.buffers, strict=True)
    ]
    flops = 2.0 * b * m * n * k
    used = min(threads, compiled.units)
    repeated = Repeated(compiled, arrays, used)
    once = repeated.run(3)
    times = max(3, int(0.01 / max(once, 1e-8)))
    rates = sorted(flops / repeated.run(times) / 1e9 for _ in range(slots))
    alone = flops / Repeated(compiled, arrays, 1).run(times) / 1e9
    assert tiling is not None
    typical = rates[len(rates) // 2]
    print(
        f"{case:20} {typical:7.1f} GF ({rates[-1]:.1f})  {typical / top:5.2f} of peak  1 thread {alone:6.1f}"
        f"  {flops / typical / 1e3:9.2f} us  model {compiled.emitted.cost / 1e3:8.2f} us  {len(compiled.object):6} B"
        f"  tile {model * 1e3:.1f} + build {build * 1e3:.1f} ms  {describe(tiling)} units {compiled.units}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--threads", type=int, default=host().cores)
    parser.add_argument("--slots", type=int, default=7)
    parser.add_argument("--dtype", default="f32")
    options = parser.parse_args()
    top = peak(host(), options.threads)
    print(f"peak {top:.0f} GF on {options.threads} threads")
    for case in options.cases:
        measure(case, options.threads, top, options.slots, dtypes.by_short(options.dtype))


if __name__ == "__main__":
    main()
