"""Modules: attributes, walking, state, hooks, containers, text and copies."""

from __future__ import annotations

import copy
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from peer import Case


def block(T: Any) -> Any:
    """A module with everything: parameters, buffers of both kinds, None in all places, modules below, shared ones."""

    class Block(T.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = T.nn.Linear(2, 3)
            self.second = T.nn.Sequential(OrderedDict(act=T.nn.ReLU(), norm=T.nn.BatchNorm1d(3)))
            self.again = self.first
            self.nothing: Any = None
            self.scale = T.nn.Parameter(T.ones(3))
            self.register_parameter("missing", None)
            self.register_buffer("count", T.zeros(2))
            self.register_buffer("kept", T.ones(1), persistent=False)
            self.register_buffer("absent", None)
            self.register_module("hole", None)

        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return self.second(self.first(x)) * self.scale * factor

    return Block()


def plain(value: Any) -> Any:
    """The text of a value, with the library's name left out."""
    return str(value).replace("torch.", "").replace("ingot.", "")


def caught(call: Callable[[], Any]) -> list[str]:
    """The builtin type of what is raised."""
    try:
        call()
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return kinds[:1]
    return ["nothing"]


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def _walk(T: Any) -> Any:
    m = block(T)
    return {
        "parameters": names(m.named_parameters()),
        "with prefix": names(m.named_parameters(prefix="net")),
        "own": names(m.named_parameters(recurse=False)),
        "duplicates": names(m.named_parameters(remove_duplicate=False)),
        "buffers": names(m.named_buffers()),
        "own buffers": names(m.named_buffers("p", False)),
        "modules": names(m.named_modules()),
        "modules with prefix": names(m.named_modules(prefix="net")),
        "modules with duplicates": names(m.named_modules(remove_duplicate=False)),
        "children": names(m.named_children()),
        "counts": [len(list(m.parameters())), len(list(m.buffers())), len(list(m.modules())), len(list(m.children()))],
        "kinds": [type(x).__name__ for x in m.modules()],
        "dir": all(name in dir(m) for name in ("first", "scale", "count", "forward")),
        "found": [m.get_submodule("second.norm") is m.second.norm, m.get_submodule("") is m],
        "tensors": [m.get_parameter("first.weight") is m.first.weight, m.get_buffer("count") is m.count],
    }


def _lookups(T: Any) -> Any:
    m = block(T)
    return [
        caught(lambda: m.get_submodule("third")),
        caught(lambda: m.get_submodule("scale")),
        caught(lambda: m.get_parameter("count")),
        caught(lambda: m.get_parameter("first.weights")),
        caught(lambda: m.get_buffer("scale")),
        caught(lambda: m.get_buffer("nope.x")),
        caught(lambda: m.unknown),
        caught(lambda: m(T.ones(1, 2), 1, 2, 3)),
        caught(lambda: T.nn.Module()(1)),
        caught(lambda: T.nn.Module(3)),
        caught(lambda: T.nn.Module(option=3)),
    ]


def _assignments(T: Any) -> Any:
    m = block(T)

    def late() -> Any:
        class Late(T.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                self.layer = T.nn.Linear(1, 1)

        return Late()

    def set_(name: str, value: Any) -> list[str]:
        return caught(lambda: setattr(m, name, value))

    found: list[Any] = [
        set_("scale", T.ones(3)),
        set_("scale", 3),
        set_("first", 3),
        set_("count", 3),
        set_("other", 3),
        caught(lambda: m.register_parameter("p", T.ones(2))),
        caught(lambda: m.register_parameter("p", T.nn.Parameter(T.ones(2)) * 1)),
        caught(lambda: m.register_parameter(3, None)),
        caught(lambda: m.register_parameter("a.b", None)),
        caught(lambda: m.register_parameter("", None)),
        caught(lambda: m.register_parameter("forward", None)),
        caught(lambda: m.register_parameter("count", None)),
        caught(lambda: m.register_buffer("scale", T.ones(1))),
        caught(lambda: m.register_buffer("b", 3)),
        caught(lambda: m.register_buffer("x.y", None)),
        caught(lambda: m.register_module("m", 3)),
        caught(lambda: m.add_module("scale", T.nn.ReLU())),
        caught(lambda: m.add_module("", T.nn.ReLU())),
        caught(late),
        caught(lambda: delattr(m, "nope")),
    ]
    m.nothing = T.nn.ReLU()
    m.scale = None
    m.count = None
    m.missing = T.nn.Parameter(T.ones(1))
    del m.again
    found.append([names(m.named_parameters()), names(m.named_buffers()), names(m.named_children()), m.other])
    m.first = T.nn.Identity()
    m.count = T.ones(4)
    found.append([names(m.named_parameters()), names(m.named_buffers()), plain(m)])
    return found


def _changes(T: Any) -> Any:
    m = block(T)
    kinds: list[Any] = []
    for change in ("half", "float", "bfloat16", "double"):
        assert getattr(m, change)() is m
        kinds.append([plain(t.dtype) for t in m.state_dict().values()])
    m.to(T.float32)
    m.to("cpu", T.float64)
    m.to(T.ones(1, dtype=T.float32))
    m.to(device="cpu", dtype=T.float64, non_blocking=True)
    kinds.append(plain(m.scale.dtype))
    kinds.append(caught(lambda: m.to(T.int64)))
    m.type(T.float32)
    kinds.append([plain(t.dtype) for t in m.state_dict().values()])
    m.eval()
    kinds.append([x.training for x in m.modules()])
    m.second.train()
    kinds.append([x.training for x in m.modules()])
    kinds.append(caught(lambda: m.train("yes")))
    m.requires_grad_(False)
    kinds.append([p.requires_grad for p in m.parameters()])
    order: list[str] = []
    m.apply(lambda x: order.append(type(x).__name__))
    m.to_empty(device="cpu")
    return [kinds, order, m.cpu() is m, [tuple(p.shape) for p in m.parameters()]]


def _gradients(T: Any) -> Any:
    m = block(T).float()
    m(T.ones(4, 2) + T.arange(4.0).view(4, 1)).sum().backward()
    found: list[Any] = [m.scale.grad is None]
    m.zero_grad(set_to_none=False)
    found += [m.scale.grad.tolist(), m.first.weight.grad.sum().item()]
    m.zero_grad()
    return [*found, m.scale.grad is None]


def _frozen(T: Any) -> Any:
    """A module whose `train` keeps a part in use."""

    class Frozen(T.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm = T.nn.BatchNorm1d(2)

        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self.norm.eval()
            return self

    m = T.nn.Sequential(Frozen(), T.nn.Dropout())
    m.train()
    return [x.training for x in m.modules()]


def _state(T: Any) -> Any:
    m, other = block(T), block(T)
    state = m.state_dict()
    metadata = {key: dict(value) for key, value in state._metadata.items()}
    loaded = other.load_state_dict(state)
    return {
        "keys": list(state),
        "metadata": metadata,
        "prefix": list(m.state_dict(prefix="net.")),
        "older": list(m.state_dict(OrderedDict(), "old.", False)),
        "kind": type(state).__name__,
        "leaves": [t.requires_grad for t in state.values()],
        "vars": [t.requires_grad for t in m.state_dict(keep_vars=True).values()],
        "shared": state["scale"].data_ptr() == m.scale.data_ptr(),
        "loaded": str(loaded),
        "equal": all((a == b).all().item() for a, b in zip(state.values(), other.state_dict().values(), strict=True)),
    }


def _misfits(T: Any) -> Any:
    m = block(T)
    state = m.state_dict()
    del state["scale"], state["second.norm.bias"]
    state["extra"] = T.ones(1)
    state["first.more"] = T.ones(1)
    state["second.act.deep.er"] = T.ones(1)
    missing = m.load_state_dict(state, strict=False)
    text = ""
    state["first.bias"] = T.ones(7)
    state["count"] = "text"
    try:
        m.load_state_dict(state)
    except RuntimeError as error:
        text = plain(error)
    return {
        "missing": list(missing.missing_keys),
        "unexpected": list(missing.unexpected_keys),
        "pair": [list(x) for x in missing],
        "repr": str(missing),
        "named": [
            part in text
            for part in (
                "Error(s) in loading state_dict for Block:",
                'Missing key(s) in state_dict: "scale", "second.norm.bias". ',
                'Unexpected key(s) in state_dict: "extra", "first.more", "second.act.deep.er". ',
                "size mismatch for first.bias: copying a param with shape Size([7]) from checkpoint, "
                "the shape in current model is Size([3]).",
                'While copying the parameter named "count"',
            )
        ],
        "order": text.index("Missing key") < text.index("Unexpected key") < text.index("size mismatch"),
        "lenient": caught(lambda: m.load_state_dict({"first.bias": T.ones(7)}, strict=False)),
        "list": caught(lambda: m.load_state_dict([1])),
        "empty": caught(lambda: m.load_state_dict({})),
    }


def _assigned(T: Any) -> Any:
    m = block(T)
    old = m.scale
    state = {key: value.double() for key, value in m.state_dict().items()}
    m.load_state_dict(state, assign=True)
    return [
        m.scale is old,
        plain(m.scale.dtype),
        type(m.scale).__name__,
        m.scale.requires_grad,
        m.scale.data_ptr() == state["scale"].data_ptr(),
        m.count is state["count"],
    ]


def _own_state(T: Any) -> Any:
    """Overridden saving and loading, extra state, versions."""

    class Own(T.nn.Module):  # type: ignore[misc]
        _version = 3

        def __init__(self) -> None:
            super().__init__()
            self.weight = T.nn.Parameter(T.ones(2))
            self.seen: Any = None
            self.extra: Any = {"a": 1}

        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "more"] = T.tensor(5.0)

        def _load_from_state_dict(
            self, state_dict: Any, prefix: str, metadata: Any, strict: bool, missing: Any, unexpected: Any, errors: Any
        ) -> None:
            self.seen = (prefix, metadata.get("version"), strict, state_dict.pop(prefix + "more").item())
            super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, unexpected, errors)

        def get_extra_state(self) -> Any:
            return self.extra

        def set_extra_state(self, state: Any) -> None:
            self.extra = state

    m = T.nn.Sequential(Own(), T.nn.ReLU())
    state = m.state_dict()
    keys = list(state)
    m[0].extra = None
    result = m.load_state_dict(state)
    without = {key: value for key, value in m.state_dict().items() if "extra" not in key}
    return [
        keys,
        m[0].seen,
        m[0].extra,
        str(result),
        "more" in str(list(state)),
        caught(lambda: m.load_state_dict(without)),
    ]


def _state_hooks(T: Any) -> Any:
    seen: list[Any] = []
    m = T.nn.Sequential(T.nn.Linear(1, 1, bias=False))
    layer = m[0]
    layer.register_state_dict_pre_hook(lambda mod, prefix, keep: seen.append(("save", prefix, keep)))
    layer.register_state_dict_post_hook(lambda mod, state, prefix, meta: state.update({prefix + "new": T.ones(1)}))
    layer.register_load_state_dict_pre_hook(
        lambda mod, state, prefix, meta, strict, missing, unexpected, errors: state.pop(prefix + "new", None) and None
    )
    layer._register_load_state_dict_pre_hook(
        lambda state, prefix, *rest: seen.append(("load", prefix, len(rest))), with_module=False
    )
    handle = m.register_load_state_dict_post_hook(lambda mod, keys: seen.append(("done", list(keys.missing_keys))))
    state = m.state_dict()
    found = str(m.load_state_dict(state))
    handle.remove()
    m.load_state_dict(state)
    return [list(state), found, seen]


def _scalar(T: Any) -> Any:
    m = T.nn.Module()
    m.register_buffer("n", T.tensor(1.0))
    m.load_state_dict({"n": T.tensor([3.0])})
    return m.n


def _hooks(T: Any) -> Any:
    seen: list[Any] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *args: seen.append((name, len(args)))

    m = block(T).eval()
    m.register_forward_pre_hook(note("pre"))
    m.register_forward_pre_hook(note("pre first"), prepend=True)
    m.register_forward_pre_hook(lambda mod, args, kwargs: (args, {"factor": 3.0}), with_kwargs=True)
    m.register_forward_hook(note("after"))
    m.register_forward_hook(lambda mod, args, result: result + 1, prepend=True)
    handle = m.register_forward_hook(lambda mod, args, kwargs, result: seen.append(dict(kwargs)), with_kwargs=True)
    every = T.nn.modules.module.register_module_forward_hook(note("every"))
    first = m(T.ones(1, 2), factor=2.0)
    handle.remove()
    every.remove()
    with m.first.register_forward_hook(note("inner")):
        m(T.ones(1, 2))
    second = m(T.ones(1, 2))
    return [seen, (first == second).all().item()]


def _always(T: Any) -> Any:
    seen: list[Any] = []

    class Broken(T.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    m = Broken()
    m.register_forward_hook(lambda *args: seen.append("plain"))
    m.register_forward_hook(lambda mod, args, result: seen.append(result), always_call=True)
    return [caught(lambda: m(1)), seen]


def _backward_hooks(T: Any) -> Any:
    seen: list[Any] = []

    def lists(gradients: Any) -> Any:
        return [None if g is None else g.tolist() for g in gradients]

    m = T.nn.Sequential(T.nn.Linear(2, 3), T.nn.Tanh(), T.nn.Linear(3, 1))
    with T.no_grad():
        for p in m.parameters():
            p.fill_(0.5)
    handle = m[1].register_full_backward_hook(lambda mod, gi, go: seen.append(("tanh", lists(gi), lists(go))))
    m[2].register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    m[0].register_full_backward_hook(lambda mod, gi, go: seen.append(("linear", lists(gi), lists(go))))
    x = T.tensor([[1.0, 2.0]])
    m(x).sum().backward()
    weight = m[0].weight.grad.clone()
    x.requires_grad_()
    m[0].register_full_backward_hook(lambda mod, gi, go: (gi[0] * 10,))
    m(x).sum().backward()
    handle.remove()
    m(x).sum().backward()
    return [seen, weight, x.grad, m[0].weight.grad]


def _several_backward(T: Any) -> Any:
    seen: list[Any] = []

    class Pair(T.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, text: str, b: Any) -> Any:
            return a * b, text, a + 1

    m = Pair()
    m.register_full_backward_hook(
        lambda mod, gi, go: seen.append([[None if g is None else g.sum().item() for g in side] for side in (gi, go)])
    )
    a, b = T.ones(2, requires_grad=True), T.ones(2) * 3
    first, text, second = m(a, "x", b)
    (first * 2 + second).sum().backward()
    b.requires_grad_()
    m(a, "y", b)[0].sum().backward()
    return [seen, text, a.grad]


def _containers(T: Any) -> Any:
    nn = T.nn
    s = nn.Sequential(nn.ReLU(), nn.Tanh())
    s.append(nn.Sigmoid()).extend([nn.GELU()]).insert(1, nn.ELU())
    found = [plain(s), plain(s[1:3]), plain(s[-1]), len(s), plain(s + nn.Sequential(nn.SELU())), plain(s[::2])]
    del s[0]
    found += [plain(s), plain(s.pop(0)), plain(s.pop(-1)), list(s._modules)]
    s *= 2
    found += [plain(s), plain(nn.Sequential(nn.ReLU()) * 3), plain(2 * nn.Sequential(nn.ReLU()))]
    s += nn.Sequential(nn.CELU())
    s[0] = nn.Mish()
    found += [plain(s), plain(nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))[:1])]
    modules = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Linear(1, 2)])
    modules += [nn.Tanh()]
    modules.insert(0, nn.GELU())
    modules.append(nn.ReLU()).extend(nn.ModuleList([nn.ReLU()]))
    found += [
        plain(modules),
        plain(modules[1:3]),
        plain(modules.pop(1)),
        plain(modules + nn.ModuleList([nn.ELU()])),
        len(modules),
    ]
    del modules[1:3]
    modules[-1] = nn.Softplus()
    found += [plain(modules), [type(x).__name__ for x in modules], plain(nn.ModuleList()), modules[0] in modules]
    found += [[type(x).__name__ for x in reversed(modules)]]
    table = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    table["c"] = nn.GELU()
    table.update([("d", nn.ELU())])
    table.update(nn.ModuleDict({"e": nn.SELU()}))
    found += [plain(table), list(table), list(table.keys()), [type(x).__name__ for x in table.values()], "a" in table]
    found += [plain(table.pop("b")), len(table), [k for k, _ in table.items()]]
    del table["a"]
    found.append(plain(table))
    table.clear()
    return [*found, len(table), plain(table)]


