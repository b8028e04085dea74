"""`ingot.jit`: call a function once on symbolic tensors, compile what it did, and run that from then on."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, overload

import numpy as np

from ingot import core, guards, specs, tree
from ingot.autograd.anomaly import is_anomaly_enabled
from ingot.autograd.hooks import any_leaf_has_hooks, hook_key
from ingot.compiled_gradient import Gradient
from ingot.compiler.ir import Graph
from ingot.core import TensorBase
from ingot.guards import Environment, Reference
from ingot.modes import Defaults, bump_epoch, modes
from ingot.reach import code_of
from ingot.recompiles import argument_difference, surroundings_difference
from ingot.recording import Fresh, Recording, ViewOf, record
from ingot.running import (
    Compiled,
    Interpreted,
    finisher,
    is_plain,
    needs_python,
    owner_of,
    plain_kind,
    run_directly,
    specialisation,
)
from ingot.runtime import dispatch
from ingot.runtime.errors import SpecError, TraceError
from ingot.runtime.lazy import lazy
from ingot.runtime.log import log, notice
from ingot.runtime.specialise import Specialisation
from ingot.source_lines import user_line
from ingot.specs import Spec, parse_all, stand_ins
from ingot.tracing import CapturedTensor, HostNumber

# A function that is compiled anew this often is being called in a way that no compiled code can serve.
_MOST_ENTRIES = 256
# From this version on, being compiled again is worth a line on standard error.
_SAY_FROM = 3


class Entry(NamedTuple):
    """One compiled version of a function, and what it holds for."""

    recording: Recording
    program: Compiled | Interpreted
    environment: Environment
    references: list[Reference]
    finish: Callable[..., Any]
    backward: Callable[[Gradient], Compiled | Interpreted]
    pinned: tuple[tuple[int, Any, int], ...]  # argument leaf, storage and offset
    captured: tuple[tuple[Any, Any], ...]
    native: Specialisation | None

    def holds(self, leaves: Sequence[Any]) -> bool:
        """Whether it serves a call with these argument leaves now; their layouts are known to fit."""
        return (
            self.environment.holds()
            and all(reference.holds() for reference in self.references)
            and all(leaves[i]._storage is storage and leaves[i]._offset == offset for i, storage, offset in self.pinned)
            and all(tensor._layout is layout for tensor, layout in self.captured)
            and all(_layout_of(owner_of(t, leaves)._grad) is layout for t, layout in self.recording.grads_read)
            and all(_is_number(s) for s in self.recording.sources if isinstance(s, HostNumber))
            and not self.overlaps(leaves)
        )

    def overlaps(self, leaves: Sequence[Any]) -> bool:
        """Whether an argument lies in memory that the function writes to by itself, or is written to and lies in memory
        that the function reaches by itself, other than when it was traced."""
        shared = self.written()
        if self.recording.mutates_argument:
            shared |= {id(tensor._storage) for tensor, _ in self.captured}
        pinned = {index for index, _, _ in self.pinned}
        return bool(shared) and any(
            index not in pinned and id(leaf._storage) in shared
            for index, leaf in enumerate(leaves)
            if isinstance(leaf, TensorBase)
        )

    def written(self) -> frozenset[int]:
        """Ids of the storages that the function reaches by itself and writes to."""
        return frozenset([id(tensor._storage) for tensor in self.written_tensors()])

    def written_tensors(self) -> list[Any]:
        """The tensors that the function reaches by itself and writes to."""
        sources = [self.recording.sources[index] for _, index in self.recording.graph.aliases]
        return [s.tensor for s in sources if isinstance(s, CapturedTensor)]


def _layout_of(tensor: Any) -> Any:
    return None if tensor is None else tensor._layout


def _is_number(source: HostNumber) -> bool:
    value = source.container.get(source.key)
    return type(value) is float or type(value) is int


class CompiledFunction:
    """The state behind a compiled function: its versions by kind of arguments, and its counts."""

    def __init__(
        self, fn: Callable[..., Any], wanted: tuple[Spec, ...] | None, static: tuple[str, ...], interpreted: bool
    ) -> None:
        self.fn = fn
        self.name = getattr(fn, "__name__", type(fn).__name__)
        self.specs = wanted
        self.static = static
        self.interpreted = interpreted
        self.entries: dict[Any, list[Entry]] = {}
        self.count = {"compiles": 0, "cache_hits": 0, "kernels": 0, "direct_calls": 0}
        self.compile_ms = 0.0
        self.retrying = False
        self.latest: Any = None
        self.reasons: list[str] = []
        code = code_of(fn)
        positional = 0 if code is None else code.co_argcount
        self.parameters: tuple[str, ...] = () if code is None else code.co_varnames[:positional]
        if getattr(fn, "__self__", None) is not None:
            self.parameters = self.parameters[1:]
        # What the user calls.
        self.public = dispatch.callable(self.slow_path, self.name)

    # ---- calls

    def slow_path(self, *args: Any, **kwargs: Any) -> Any:
        """Serve a call that no native specialisation fits: validate one, or compile one."""
        if modes.trace is not None or is_anomaly_enabled():
            return self.fn(*args, **kwargs)
        if kwargs:
            args, kwargs = self.positional(args, kwargs)
        leaves, definition = tree.flatten((args, kwargs))
        key = (definition, tuple([_leaf_key(leaf) for leaf in leaves]), _sharing(leaves))
        entry = next((e for e in self.entries.get(key, ()) if e.holds(leaves)), None)
        if entry is None:
            entry = self.compile(key, args, kwargs, leaves)
        return self.run(entry, args, leaves)

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Keyword arguments moved to their positions, as far as they fill them without a gap."""
        rest = dict(kwargs)
        moved = list(args)
        for name in self.parameters[len(args) :]:
            if name not in rest:
                break
            moved.append(rest.pop(name))
        return tuple(moved), rest

    def run(self, entry: Entry, args: tuple[Any, ...], leaves: Sequence[Any]) -> Any:
        """Call an entry that holds: natively if it can be, and once; from Python otherwise."""
        seen = Defaults.profiling or (any_leaf_has_hooks() and any(map(_is_leaf, leaves)))
        if entry.native is None or self.retrying or seen:
            self.count["direct_calls"] += 1
            return run_directly(entry.recording, entry.program, entry.finish, leaves, entry.backward)
        entry.native.epoch = dispatch.epoch()
        self.retrying = True
        try:
            return self.public(*args)
        finally:
            self.retrying = False

    # ---- compiling

    def check_call(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any]) -> None:
        """Raises SpecError (IG731, IG733) or TraceError (IG191, IG193) for a call that cannot be compiled for."""
        for label, leaf in zip(self.leaf_names(args, kwargs), leaves, strict=True):
            if isinstance(leaf, np.ndarray):
                raise TraceError(
                    "IG193",
                    f"{self.name}: the argument {label} is a NumPy array, whose elements compiled code would not read",
                    where=user_line(),
                    fix=f"ingot.from_numpy({label})",
                )
        if self.specs is not None:
            specs.check(self.specs, [leaf for leaf in leaves if isinstance(leaf, TensorBase)], self.name)
        for parameter, arg in [*zip(self.parameters, args, strict=False), *kwargs.items()]:
            if parameter in self.static and any(isinstance(leaf, TensorBase) for leaf in tree.leaves(arg)):
                raise SpecError(
                    "IG733",
                    f"{self.name}: the static argument {parameter!r} holds a tensor",
                    where=user_line(),
                    fix="static_argnames for Python values alone; tensors are arguments of the compiled code",
                )
        if sum(map(len, self.entries.values())) >= _MOST_ENTRIES:
            raise TraceError(
                "IG191",
                f"{self.name} was compiled {_MOST_ENTRIES} times, each time for other arguments or surroundings",
                where=user_line(),
                fix="tensors instead of Python numbers that change, or shapes that repeat",
            )

    def compile(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any]) -> Entry:
        """Trace and compile a version for this call."""
        self.check_call(args, kwargs, leaves)
        start = time.perf_counter()
        names = self.leaf_names(args, kwargs)
        reason = self.reason(key, names)
        bump_epoch()
        recording = record(self.fn, args, kwargs, leaves, names, self.name)
        entry = self.entry(recording, self.program(recording.graph), args, kwargs, leaves)
        self.entries.setdefault(key, []).insert(0, entry)
        self.latest = key
        self.count["compiles"] += 1
        elapsed = (time.perf_counter() - start) * 1e3
        self.compile_ms += elapsed
        if reason is not None:
            self.reasons.append(reason)
            say = notice if self.count["compiles"] >= _SAY_FROM else functools.partial(log, 1)
            say(f"{self.name} was compiled again (version {self.count['compiles']}, {elapsed:.0f} ms): {reason}")
        else:
            log(1, f"compiled {self.name} in {elapsed:.1f} ms")
        return entry

    def reason(self, key: Any, names: Sequence[str]) -> str | None:
        """Why the versions that exist do not serve; None for the first one."""
        if self.latest is None:
            return None
        same = self.entries.get(key)
        if same:
            return surroundings_difference(same[0].references, same[0].environment)
        return argument_difference(key, self.latest, names)

    def entry(
        self,
        recording: Recording,
        program: Compiled | Interpreted,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        leaves: Sequence[Any],
    ) -> Entry:
        """A recording and its program, with the guards under which they hold, ready to be called."""
        captured = [s.tensor for s in recording.sources if isinstance(s, CapturedTensor)]
        objects = [(name, leaf) for name, leaf in zip(self.leaf_names(args, kwargs), leaves, strict=True)]
        references = guards.referenced(self.fn, objects, recording.modules, recording.ran)
        references += _mode_references(recording, captured, leaves)
        references += guards.attributes_read(recording.attributes_read)
        finish = finisher(recording)
        native = None
        if isinstance(program, Compiled) and not self.is_direct(recording, args, kwargs, leaves):
            with_finish = finish if plain_kind(recording) is None else None
            native = specialisation(recording, program.executable, args, with_finish)
            for reference in references:
                native.look_up(reference.lookup)
            self.public.add(native)
        watched = [t for t in captured if t._layout.dtype.is_floating_point]
        entry = Entry(
            recording=recording,
            program=program,
            environment=guards.environment(recording.modules, watched),
            references=references,
            finish=finish,
            backward=self.backward_of(),
            pinned=tuple((i, leaves[i]._storage, leaves[i]._offset) for i in recording.pinned),
            captured=tuple((t, t._layout) for t in captured),
            native=native,
        )
        core.captured_tensors.update(id(t) for t in captured)
        if native is not None:
            core.count_writes([tensor._storage for tensor in entry.written_tensors()], native)
        return entry

    def is_direct(
        self, recording: Recording, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any]
    ) -> bool:
        """Whether calls go through Python."""
        return bool(kwargs) or needs_python(recording, leaves) or not all(is_plain(arg) for arg in args)

    def program(self, graph: Graph) -> Compiled | Interpreted:
        """The graph made runnable."""
        if self.interpreted:
            return Interpreted(graph)
        program = Compiled(graph, _c_name(self.name))
        self.count["cache_hits"] += program.from_cache
        self.count["kernels"] = len(program.program.kernels)
        return program

    def backward_of(self) -> Callable[[Gradient], Compiled | Interpreted]:
        """What makes the program for a gradient, at its first use."""
        made: dict[Gradient, Compiled | Interpreted] = {}

        def backward(gradient: Gradient) -> Compiled | Interpreted:
            if gradient not in made:
                made[gradient] = self.program(gradient.graph)
            return made[gradient]

        return backward

    def leaf_names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """What users call the leaves of the arguments: `x`, `batch['image']`."""
        names: list[str] = []
        for position, arg in enumerate(args):
            root = self.parameters[position] if position < len(self.parameters) else f"args[{position}]"
            names += [tree.path_text(root, path) for path, _ in tree.paths(arg)]
        for key, value in kwargs.items():
            names += [tree.path_text(key, path) for path, _ in tree.paths(value)]
        return names

    # ---- looking at it

    def stats(self) -> dict[str, Any]:
        """Counts: compiles, calls, cache_hits (programs found on disk), kernels of the last program, the milliseconds
        spent compiling, and why it was compiled again, each time."""
        entries = [entry for group in self.entries.values() for entry in group]
        native = sum(entry.native.calls for entry in entries if entry.native is not None)
        return {
            "compiles": self.count["compiles"],
            "calls": native + self.count["direct_calls"],
            "cache_hits": self.count["cache_hits"],
            "kernels": self.count["kernels"],
            "compile_ms": self.compile_ms,
            "recompiles": list(self.reasons),
        }

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph of a call with these arguments; nothing is compiled or run."""
        return self.recording(args, kwargs).graph

    def recording(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recording:
        """The trace of a call with these arguments."""
        leaves, _ = tree.flatten((args, kwargs))
        bump_epoch()
        return record(self.fn, args, kwargs, leaves, self.leaf_names(args, kwargs), self.name)


def _leaf_key(leaf: Any) -> Any:
    """What a version depends on: a tensor's class, layout, flag and being a leaf; anything else by type and value."""
    if isinstance(leaf, TensorBase):
        return type(leaf), leaf._layout, (leaf._requires_grad, leaf._node is None), hook_key(leaf)
    if isinstance(leaf, float):
        return float, leaf.hex()
    try:
        hash(leaf)
    except TypeError:
        return type(leaf), id(leaf)
    return type(leaf), leaf


