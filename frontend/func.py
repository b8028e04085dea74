"""Functions of functions: derivatives (`grad`, `vjp`, `jvp`, `jacrev`, ...) and `vmap`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ingot import tree
from ingot.autograd import walk
from ingot.core import TensorBase, type_of, version_of
from ingot.creation import zeros
from ingot.functional.conversion import clone
from ingot.functional.joining import stack
from ingot.functional.shaping import unbind
from ingot.gate import detached
from ingot.modes import modes, no_grad
from ingot.nn.utils.stateless import functional_call as functional_call
from ingot.rng import default_generator, get_rng_state, set_rng_state
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tape import Node, edge_of, needs_grad
from ingot.tensor import Tensor


def value_and_grad(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """The function that computes (fn(*args), gradient with respect to the arguments `argnums`).

    Arguments may be trees of tensors; gradients have the same trees. `has_aux`: fn returns (value, anything).
    Raises GradError (IG318) unless the value is a floating scalar.
    """

    @functools.wraps(fn)
    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        given = list(args)
        leaves: list[list[Any]] = []
        trees: list[Any] = []
        for position in positions:
            flat, definition = tree.flatten(given[position])
            inside = [_inside(leaf) for leaf in flat]
            leaves.append(inside)
            trees.append(definition)
            given[position] = tree.unflatten(inside, definition)
        before, modes.grad = modes.grad, True
        try:
            result = fn(*given, **kwargs)
            value = result[0] if has_aux else result
            inside = [leaf for group in leaves for leaf in group]
            gradients = _gradients(value, inside, fn, before)
        finally:
            modes.grad = before
        split = iter(gradients)
        found = tuple(tree.unflatten([next(split) for _ in group], d) for group, d in zip(leaves, trees, strict=True))
        answer = found[0] if isinstance(argnums, int) else found
        return tree.map(lambda leaf: _outside(leaf, inside), result), answer

    return evaluate


def grad(fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of a scalar function; see `value_and_grad`."""
    both = value_and_grad(fn, argnums, has_aux)

    @functools.wraps(fn)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return evaluate


def _inside(leaf: Any) -> Any:
    """The argument as the function sees it: on the tape here, and linked to the caller's tape."""
    if not isinstance(leaf, TensorBase) or not leaf._layout.dtype.is_floating_point:
        return leaf
    if needs_grad(leaf):
        return clone(leaf)  # type: ignore[arg-type]
    made = detached(leaf)
    made._requires_grad = True
    return made


def _outside(leaf: Any, inside: list[Any]) -> Any:
    """A result without the tape of this derivative, unless the caller's runs through it."""
    if not isinstance(leaf, TensorBase) or not needs_grad(leaf) or _reaches_others(leaf, inside):
        return leaf
    return detached(leaf)


def _reaches_others(tensor: TensorBase, inside: list[Any]) -> bool:
    """Whether a gradient flows to leaves besides those of this derivative."""
    own = {id(leaf) for leaf in inside}
    edge = edge_of(tensor)
    if not isinstance(edge, Node):
        return id(edge) not in own
    edges = (e for node in walk.ordered([edge]) for e in node.edges)
    return any(e is not None and not isinstance(e, Node) and id(e) not in own for e in edges)


def _gradients(value: Any, leaves: list[Any], fn: Callable[..., Any], recorded: bool) -> list[Any]:
    if not isinstance(value, TensorBase) or value._layout.shape != () or not value._layout.dtype.is_floating_point:
        what = repr(type_of(value)) if isinstance(value, TensorBase) else type(value).__name__
        raise GradError(
            "IG318",
            f"grad needs a floating scalar, and {getattr(fn, '__name__', 'the function')} returned {what}",
            where=user_line(),
            fix="return loss.sum() or loss.mean()",
        )
    tensors = [leaf for leaf in leaves if isinstance(leaf, TensorBase) and leaf._layout.dtype.is_floating_point]
    if not needs_grad(value):
        return [_zeros(leaf) for leaf in leaves]
    create = recorded and _reaches_others(value, leaves)
    found = iter(walk.grad(value, tensors, create_graph=create, allow_unused=True, materialize_grads=True))
    wanted = {id(t) for t in tensors}
    return [next(found) if id(leaf) in wanted else None for leaf in leaves]


