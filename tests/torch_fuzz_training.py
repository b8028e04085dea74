"""Random sessions of training: modules, optimisers and surroundings that change between calls of compiled functions.

A session is Python source: a network, an optimiser, functions that use them, and actions one after another. It runs
under PyTorch, under ingot, and with the functions compiled; what the actions return and the final state are compared.
"""

from __future__ import annotations

import random
import sys
import warnings
from typing import Any

import numpy as np
import torch

import ingot

LAYERS = [
    "T.nn.Linear(4, 4)",
    "T.nn.Linear(4, 4, bias=False)",
    "T.nn.ReLU()",
    "T.nn.ReLU(inplace=True)",
    "T.nn.Tanh()",
    "T.nn.LeakyReLU(0.1)",
    "T.nn.BatchNorm1d(4)",
    "T.nn.BatchNorm1d(4, momentum=None)",
    "T.nn.LayerNorm(4)",
    "T.nn.Dropout(0.5)",
    "T.nn.ELU()",
    "T.nn.Softplus()",
]
OPTIMIZERS = [
    "T.optim.SGD(net.parameters(), lr=0.1)",
    "T.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)",
    "T.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)",
    "T.optim.Adam(net.parameters(), lr=0.01)",
    "T.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1)",
    "T.optim.RMSprop(net.parameters(), lr=0.01)",
    "T.optim.Adam([dict(params=list(net.parameters())[:1], lr=0.1), dict(params=list(net.parameters())[1:])], lr=0.01)",
]
# What the functions read of the surroundings: a number, a dict, a list, an object, another function, a buffer.
FUNCTIONS = """
scale, config, items = 1.0, {'power': 2, 'on': True}, [1.0, 2.0]
class Options: pass
options = Options(); options.gain = 1.5; options.nested = Options(); options.nested.bias = 0.5
memory = T.zeros(4, dtype=T.float64)
frozen = T.ones(4, dtype=T.float64)
def inner(x):
    return x * scale + options.nested.bias
inner = jit(inner)
def step(x, y):
    opt.zero_grad()
    out = net(x)
    loss = ((out * options.gain - y).abs() ** config['power']).mean()
    loss.backward()
    opt.step()
    return loss.detach(), out.detach()
step = jit(step)
def predict(x):
    with T.no_grad():
        return inner(net(x)) * frozen
predict = jit(predict)
def remember(x):
    memory.mul_(0.5).add_(x.mean(0))
    return memory * items[0] + len(items) + (frozen if config['on'] else 0)
remember = jit(remember)
def noise(x):
    return x + T.randn(4) * 0.1, T.rand(2), T.randperm(5)
noise = jit(noise)
def made(x):
    a = T.tensor([1.0, 2.0]); b = T.zeros(2); c = T.full((2,), 0.5)
    return a + b + c + x.sum()
made = jit(made)
def outside(x):
    return net(inner(x))
outside = jit(outside)
"""


def actions(draw: random.Random) -> list[str]:
    """A statement that ends with `log(...)`, or one that changes something."""
    x, y = draw.choice(["x0", "x1", "x2"]), draw.choice([0.5, 2.0])
    layer = f"net[{draw.randrange(3)}]"
    parameter = f"list(net.parameters())[{draw.randrange(4)} % len(list(net.parameters()))]"
    group = "opt.param_groups[0]"
    return [
        draw.choice([f"log(*step({x}, {x} * {y}))"] * 8),
        draw.choice([f"log(*step({x}, {x} * {y}))"] * 8),
        f"log(predict({x}))",
        f"log(predict({x}))",
        f"log(remember({x}))",
        f"T.manual_seed({draw.randrange(9)}); log(*noise({x}))",
        f"log(*noise({x}))",
        f"log(made({x}))",
        f"out = outside({x}); out.sum().backward(); log(out)",
        "state = T.get_rng_state(); log(*noise(x0)); T.set_rng_state(state); log(*noise(x0))",
        draw.choice(
            [
                "net.eval()",
                "net.train()",
                f"{layer}.eval()",
                f"{layer}.train()",
                f"net[{draw.randrange(3)}] = {draw.choice(LAYERS[2:9])}.double()",
                f"net.append({draw.choice(LAYERS)}.double())",
                f"setattr({layer}, 'p', {draw.choice([0.0, 0.2])})",
                f"setattr({layer}, 'eps', {draw.choice([1e-5, 0.1])})",
                f"setattr({layer}, 'negative_slope', 0.3)",
                f"setattr({layer}, 'momentum', 0.5)",
            ]
        ),
        draw.choice(
            [
                f"{parameter}.data = T.full_like({parameter}, 0.25)",
                f"{parameter}.data.mul_(0.5)",
                f"{parameter}.requires_grad_(False)",
                f"{parameter}.requires_grad_(True)",
                f"{parameter}.grad = None",
                f"with T.no_grad(): {parameter}.add_(0.1)",
                "if isinstance(net[0], T.nn.Linear): net[0].weight = T.nn.Parameter(T.eye(4, dtype=T.float64))",
                "if hasattr(net[0], 'bias') and net[0].bias is not None: net[0].bias = None",
                "kept = {k: v.clone() for k, v in net.state_dict().items()}; step(x0, x0); net.load_state_dict(kept)",
                "net.float(); net.double()",
                "T.nn.init.constant_(list(net.parameters())[0], 0.3) if list(net.parameters()) else None",
                "handle = net[0].register_forward_hook(lambda m, i, o: o * 2); log(predict(x0)); handle.remove()",
            ]
        ),
        draw.choice(
            [
                f"{group}['lr'] = {draw.choice([0.0, 0.02, 0.3])}",
                f"{group}['weight_decay'] = {draw.choice([0, 0.05])}",
                f"if 'momentum' in {group}: {group}['momentum'] = {draw.choice([0.5, 0.8])}",
                f"if 'betas' in {group}: {group}['betas'] = (0.8, 0.99)",
                f"opt = {draw.choice(OPTIMIZERS)}",
                "saved = opt.state_dict(); log(*step(x0, x0)); opt.load_state_dict(saved)",
                "opt.state.clear()",
                "opt.zero_grad(set_to_none=False)",
            ]
        ),
        draw.choice(
            [
                f"scale = {draw.choice([1.0, 2, 3.5])}",
                f"config['power'] = {draw.choice([1, 2, 3])}",
                f"config['on'] = {draw.choice([True, False])}",
                f"items[0] = {draw.choice([2.0, 0.5])}",
                "items.append(1.0)",
                f"options.gain = {draw.choice([1.0, 0.5])}",
                f"options.nested.bias = {draw.choice([1.0, -0.5])}",
                "options.nested = Options(); options.nested.bias = 0.75",
                "memory = T.ones(4, dtype=T.float64)",
                "memory.zero_()",
                "frozen.mul_(1.5)",
                "frozen = T.full((4,), 0.5, dtype=T.float64)",
                "frozen = frozen.float()",
                f"T.set_default_dtype(T.{draw.choice(['float32', 'float64'])})",
                "x0 = x0.t().contiguous().t()",
                "x1 = x1[::2]",
                "x2 = x0",
                "x0.mul_(0.9)",
                "inner = jit(lambda x: x - scale)",
                "T.set_grad_enabled(False); log(predict(x0)); T.set_grad_enabled(True)",
            ]
        ),
    ]


