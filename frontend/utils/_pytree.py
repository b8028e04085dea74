"""Trees of containers under the names that PyTorch's programs use; see `ingot.tree`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ingot import tree as trees
from ingot.tree import TreeDef as TreeSpec


def tree_flatten(tree: Any) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and what `tree_unflatten` needs."""
    return trees.flatten(tree)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The tree with these leaves."""
    return trees.unflatten(leaves, treespec)


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves in order."""
    return trees.leaves(tree)


def tree_structure(tree: Any) -> TreeSpec:
    """The tree without its leaves."""
    return trees.flatten(tree)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """The tree of func(leaf, *leaves of the other trees)."""
    return trees.map(func, tree, *rests)


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """Call the function for every leaf; the tree itself."""
    trees.map(func, tree, *rests)
    return tree


def tree_map_only(kinds: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with func(leaf) for the leaves of these types."""
    return trees.map(lambda leaf: func(leaf) if isinstance(leaf, kinds) else leaf, tree)


def tree_all(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether the predicate holds for all leaves."""
    return all(pred(leaf) for leaf in trees.leaves(tree))


def tree_any(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether the predicate holds for a leaf."""
    return any(pred(leaf) for leaf in trees.leaves(tree))