def _parameters(T: Any) -> Any:
    nn = T.nn
    p = nn.ParameterList([T.ones(2, 3), nn.Parameter(T.ones(()))])
    p += [T.zeros(1)]
    p.append(nn.Parameter(T.ones(1), requires_grad=False)).extend([T.ones(2)])
    p[1] = nn.Parameter(T.ones(5))
    found = [plain(p), len(p), plain(p[1:3]), names(p.named_parameters()), list(p.state_dict())]
    found += [[x.requires_grad for x in p], [tuple(x.shape) for x in p], tuple(p[-1].shape)]
    d = nn.ParameterDict({"a": T.ones(2), "b": nn.Parameter(T.zeros(1))})
    d["c"] = T.ones(3)
    d.update([("e", T.ones(1))])
    found += [list(d), len(d), "a" in d, list(d.keys()), [k for k, _ in d.items()], list(d.state_dict())]
    found += [tuple(d.pop("a").shape), d.popitem()[0], list(d), d.get("zz", 7), tuple(d.setdefault("c").shape)]
    found += [list(d | nn.ParameterDict({"q": T.ones(1)})), list(d.copy()), list(reversed(d))]
    found += [list(nn.ParameterDict().fromkeys(["x", "y"], T.ones(1)))]
    del d["b"]
    d.clear()
    return [*found, len(d)]