def session(seed: int) -> tuple[str, list[str]]:
    """What comes first, and the actions."""
    draw = random.Random(seed)
    layers = ["T.nn.Linear(4, 4)", draw.choice(LAYERS), draw.choice(LAYERS)]
    first = (
        "T.manual_seed(0)\n"
        f"net = T.nn.Sequential({', '.join(layers)})\n"
        "net.double()\n"
        f"opt = {draw.choice(OPTIMIZERS)}\n"
        "x0, x1, x2 = (T.tensor(a) for a in arrays)\n" + FUNCTIONS
    )
    return first, [draw.choice(actions(draw)) for _ in range(draw.randrange(4, 16))]


def run(T: Any, jit: Any, first: str, steps: list[str]) -> list[Any]:
    """What the session logs, and its state at the end; the first exception ends it."""
    logged: list[Any] = []
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal(shape).astype(np.float64) for shape in ((6, 4), (4, 4), (3, 4))]

    def log(*tensors: Any) -> None:
        for tensor in tensors:
            logged.append((str(tensor.dtype).split(".")[-1], tensor.requires_grad, np.array(tensor.detach().numpy())))

    space: dict[str, Any] = {"T": T, "jit": jit, "arrays": arrays, "log": log, "__name__": "session"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(first, "<session>", "exec"), space)
            for step in steps:
                exec(compile(step, f"<{step}>", "exec"), space)
        for name, value in sorted(space["net"].state_dict().items()):
            logged.append((name, False, np.array(value.numpy())))
        for number, parameter in enumerate(space["net"].parameters()):
            grad = parameter.grad
            logged.append((f"grad {number}", grad is not None, np.zeros(0) if grad is None else np.array(grad.numpy())))
        log(space["memory"], space["frozen"])
    except Exception as error:
        logged.append(error)
    finally:
        T.set_default_dtype(T.float32)
        T.set_grad_enabled(True)
    return logged


def differs(ours: list[Any], theirs: list[Any]) -> str | None:
    """The first difference of two runs."""
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if isinstance(a, Exception) or isinstance(b, Exception):
            if (
                isinstance(b, KeyError)
                or "modified by an inplace" in str(b)
                or (isinstance(a, Exception) and isinstance(b, Exception))
            ):
                return None
            return f"entry {number}: {str(a)[:300]!r} and {str(b)[:300]!r}"
        if a[:2] != b[:2] or a[2].shape != b[2].shape:
            return f"entry {number}: {a[:2]} {a[2].shape} and {b[:2]} {b[2].shape}"
        if not np.allclose(a[2], b[2], rtol=1e-6, atol=1e-7, equal_nan=True):
            return f"entry {number} ({a[0]}): {a[2]} and {b[2]}".replace("\n", " ")
    return None if len(ours) == len(theirs) else f"{len(ours)} and {len(theirs)} entries"


def failure(first: str, steps: list[str]) -> str | None:
    """How the runs differ."""
    theirs = run(torch, lambda f: f, first, steps)
    told = differs(run(ingot, lambda f: f, first, steps), theirs)
    if told is not None:
        return f"eager and torch: {told}"
    told = differs(run(ingot, ingot.jit, first, steps), theirs)
    return None if told is None else f"jit and torch: {told}"


def shrunk(first: str, steps: list[str]) -> list[str]:
    """The actions without those that the failure does not need."""
    changed = True
    while changed:
        changed = False
        for i in reversed(range(len(steps))):
            if failure(first, steps[:i] + steps[i + 1 :]) is not None:
                steps, changed = steps[:i] + steps[i + 1 :], True
    return steps


if __name__ == "__main__":
    failed = 0
    start, count = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(start, start + count):
        begun, done = session(seed)
        if failure(begun, done) is not None:
            failed += 1
            done = shrunk(begun, done)
            print(f"--- seed {seed}: {str(failure(begun, done))[:600]}")
            print("\n".join([*begun.split("\n")[1:3], *[f"  {line}" for line in done]]), flush=True)
    print(f"{count} sessions, {failed} fail")
