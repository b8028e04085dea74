"""Call a module with other tensors in the place of its parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingot.core import TensorBase
from ingot.nn.module import Module
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors, by path, in the place of its parameters and buffers.

    `args` may be a single argument. `tie_weights`: a tensor that the module has under several names is replaced under
    all. `strict`: every parameter and buffer must be given. Raises SpecError and GradError (IG338) for dicts that do
    not fit, TypeError for things that are no tensors.
    """
    given = _joined(parameter_and_buffer_dicts)
    places = _places(module)
    _check(module, given, places, strict)
    if tie_weights:
        given = _tied(given, places)
    arguments = args if isinstance(args, tuple) else () if args is None else (args,)
    before: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for path, tensor in given.items():
            if path in places:
                table, name, _ = places[path]
                before.append((table, name, table[name]))
                table[name] = tensor
        return module(*arguments, **(kwargs or {}))
    finally:
        for table, name, old in reversed(before):
            table[name] = old


def _joined(dicts: Any) -> dict[str, Any]:
    """One dict of several, which must not have a name in common."""
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, (list, tuple)) or not all(isinstance(d, Mapping) for d in dicts):
        raise _wrong(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts).__name__}"
        )
    names = [name for d in dicts for name in d]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _wrong(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
    return {name: tensor for d in dicts for name, tensor in d.items()}


def _wrong(what: str) -> SpecError:
    return SpecError("IG338", what, where=user_line())


def _places(module: Module) -> dict[str, tuple[dict[str, Any], str, Any]]:
    """(table, name, tensor) of every parameter and buffer, by path."""
    return {
        f"{path}.{name}" if path else name: (table, name, tensor)
        for path, below in module.named_modules(remove_duplicate=False)
        for table in (below._parameters, below._buffers)
        for name, tensor in table.items()
        if tensor is not None
    }


def _check(module: Module, given: Mapping[str, Any], places: Mapping[str, Any], strict: bool) -> None:
    for tensor in given.values():
        if not isinstance(tensor, TensorBase):
            raise TypeError(f"{tensor!r} is not an instance of ingot.Tensor")
    if not strict:
        return
    seen = {id(places[path][2]) for path in given if path in places}
    missing = [path for path, (_, _, tensor) in places.items() if path not in given and id(tensor) not in seen]
    unexpected = [path for path in given if path not in places]
    problems = [
        f"{what} key(s): {', '.join(map(repr, names))}."
        for what, names in (("Unexpected", unexpected), ("Missing", missing))
        if names
    ]
    if problems:
        what = f"Error(s) in reparametrizing for {type(module).__name__}:"
        raise GradError("IG338", what, where=user_line(), detail=problems)


def _tied(given: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, Any]:
    """With the other names of every tensor that is given under one."""
    names: dict[int, list[str]] = {}
    for path, (_, _, tensor) in places.items():
        names.setdefault(id(tensor), []).append(path)
    found = dict(given)
    for paths in names.values():
        present = [path for path in paths if path in given]
        if len({id(given[path]) for path in present}) > 1:
            raise _wrong(
                f"functional_call got multiple values for keys {sorted(present)}, which are tied. Consider using "
                "tie_weights=False"
            )
        if present:
            found.update(dict.fromkeys(paths, given[present[0]]))
    return found