def _container_mistakes(T: Any) -> Any:
    nn = T.nn
    s, items, table = nn.Sequential(nn.ReLU()), nn.ModuleList([nn.ReLU()]), nn.ModuleDict({"a": nn.ReLU()})
    return [
        caught(lambda: s[3]),
        caught(lambda: s[-2]),
        caught(lambda: s["a"]),
        caught(lambda: s.insert(5, nn.ReLU())),
        caught(lambda: s.append(3)),
        caught(lambda: s + 3),
        caught(lambda: s * 0),
        caught(lambda: s(1, 2)),
        caught(lambda: nn.Sequential(3)),
        caught(lambda: items.append(3)),
        caught(lambda: items.extend(3)),
        caught(lambda: items[4]),
        caught(lambda: items(1)),
        caught(lambda: nn.ModuleList([3])),
        caught(lambda: table["b"]),
        caught(lambda: table.pop("b")),
        caught(lambda: table.update(3)),
        caught(lambda: nn.ModuleDict({"a": 3})),
        caught(lambda: nn.ParameterList().extend(3)),
        caught(lambda: nn.ParameterDict().update(3)),
        caught(lambda: nn.ParameterDict()["q"]),
        caught(lambda: nn.ParameterDict({3: T.ones(1)})),
    ]


def _text(T: Any) -> Any:
    class Wide(T.nn.Module):  # type: ignore[misc]
        def __init__(self, deep: bool) -> None:
            super().__init__()
            if deep:
                self.inner = T.nn.Sequential(T.nn.Linear(1, 2), Wide(False))
                self.none = None
                self.register_module("hole", None)

        def extra_repr(self) -> str:
            return "one=1,\ntwo=2" if hasattr(self, "inner") else "alone=True"

    class Named(T.nn.Linear):  # type: ignore[misc]
        def _get_name(self) -> str:
            return "Other"

    return [plain(Wide(True)), plain(Wide(False)), plain(Named(1, 1)), plain(block(T)), plain(T.nn.Module())]


