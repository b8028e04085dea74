"""Trees of Python containers: take one apart into leaves, and put it together again.

Containers are tuple, list, dict, OrderedDict, defaultdict, namedtuple and dataclass instances; everything else is a
leaf, None included. Dict entries keep their insertion order.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from ingot.runtime.errors import SpecError

Path = tuple[Any, ...]


class TreeDef:
    """The shape of a tree without its leaves. Equal trees have equal definitions; `str` shows leaves as `*`."""

    __slots__ = ("_hash", "children", "kind", "meta", "num_leaves")

    def __init__(self, kind: type | None, meta: Any = None, children: tuple[TreeDef, ...] = ()) -> None:
        self.kind = kind
        self.meta = meta
        self.children = children
        self.num_leaves: int = 1 if kind is None else sum(child.num_leaves for child in children)
        self._hash = hash((kind, meta, children))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, TreeDef)
            and self._hash == other._hash
            and self.kind is other.kind
            and self.meta == other.meta
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        inner = [repr(child) for child in self.children]
        if self.kind is list:
            return f"[{', '.join(inner)}]"
        if self.kind is tuple:
            return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
        names = self.meta[1] if self.kind is defaultdict else self.meta
        if issubclass(self.kind, dict):
            return "{" + ", ".join(f"{key!r}: {child}" for key, child in zip(names, inner, strict=True)) + "}"
        fields = ", ".join(f"{name}={child}" for name, child in zip(names, inner, strict=True))
        return f"{self.kind.__name__}({fields})"


LEAF = TreeDef(None)


def is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _open(tree: Any) -> tuple[type, Any, Iterable[Any]] | None:
    """(container type, what identifies it beside its children, the children), or None for a leaf."""
    kind = type(tree)
    if kind is tuple or kind is list:
        return kind, None, tree
    if kind is dict or kind is OrderedDict:
        return kind, tuple(tree), tree.values()
    if kind is defaultdict:
        return kind, (tree.default_factory, tuple(tree)), tree.values()
    if isinstance(tree, tuple) and is_namedtuple(kind):
        return kind, kind._fields, tree
    names = getattr(kind, "__dataclass_fields__", None)
    if names is not None:
        return kind, tuple(names), [getattr(tree, name) for name in names]
    return None


def _close(definition: TreeDef, children: list[Any]) -> Any:
    kind, meta = definition.kind, definition.meta
    if kind is tuple:
        return tuple(children)
    if kind is list:
        return children
    if kind is dict or kind is OrderedDict:
        return kind(zip(meta, children, strict=True))
    if kind is defaultdict:
        return defaultdict(meta[0], zip(meta[1], children, strict=True))
    assert kind is not None
    if is_namedtuple(kind):
        return kind(*children)
    made: Any = object.__new__(kind)
    for name, child in zip(meta, children, strict=True):
        object.__setattr__(made, name, child)
    return made


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """The leaves in order, and the definition that `unflatten` needs."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> TreeDef:
    opened = _open(tree)
    if opened is None:
        leaves.append(tree)
        return LEAF
    kind, meta, children = opened
    return TreeDef(kind, meta, tuple([_flatten(child, leaves) for child in children]))


def unflatten(leaves: Iterable[Any], definition: TreeDef) -> Any:
    """The tree with these leaves. Raises SpecError (IG140) when their number does not fit."""
    given = list(leaves)
    if len(given) != definition.num_leaves:
        raise SpecError("IG140", f"{len(given)} leaves were given for a tree of {definition.num_leaves}: {definition}")
    return _unflatten(iter(given), definition)


def _unflatten(leaves: Any, definition: TreeDef) -> Any:
    if definition.kind is None:
        return next(leaves)
    return _close(definition, [_unflatten(leaves, child) for child in definition.children])


def leaves(tree: Any) -> list[Any]:
    """The leaves in order."""
    return flatten(tree)[0]


def map(fn: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree of `fn(leaf, *leaves of rest)`. Raises SpecError (IG140) unless all trees have one definition."""
    first, definition = flatten(tree)
    columns = [first]
    for other in rest:
        column, other_definition = flatten(other)
        if other_definition != definition:
            raise SpecError("IG140", f"trees differ: {definition} and {other_definition}")
        columns.append(column)
    return _unflatten(iter([fn(*row) for row in zip(*columns, strict=True)]), definition)


class Field(str):
    """A step of a path that is the name of a field."""

    __slots__ = ()


def paths(tree: Any) -> list[tuple[Path, Any]]:
    """(path, leaf) in order; a path holds indices, keys and field names."""
    opened = _open(tree)
    if opened is None:
        return [((), tree)]
    kind, meta, children = opened
    keys: Iterable[Any] = meta[1] if kind is defaultdict else (meta if meta is not None else range(len(tree)))
    if not issubclass(kind, dict) and meta is not None:
        keys = map(Field, meta)
    return [((key, *path), leaf) for key, child in zip(keys, children, strict=True) for path, leaf in paths(child)]


def path_text(root: str, path: Path) -> str:
    """A path as Python source: `batch['x'][0].mask`."""
    return root + "".join(f".{key}" if isinstance(key, Field) else f"[{key!r}]" for key in path)
