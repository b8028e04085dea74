"""Parameters that are computed from others whenever they are read: `register_parametrization`.

A module with such a tensor gets a class of its own, whose property of the tensor's name computes it. What it is
computed from are parameters of a ParametrizationList below `module.parametrizations`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingot.core import TensorBase
from ingot.modes import bump_epoch, no_grad
from ingot.nn.containers import ModuleDict, ModuleList
from ingot.nn.module import Module
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

# While `cached` is in force: its depth, and computed tensors by module and name.
_caching = [0]
_cache: dict[tuple[int, str], Tensor] = {}


class Computed(NamedTuple):
    """How an attribute of a module is read and, if it can be, written; both can be pickled."""

    get: Callable[[Any], Tensor]
    put: Callable[[Any, Tensor], None] | None = None


def set_computed(module: Module, computed: Mapping[str, Computed], prefix: str = "") -> None:
    """Give the module a class of its own, with these attributes computed; without any, the class it had."""
    base = plain_class(module)
    made = base
    if computed:

        def reduced(self: Module, protocol: Any) -> Any:
            return _rebuilt, (base, dict(computed), prefix), self.__getstate__()

        own = {"__module__": base.__module__, "_plain_class": base, "_computed": computed, "__reduce_ex__": reduced}
        properties = {name: property(how.get, how.put) for name, how in computed.items()}
        made = type(prefix + base.__name__, (base,), {**own, **properties})
    object.__setattr__(module, "__class__", made)
    bump_epoch()


def _rebuilt(base: type[Module], computed: Mapping[str, Computed], prefix: str) -> Module:
    """Unpickle a module with computed attributes, as yet without its state."""
    module = base.__new__(base)
    set_computed(module, computed, prefix)
    return module


def computed_of(module: Module) -> dict[str, Computed]:
    """The attributes that the module's own class computes."""
    return dict(type(module).__dict__.get("_computed", {}))


def plain_class(module: Module) -> type[Module]:
    """The class that the module had before tensors of it became computed ones."""
    found: type[Module] = type(module).__dict__.get("_plain_class", type(module))
    return found


type_before_parametrizations = plain_class


def add_computed(module: Module, name: str, how: Computed, prefix: str = "") -> None:
    """From now on, `module.name` is computed when it is read."""
    set_computed(module, {**computed_of(module), name: how}, prefix)


def remove_computed(module: Module, name: str, prefix: str = "") -> None:
    """`module.name` is an ordinary attribute again."""
    left = computed_of(module)
    left.pop(name, None)
    set_computed(module, left, prefix)


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside, a computed tensor is computed when it is first read and then kept."""
    _caching[0] += 1
    try:
        yield
    finally:
        _caching[0] -= 1
        if not _caching[0]:
            _cache.clear()


class ParametrizationList(ModuleList):
    """Modules that compute a tensor, one after the other, from `original` (or from original0, original1, ...).

    Raises SpecError (IG337) where the tensor that they compute has another dtype or shape, unless `unsafe`.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        new: Any = original
        with no_grad():
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    new = module.right_inverse(new)
        kind = type(new)
        self.is_tensor = issubclass(kind, TensorBase)
        if not self.is_tensor and not issubclass(kind, (tuple, list)):
            raise _misfit(f"right_inverse must return a tensor or a sequence of them, not {kind.__name__}")
        self.ntensors = 1 if self.is_tensor else len(new)
        trained = isinstance(original, Parameter)
        if self.is_tensor:
            if not unsafe and new.dtype is not original.dtype:
                raise _misfit(f"right_inverse changed the dtype {original.dtype} to {new.dtype}")
            # The parameter stays the same object, so that optimisers go on with it.
            original.data = new.detach().clone() if new is not original else new.detach()
            self._hold("original", original, trained)
        else:
            for i, part in enumerate(new):
                made = Parameter(part.detach(), original.requires_grad) if trained else part.detach()
                self._hold(f"original{i}", made, trained)
        if not unsafe:
            check_unchanged(self(), original)

    def _hold(self, name: str, tensor: Tensor, trained: bool) -> None:
        if trained:
            self.register_parameter(name, tensor)  # type: ignore[arg-type]
        else:
            self.register_buffer(name, tensor)

    def originals(self) -> list[Tensor]:
        """What the tensor is computed from."""
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set what the tensor is computed from, so that it is `value`.

        Raises GradError (IG337), a RuntimeError, where a parametrization has no right_inverse.
        """
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise GradError(
                        "IG337",
                        f"parametrization {type(module).__name__} does not implement right_inverse.",
                        where=user_line(),
                    )
                new = module.right_inverse(new)
            parts = [new] if self.is_tensor else list(new)
            for old, part in zip(self.originals(), parts, strict=True):
                old.data = part.detach().clone()

    def forward(self) -> Tensor:
        """The computed tensor."""
        modules = list(self)
        x = modules[0](*self.originals())
        for module in modules[1:]:
            x = module(x)
        return x  # type: ignore[no-any-return]


def check_unchanged(made: Any, before: Tensor) -> None:
    """Raises SpecError (IG337) unless a computed tensor has the dtype and shape of the one it stands for."""
    if not isinstance(made, TensorBase):
        raise _misfit(f"a parametrization must return a tensor, not {type(made).__name__}")
    for what, a, b in (("dtype", before.dtype, made._layout.dtype), ("shape", before.shape, made._layout.shape)):
        if a != b:
            raise _misfit(
                f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                f"enabled: {a} became {b}"
            )


def _misfit(what: str) -> SpecError:
    return SpecError("IG337", what, where=user_line())


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the tensor of this name, or any of the module's, is a computed one."""
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