def _zeros(leaf: Any) -> Any:
    if not isinstance(leaf, TensorBase) or not leaf._layout.dtype.is_floating_point:
        return None
    zero: Tensor = detached(leaf) * 0
    return zero


def grad_and_value(
    func: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """As `value_and_grad`, with the gradient first."""
    both = value_and_grad(func, argnums, has_aux)

    @functools.wraps(func)
    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return evaluate


class _Call:
    """A call on arguments that are on the tape here; `rows` are the tensors among them that derivatives are by."""

    def __init__(self, fn: Callable[..., Any], args: Sequence[Any], positions: Sequence[int], has_aux: bool) -> None:
        given, self.leaves, self.trees = list(args), list[list[Any]](), list[Any]()
        for position in positions:
            flat, definition = tree.flatten(given[position])
            self.leaves.append([_inside(leaf) for leaf in flat])
            self.trees.append(definition)
            given[position] = tree.unflatten(self.leaves[-1], definition)
        self.inside = [leaf for group in self.leaves for leaf in group]
        self.recorded, modes.grad = modes.grad, True
        try:
            made = fn(*given)
        finally:
            modes.grad = self.recorded
        self.result: Any = made[0] if has_aux else made
        self.aux: Any = made[1] if has_aux else None
        self.outputs, self.output_tree = tree.flatten(self.result)

    def create(self) -> bool:
        """Whether the caller's tape runs through the derivatives."""
        ends = [t for t in self.outputs if isinstance(t, TensorBase) and needs_grad(t)]
        return self.recorded and any(_reaches_others(t, self.inside) for t in ends)

    def pull_back(self, cotangents: Sequence[Any], create: bool) -> list[Any]:
        """The gradients of all leaves, zeros where there are none and None for what is no floating tensor."""
        before, modes.grad = modes.grad, True
        try:
            wrt = [leaf for leaf in self.inside if _floats(leaf)]
            ends = [(t, ct) for t, ct in zip(self.outputs, cotangents, strict=True) if ct is not None and needs_grad(t)]
            found: Any = [None] * len(wrt)
            if ends:
                outputs, given = zip(*ends, strict=True)
                found = walk.grad(outputs, wrt, given, True, create, allow_unused=True)
            filled = iter([detached(t) * 0 if g is None else g for t, g in zip(wrt, found, strict=True)])
            return [next(filled) if _floats(leaf) else None for leaf in self.inside]
        finally:
            modes.grad = before

    def as_arguments(self, values: Sequence[Any], single: bool) -> Any:
        """One value per leaf in the trees of the arguments."""
        split = iter(values)
        found = tuple(tree.unflatten([next(split) for _ in g], d) for g, d in zip(self.leaves, self.trees, strict=True))
        return found[0] if single else found

    def shown(self, value: Any) -> Any:
        """A result without the tape of this call."""
        return tree.map(lambda leaf: _outside(leaf, self.inside), value)


def _floats(value: Any) -> bool:
    return isinstance(value, TensorBase) and value._layout.dtype.is_floating_point


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(func(*primals), the function from cotangents of the result to those of the primals)[, aux].

    Cotangents have the result's tree, shapes and dtypes. Raises GradError (IG318) for other trees.
    """
    call = _Call(func, primals, range(len(primals)), has_aux)

    def pull_back(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, definition = tree.flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        if definition != call.output_tree and len(given) != len(call.outputs):
            raise GradError(
                "IG318",
                f"the cotangents have {len(given)} leaves, and the result of {_name(func)} has {len(call.outputs)}",
                where=user_line(),
            )
        reaching = modes.grad and any(isinstance(ct, TensorBase) and needs_grad(ct) for ct in given)
        return call.as_arguments(call.pull_back(given, call.create() or reaching), False)

    shown = call.shown(call.result)
    return (shown, pull_back, call.shown(call.aux)) if has_aux else (shown, pull_back)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """(func(*primals), the derivative of the result along the tangents)[, aux]: a vjp differentiated by its cotangent.

    `tangents` has the tree of `primals`. Raises GradError (IG318) for another one.
    """
    given, definition = tree.flatten(tangents)
    if definition != tree.flatten(primals)[1]:
        raise GradError("IG318", "jvp: primals and tangents have different trees", where=user_line())
    call = _Call(func, primals, range(len(primals)), has_aux)
    before, modes.grad = modes.grad, True
    try:
        probes = [(detached(t) * 0).requires_grad_() if _floats(t) else None for t in call.outputs]
        slopes = call.pull_back(probes, True)
        ends = [(s, t) for s, t in zip(slopes, given, strict=True) if s is not None and needs_grad(s)]
        wrt = [probe for probe in probes if probe is not None]
        found: Any = [None] * len(wrt)
        if ends and wrt:
            outputs, along = zip(*ends, strict=True)
            reaching = any(isinstance(t, TensorBase) and needs_grad(t) for t in along)
            create = call.create() or (call.recorded and reaching)
            found = walk.grad(outputs, wrt, along, True, create, allow_unused=True)
        parts = iter([detached(p) * 0 if g is None else g for p, g in zip(wrt, found, strict=True)])
        flat = [next(parts) if probe is not None else None for probe in probes]
    finally:
        modes.grad = before
    shown, moved = call.shown(call.result), tree.unflatten(flat, call.output_tree)
    return (shown, moved, call.shown(call.aux)) if has_aux else (shown, moved)


def jacrev(
    func: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes the Jacobian: for each tensor of the result, in the result's tree, one tensor of shape
    (*result.shape, *argument.shape) per tensor of the arguments `argnums`, in their trees."""
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(func)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        call = _Call(functools.partial(func, **kwargs), args, positions, has_aux)
        create = call.create()
        blocks = [call.as_arguments(_rows(call, i, create), isinstance(argnums, int)) for i in range(len(call.outputs))]
        found = tree.unflatten(blocks, call.output_tree)
        return (found, call.shown(call.aux)) if has_aux else found

    return evaluate


def _rows(call: _Call, number: int, create: bool) -> list[Any]:
    """The derivatives of one output, per leaf."""
    output = call.outputs[number]
    shape, count = tuple(output._layout.shape), output._layout.numel
    rows = []
    for i in range(count):
        seed = zeros(count, dtype=output.dtype)
        with no_grad():
            seed[i] = 1
        cotangents = [seed.view(shape) if k == number else None for k in range(len(call.outputs))]
        rows.append(call.pull_back(cotangents, create))
    made: list[Any] = []
    for position, leaf in enumerate(call.inside):
        size = (*shape, *leaf._layout.shape) if _floats(leaf) else ()
        if not _floats(leaf):
            made.append(None)
        else:
            made.append(stack([row[position] for row in rows]).view(size) if rows else zeros(size, dtype=leaf.dtype))
    return made


def jacfwd(
    func: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """As `jacrev`; the derivatives are computed the same way."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The function that computes second derivatives: jacfwd(jacrev(func))."""
    return jacfwd(jacrev(func, argnums), argnums)


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func`, written for one example, for a batch: called per example, its results stacked.

    `in_dims`: the batch dimension of each argument (None: the same for all examples), for all or as a tree; `out_dims`:
    where it goes in the results. `randomness`: "same" draws the same numbers for all examples.
    Raises SpecError (IG392).
    """
    if randomness not in ("error", "different", "same"):
        raise SpecError(
            "IG392",
            f"Only allowed values for randomness are 'error', 'different', or 'same', not {randomness!r}",
            where=user_line(),
        )

    @functools.wraps(func)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        flat, definition = tree.flatten(args)
        dims = _dims_for(in_dims, args, "in_dims")
        keywords, keyword_tree = tree.flatten(kwargs)
        dims += [0 if isinstance(leaf, TensorBase) else None for leaf in keywords]
        split, size = _examples(flat + keywords, dims, func)
        results: list[list[Any]] = []
        made_tree: Any = None
        state = get_rng_state() if randomness == "same" else None
        drawn = _draws()
        for i in range(size):
            if state is not None:
                set_rng_state(state)
            leaves = [leaf if part is None else part[i] for leaf, part in zip(flat + keywords, split, strict=True)]
            inner = tree.unflatten(leaves[: len(flat)], definition)
            named = tree.unflatten(leaves[len(flat) :], keyword_tree)
            made, made_tree = tree.flatten(func(*inner, **named))
            results.append(made)
        if randomness == "error" and _draws() != drawn:
            raise SpecError(
                "IG392",
                f"vmap: {_name(func)} called a random operation while in randomness error mode",
                where=user_line(),
                fix="randomness='different', or 'same' for the same numbers for all examples",
            )
        for leaf in results[0]:
            if not isinstance(leaf, TensorBase):
                raise SpecError(
                    "IG392",
                    f"vmap: `{_name(func)}` must only return Tensors, got type {type(leaf).__name__}",
                    where=user_line(),
                )
        ends = _dims_for(out_dims, tree.unflatten(results[0], made_tree), "out_dims")
        stacked = [
            parts[0] if dim is None else stack(parts, dim)
            for parts, dim in zip(zip(*results, strict=True), ends, strict=True)
        ]
        return tree.unflatten(stacked, made_tree)

    return evaluate


def _draws() -> int:
    """How often the default generator has advanced."""
    storage, trace = default_generator.state._storage, modes.trace
    if trace is None:
        return version_of(storage)
    captured = trace.captured.get(id(storage))
    return 0 if captured is None else captured.storage.version


def _dims_for(dims: Any, value: Any, what: str) -> list[int | None]:
    """One dimension per leaf of a tree, from dimensions given for it or for whole parts of it."""
    if dims is None or isinstance(dims, int):
        if isinstance(dims, bool):
            raise SpecError("IG392", f"vmap: {what} holds ints and None, not {dims!r}", where=user_line())
        return [dims for _ in tree.leaves(value)]
    if isinstance(dims, dict) and isinstance(value, dict) and dims.keys() == value.keys():
        return [d for key in value for d in _dims_for(dims[key], value[key], what)]
    if isinstance(dims, tuple | list) and isinstance(value, tuple | list) and len(dims) == len(value):
        return [d for part, item in zip(dims, value, strict=True) for d in _dims_for(part, item, what)]
    raise SpecError("IG392", f"vmap: {what} {dims!r} does not have the structure of what it is for", where=user_line())


def _examples(
    leaves: list[Any], dims: list[int | None], func: Callable[..., Any]
) -> tuple[list[tuple[Any, ...] | None], int]:
    """Each batched tensor's examples, None for what is the same for all; and how many there are."""
    split: list[tuple[Any, ...] | None] = []
    sizes: list[int] = []
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is None:
            split.append(None)
            continue
        if not isinstance(leaf, TensorBase):
            raise SpecError(
                "IG392",
                f"vmap({_name(func)}, in_dims={dim}): got a {type(leaf).__name__}, which has no dimensions",
                where=user_line(),
                fix="in_dims=None for it",
            )
        parts = unbind(leaf, dim)  # type: ignore[arg-type]
        sizes.append(len(parts))
        split.append(parts)
    if not sizes or len(set(sizes)) > 1 or sizes[0] == 0:
        raise SpecError(
            "IG392",
            f"vmap({_name(func)}): expected all tensors to have the same, positive size in the mapped dimension, got "
            f"sizes {sizes}",
            where=user_line(),
        )
    return split, sizes[0]


def _name(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", type(func).__name__)