def _is_leaf(value: Any) -> bool:
    return isinstance(value, TensorBase) and value._requires_grad and value._node is None


def _sharing(leaves: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    """Which tensor leaves share a storage: for each, the first one that does, and how far apart they begin."""
    first: dict[int, tuple[int, int]] = {}
    found: list[tuple[int, int]] = []
    for i, leaf in enumerate([leaf for leaf in leaves if isinstance(leaf, TensorBase)]):
        index, offset = first.setdefault(id(leaf._storage), (i, leaf._offset))
        found.append((index, leaf._offset - offset))
    return tuple(found)


def _mode_references(recording: Recording, captured: Sequence[Any], leaves: Sequence[Any]) -> list[Reference]:
    """A version traced without gradient recording, which would have recorded some, holds only without it."""
    tensors = [*captured, *[leaf for leaf in leaves if isinstance(leaf, TensorBase)]]
    if modes.grad or not any(t._requires_grad for t in tensors):
        return []
    if not recording.mutates_argument and not any(isinstance(r, Fresh | ViewOf) for r in recording.results):
        return []
    return [guards.gradient_mode()]


def _c_name(name: str) -> str:
    """A name that can be a symbol."""
    text = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
    return text if text and not text[0].isdigit() else f"f{text}"


class Jitted(Protocol):
    """What `jit` makes of a function: it is called as the function is, and tells what was compiled for it."""

    __name__: str
    __wrapped__: Callable[..., Any]
    specs: tuple[Spec, ...] | None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled code for these arguments; the first call with arguments of a kind compiles it."""

    def stats(self) -> dict[str, Any]:
        """Counts and times; see CompiledFunction.stats."""

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph of a call with these arguments; nothing is compiled or run."""


@overload
def jit(
    fn: Callable[..., Any],
    *,
    specs: Sequence[str] | None = None,
    static_argnames: Sequence[str] = (),
    backend: str = "native",
) -> Jitted: ...


@overload
def jit(
    fn: None = None,
    *,
    specs: Sequence[str] | None = None,
    static_argnames: Sequence[str] = (),
    backend: str = "native",
) -> Callable[[Callable[..., Any]], Jitted]: ...


def jit(
    fn: Callable[..., Any] | None = None,
    *,
    specs: Sequence[str] | None = None,
    static_argnames: Sequence[str] = (),
    backend: str = "native",
) -> Jitted | Callable[[Callable[..., Any]], Jitted]:
    """Compile a function: it is traced at its first call, and the native code runs from then on.

    Every Python value among the arguments is a constant of the compiled code, which is compiled anew for another one;
    `static_argnames` says so for arguments where a tensor would be a mistake.
    `specs`: dtypes and shapes of the tensor arguments, such as "f32[b,64]"; calls must match, and the command line
    needs no example inputs. `backend`: "native", or "interpret" for the reference interpreter.

        @ingot.jit
        def step(x, y): ...
    """
    wanted = None if specs is None else parse_all(specs)
    if backend not in ("native", "interpret"):
        raise SpecError("IG217", f"backend is 'native' or 'interpret', not {backend!r}", where=user_line())

    def decorate(function: Callable[..., Any]) -> Jitted:
        state = CompiledFunction(function, wanted, tuple(static_argnames), backend == "interpret")
        public: Any = state.public
        public.__wrapped__ = function
        public.__doc__ = getattr(function, "__doc__", None)
        public.__module__ = getattr(function, "__module__", __name__)
        public.__qualname__ = getattr(function, "__qualname__", state.name)
        public.stats, public.graph, public.specs, public.state = state.stats, state.graph, wanted, state
        made: Jitted = public
        return made

    return decorate if fn is None else decorate(fn)


def trace_specs(fn: Callable[..., Any], wanted: Sequence[str] | None = None) -> Recording:
    """The trace of a function called on tensors of these specs, one per positional argument.

    A function compiled with specs needs none. Raises SpecError (IG730, IG732).
    """
    given = parse_all(wanted) if wanted is not None and len(wanted) else getattr(fn, "specs", None)
    if given is None:
        raise SpecError(
            "IG732",
            f"{getattr(fn, '__name__', type(fn).__name__)} has no specs",
            fix="@ingot.jit(specs=['f32[b,64]']), or --spec",
        )
    plain = getattr(fn, "__wrapped__", fn)
    state = CompiledFunction(plain, given, (), False)
    return state.recording(tuple(stand_ins(given)), {})


def _changed() -> None:
    dispatch.bump_epoch()


Defaults.on_change = _changed

if not TYPE_CHECKING:
    # `from ingot.jit import script` asks this module, where the names are not.
    __getattr__ = lazy(
        __name__,
        names={
            "ingot.scripting": (
                "script trace trace_module script_if_tracing freeze optimize_for_inference export ignore unused "
                "annotate is_scripting is_tracing Final"
            )
        },
    )