@dataclass(frozen=True)
class _Get:
    """Reads a parametrized tensor."""

    name: str

    def __call__(self, module: Module) -> Tensor:
        made: Tensor
        if not _caching[0]:
            made = module.parametrizations[self.name]()
            return made
        key = (id(module), self.name)
        if key not in _cache:
            _cache[key] = module.parametrizations[self.name]()
        return _cache[key]


@dataclass(frozen=True)
class _Put:
    """Writes what a parametrized tensor is computed from."""

    name: str

    def __call__(self, module: Module, value: Tensor) -> None:
        module.parametrizations[self.name].right_inverse(value)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on, `module.tensor_name` is `parametrization(original)`; original is what is trained. The module.

    A `right_inverse` of the parametrization gives the first original (or a tuple of them) for the present tensor.
    Several parametrizations follow each other. Raises SpecError (IG337) for names that are no parameter or buffer and,
    unless `unsafe`, for tensors of another dtype or shape.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            check_unchanged(parametrization(before), before)
        found = module.parametrizations[tensor_name]
        found.append(parametrization)
        found.unsafe = found.unsafe or unsafe
        return module
    known = next((d for d in (module._parameters, module._buffers) if d.get(tensor_name) is not None), None)
    if known is None:
        raise _misfit(f"Module {module!r} does not have a parameter or a buffer with name {tensor_name!r}")
    original = known[tensor_name]
    assert original is not None
    made = ParametrizationList([parametrization], original, unsafe)
    del known[tensor_name]
    if not is_parametrized(module):
        module.register_module("parametrizations", ModuleDict())
    module.parametrizations[tensor_name] = made
    add_computed(module, tensor_name, Computed(_Get(tensor_name), _Put(tensor_name)), "Parametrized")
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make the tensor an ordinary one again: the computed one, or the original if not `leave_parametrized`. The module.

    Raises SpecError (IG337) where there is none, or where the original is several tensors and to be left.
    """
    if not is_parametrized(module, tensor_name):
        raise _misfit(f"Module {module!r} does not have a parametrization on {tensor_name}")
    found = module.parametrizations[tensor_name]
    if not found.is_tensor and not leave_parametrized:
        raise _misfit(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    originals = found.originals()
    tensor = originals[0]
    if leave_parametrized:
        with no_grad():
            computed = getattr(module, tensor_name).detach().clone()
        if found.is_tensor:
            tensor.data = computed
        elif isinstance(tensor, Parameter):
            tensor = Parameter(computed, any(t.requires_grad for t in originals))
        else:
            tensor = computed
    remove_computed(module, tensor_name, "Parametrized")
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
    if isinstance(tensor, Parameter):
        module.register_parameter(tensor_name, tensor)
    else:
        module.register_buffer(tensor_name, tensor)
    return module
