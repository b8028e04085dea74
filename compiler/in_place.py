"""Whether a kernel may write a result into the memory of one of its operands."""

from __future__ import annotations

from ingot.compiler.kernel import Contract, For, Index, Kernel, Load, Reduce, Special, Stmt, Store
from ingot.compiler.schedule import expressions, tree


def reads_where_it_writes(kernel: Kernel, operand: int, result: int) -> bool:
    """True when every read of buffer `operand` is at the element that the same iteration writes to result `result`.

    Reads in a later loop than the store's (a later phase of the row) and reads as part of a contraction are refused.
    Statements side by side load an element once, before any of them stores.
    """
    reads = sum(b.access == "read" for b in kernel.buffers)
    target = reads + result
    if kernel.buffers[operand].dtype.itemsize != kernel.buffers[target].dtype.itemsize:
        return False
    (first, *_) = kernel.body or (None,)
    if isinstance(first, Special):  # writes at computed positions start as a copy of the first operand
        return first.op.kind == "index" and operand == 0
    stores: list[tuple[int, Index]] = []
    loads: list[tuple[int, Index]] = []
    position = 0

    def walk(body: tuple[Stmt, ...]) -> bool:
        nonlocal position
        for stmt in body:
            match stmt:
                case Contract(a=a, b=b, epilogue=epilogue):
                    if any(isinstance(e, Load) and e.buffer == operand for side in (a, b) for e in tree(side)):
                        return False
                    if not walk(epilogue):
                        return False
                case For(body=inner) | Reduce(body=inner):
                    position += 1
                    if not walk(inner):
                        return False
                    position += 1
                case _:
                    for expr in expressions(stmt):
                        loads.extend(
                            (position, e.at) for e in tree(expr) if isinstance(e, Load) and e.buffer == operand
                        )
                    if isinstance(stmt, Store) and stmt.buffer == target:
                        stores.append((position, stmt.at))
        return True

    if not walk(kernel.body) or len(stores) != 1:
        return False
    ((written, index),) = stores
    return all(at_position <= written and place == index for at_position, place in loads)
