"""Products of matrices and vectors."""

from __future__ import annotations

from peer import Case, real

CASES = [
    Case("matmul", lambda T, x, y: x @ y, [real(3, 4), real(4, 5)], dtypes="half"),
    Case("matmul vector", lambda T, x, y: T.matmul(x, y), [real(3, 4), real(4)]),
    Case("matmul batched", lambda T, x, y: x @ y, [real(2, 1, 3, 4), real(5, 4, 2)]),
    Case("matmul empty", lambda T, x, y: x @ y, [real(3, 0), real(0, 5)]),
    Case("mm", lambda T, x, y: T.mm(x, y), [real(3, 4), real(4, 5)]),
    Case("bmm", lambda T, x, y: T.bmm(x, y), [real(2, 3, 4), real(2, 4, 5)]),
    Case.misuse("matmul inner sizes", lambda T, x, y: x @ y, [real(2, 3), real(4, 5)]),
    Case.module("Linear", lambda T: T.nn.Linear(3, 4), [real(5, 3)], dtypes="half"),
    Case.module("Linear no bias", lambda T: T.nn.Linear(3, 4, bias=False), [real(2, 5, 3)]),
]
