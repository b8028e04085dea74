"""Random programs over a pool of tensors: Python source that runs under PyTorch, under ingot, and compiled.

Programs are drawn while they run under PyTorch, which tells what fits; a statement that it refuses stays now and then,
as the last one. `python tests/torch_fuzz.py FIRST COUNT` runs seeds and prints what differs, as small as it gets.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch_fuzz_draw import FLOATS, INTEGERS, MOST_ELEMENTS, SIZES, Argument, Draw, Program, make_argument
from torch_fuzz_statements import KINDS


def _arguments(d: Draw) -> tuple[Argument, ...]:
    made: list[Argument] = []
    common = d.one(*FLOATS)
    for number in range(d.random.randint(1, 4)):
        shape = tuple(d.random.choice(SIZES) for _ in range(d.random.choice([0, 1, 2, 2, 2, 3])))
        if made and d.chance(0.5):
            shape = made[0].shape
        dtype = common if d.chance(0.6) else d.one(*FLOATS, *INTEGERS, "bool")
        layout = d.one("contiguous", "contiguous", "transposed", "sliced", "offset")
        grad = dtype in FLOATS and d.chance(0.5)
        within = None
        if made and d.chance(0.1):
            within, grad = made[0].name, False
            dtype, shape, layout = made[0].dtype, made[0].shape, d.one("whole", "part")
        made.append(Argument(f"a{number}", dtype, shape, layout, grad, d.random.randrange(10**6), within))
    return tuple(made)


def places_of(tensor: Any) -> Any:
    """Where the elements are in the storage."""
    places = np.asarray(tensor.storage_offset())
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        places = np.add.outer(places, np.arange(size) * stride)
    return places


def overlapping(tensor: Any) -> bool:
    """Whether several elements are one in memory."""
    places = places_of(tensor)
    return bool(np.unique(places).size < places.size)


def partly(target: Any, other: Any) -> bool:
    """Whether another tensor shows some of the memory of one that is written to, in another order."""
    if target.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
        return False
    ours, theirs = places_of(target), places_of(other)
    return not np.array_equal(ours, theirs) and bool(np.intersect1d(ours, theirs).size)


def refused(error: Exception) -> bool:
    """Whether PyTorch lacks something that ingot may well have: no mistake of the program."""
    text = str(error)
    return isinstance(error, NotImplementedError) or any(
        part in text for part in ("not implemented for", "not supported", "unsupported", "internal assert", "INTERNAL")
    )


def program(seed: int) -> Program:
    """The program of a seed."""
    d = Draw(seed)
    arguments = _arguments(d)
    for argument in arguments:
        d.names[argument.name] = make_argument(torch, argument, d.names, 0, argument.layout, 0)
    namespace = {"T": torch, **d.names}
    statements, weights = zip(*KINDS, strict=True)
    body: list[str] = []
    tries, length = 0, d.random.randint(2, 14)
    while len(body) < length and tries < 60:
        tries += 1
        statement = d.random.choices(statements, weights)[0](d)
        if d.chance(0.04) and not statement.startswith("with") and "hook" not in statement:
            statement = f"with T.{d.one('no_grad', 'enable_grad')}():\n    {statement}"
        torch.manual_seed(0)
        before = set(namespace)
        target = namespace.get(statement.strip().split("[")[0].split(".")[0].split(" ")[0])
        operands = [d.names[n] for n in re.findall(r"\b[at]\d+\b", statement) if n in d.names]
        if isinstance(target, torch.Tensor) and (overlapping(target) or any(partly(target, o) for o in operands)):
            # What writes to elements that share memory leave there is undefined.
            continue
        try:
            exec(statement, namespace)
        except Exception as error:
            for name in set(namespace) - before:
                namespace.pop(name)
            if refused(error) or not d.chance(0.12):
                continue
            body.append(statement)
            break
        try:
            [t.is_leaf for t in namespace.values() if isinstance(t, torch.Tensor)]
        except RuntimeError:
            # Parts of a split that torch does not follow through this write.
            body.append(statement)
            break
        made = [n for n in namespace if n not in before and not n.startswith("__")]
        views = "no_grad" in statement and any(namespace[n].requires_grad for n in made)
        marked = any(t.requires_grad and not t.dtype.is_floating_point for t in d.names.values())
        if views or marked or any(namespace[n] is t for n in made for t in d.names.values()):
            # Views made under no_grad require grad in PyTorch 2.13, without a path to their base; integers may.
            if marked:
                break
            for name in made:
                del namespace[name]
            continue
        if any(not isinstance(namespace[n], torch.Tensor) or namespace[n].numel() > MOST_ELEMENTS for n in made):
            for name in made:
                del namespace[name]
            continue
        known = {t.untyped_storage().data_ptr() for t in d.names.values()}
        if any(
            not namespace[n].is_contiguous() and namespace[n].untyped_storage().data_ptr() not in known for n in made
        ):
            # Results of pointwise functions of permuted tensors are permuted too in PyTorch, contiguous here.
            if len(made) != 1 or "\n" in statement:
                for name in made:
                    del namespace[name]
                continue
            expression = statement.split(" = ", 1)[1]
            statement = f"{made[0]} = ({expression}).contiguous()"
            namespace[made[0]] = namespace[made[0]].contiguous()
        body.append(statement)
        d.names.update({n: namespace[n] for n in made})
    after: tuple[str, ...] = ()
    if d.chance(0.3):
        after = ("(sum((p.double() ** 2).sum() for p in pool if p.requires_grad) + anchor).backward()",)
    return Program(arguments, (), tuple(body), after)
