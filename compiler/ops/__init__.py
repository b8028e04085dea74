"""The op table: one row per primitive, a file per kind. Importing the package completes `TABLE`.

Rows are imported from their file: `from ingot.compiler.ops.elementwise import add`.
"""

from ingot.compiler.ops import (
    call,
    contract,
    control,
    cumulative,
    draw,
    elementwise,
    index,
    linalg,
    random,
    reduce,
    require,
    sort,
    source,
    transcendental,
    view,
    window,
)
from ingot.compiler.ops.table import TABLE

__all__ = [
    "TABLE",
    "call",
    "contract",
    "control",
    "cumulative",
    "draw",
    "elementwise",
    "index",
    "linalg",
    "random",
    "reduce",
    "require",
    "sort",
    "source",
    "transcendental",
    "view",
    "window",
]