def _copies(T: Any) -> Any:
    m = T.nn.Sequential(T.nn.Linear(2, 2), T.nn.BatchNorm1d(2), T.nn.ModuleList([T.nn.ReLU()]))
    m[0].register_forward_hook(_doubled)
    m[1].weight = m[0].bias
    found = []
    file = io.BytesIO()
    pickle.dump(m, file)
    file.seek(0)
    for other in (copy.deepcopy(m), pickle.load(file)):
        found.append([plain(other) == plain(m), other[1].weight is other[0].bias, other[0].weight is m[0].weight])
        found.append([len(list(other.parameters())), other[1].running_mean.data_ptr() == m[1].running_mean.data_ptr()])
        found.append((other[0](T.ones(1, 2)) == m[0](T.ones(1, 2))).all().item())
    light = copy.copy(m)
    return [*found, light[0] is m[0], light._modules is m._modules]


def _doubled(module: Any, args: Any, result: Any) -> Any:
    return result * 2


def _submodules(T: Any) -> Any:
    m = block(T)
    m.set_submodule("second.act", T.nn.GELU())
    return [
        plain(m.second),
        caught(lambda: m.set_submodule("", T.nn.ReLU())),
        caught(lambda: m.set_submodule("third.act", T.nn.ReLU())),
        m.share_memory() is m,
    ]


