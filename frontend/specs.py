"""Specs: the dtype and shape of an argument as text, `f32[32,784]`, with named sizes `f32[b,64]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ingot.compiler.dims import Dim
from ingot.core import TensorBase, layout_of, new_tensor
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError
from ingot.runtime.storage import Storage

_SPEC = re.compile(r"\s*([A-Za-z]+\d*)\s*\[\s*(.*?)\s*\]\s*")
_NAME = re.compile(r"[A-Za-z_]\w*")


class Spec(NamedTuple):
    """A dtype and sizes; a size is an int or a name."""

    dtype: DType
    sizes: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.dtype.short}[{','.join(map(str, self.sizes))}]"


def parse(text: str) -> Spec:
    """`f32[32,784]`, `i64[b]`, `float32[]`. Raises SpecError (IG730) for anything else."""
    if not isinstance(text, str):
        raise malformed(repr(text), f"a spec is text, not {type(text).__name__}")
    match = _SPEC.fullmatch(text)
    if match is None:
        raise malformed(repr(text), "a spec is a dtype and, in brackets, its sizes")
    name, inside = match.groups()
    dtype = next((d for d in dtypes.ALL if name in (d.short, d.name)), None)
    if dtype is None:
        known = ", ".join(d.short for d in dtypes.ALL)
        raise malformed(repr(text), f"there is no dtype {name!r}", f"dtypes: {known}")
    sizes: list[int | str] = []
    for part in [p.strip() for p in inside.split(",")] if inside else []:
        if part.isdecimal():
            sizes.append(int(part))
        elif _NAME.fullmatch(part):
            sizes.append(part)
        else:
            raise malformed(repr(text), f"{part!r} is neither a size nor a name")
    return Spec(dtype, tuple(sizes))


def malformed(text: str, *why: str) -> SpecError:
    return SpecError("IG730", f"the spec {text} cannot be read", detail=list(why), fix="f32[32,784], i64[b] or f32[]")


def parse_all(specs: Sequence[str | Spec]) -> tuple[Spec, ...]:
    """Several specs. A single text with several specs is an error that says so."""
    if isinstance(specs, str):
        raise malformed(repr(specs), "specs are a list of texts, one per tensor argument")
    return tuple(spec if isinstance(spec, Spec) else parse(spec) for spec in specs)


def dims_of(specs: Sequence[Spec]) -> dict[str, Dim]:
    """A Dim for every name; equal names are one size, at least 1."""
    names = dict.fromkeys(n for spec in specs for n in spec.sizes if isinstance(n, str))
    return {name: Dim(name, 1) for name in names}


def stand_ins(specs: Sequence[Spec]) -> list[Any]:
    """A tensor without memory for each spec, to trace with."""
    dims = dims_of(specs)
    made: list[Any] = []
    for spec in specs:
        shape = tuple(dims[n] if isinstance(n, str) else n for n in spec.sizes)
        made.append(new_tensor(layout_of(spec.dtype, shape), Storage(None, 0, None)))
    return made


def check(specs: Sequence[Spec], tensors: Sequence[TensorBase], name: str) -> None:
    """Raises SpecError (IG731) unless the tensors match the specs, equal names having equal sizes."""
    if len(specs) != len(tensors):
        raise SpecError(
            "IG731",
            f"{name} has {len(specs)} specs and was called with {len(tensors)} tensors",
            detail=[f"specs: {', '.join(map(str, specs))}"],
        )
    sizes: dict[str, int] = {}
    for position, (spec, tensor) in enumerate(zip(specs, tensors, strict=True)):
        layout = tensor._layout
        fits = layout.dtype is spec.dtype and layout.ndim == len(spec.sizes)
        if fits:
            for size, actual in zip(spec.sizes, layout.shape, strict=True):
                fits &= actual == (sizes.setdefault(size, actual) if isinstance(size, str) else size)
        if not fits:
            given = f"{layout.dtype.short}[{','.join(map(str, layout.shape))}]"
            bound = [f"{n} = {v}" for n, v in sizes.items()]
            raise SpecError(
                "IG731",
                f"{name}: argument {position} is {given}, its spec is {spec}",
                detail=bound,
                fix=f"call it with {spec}, or give specs that fit",
            )