def _several_bases(T: Any) -> Any:
    class Mixin:
        def __init__(self, *, note: str = "none") -> None:
            self.note = note

    class Both(T.nn.Module, Mixin):  # type: ignore[misc]
        call_super_init = True

    class Plain(T.nn.Module, Mixin):  # type: ignore[misc]
        pass

    return [Both(note="here").note, hasattr(Plain(), "note")]


def _compiled(T: Any) -> Any:
    m = T.nn.Sequential(T.nn.Linear(2, 2), T.nn.ReLU()).eval()
    x = T.ones(1, 2)
    wanted = m(x)
    if T.__name__ == "ingot":
        m.compile()
    result = m(x)
    return [((result - wanted).abs() < 1e-6).all().item(), list(m.state_dict())]


def _parallel(T: Any) -> Any:
    m = T.nn.DataParallel(T.nn.Linear(2, 1))
    with T.no_grad():
        m.module.weight.fill_(1.0), m.module.bias.fill_(0.5)
    x = T.ones(3, 2)
    return [m(x), list(m.state_dict()), plain(m)]


WALKS = {
    "parallel": _parallel,
    "walking": _walk,
    "lookups": _lookups,
    "assignments": _assignments,
    "changes": _changes,
    "gradients": _gradients,
    "overridden train": _frozen,
    "state": _state,
    "state that misfits": _misfits,
    "state assigned": _assigned,
    "own state": _own_state,
    "state hooks": _state_hooks,
    "state of scalars": _scalar,
    "hooks": _hooks,
    "hooks always": _always,
    "hooks of backward": _backward_hooks,
    "hooks of backward of several": _several_backward,
    "containers": _containers,
    "containers of parameters": _parameters,
    "container mistakes": _container_mistakes,
    "text": _text,
    "copies": _copies,
    "submodules": _submodules,
    "several bases": _several_bases,
    "compile": _compiled,
}

CASES = [
    Case(name, lambda T, call=call: call(T), seeded=True, jit=False, dtypes=("float32",))
    for name, call in WALKS.items()
]
