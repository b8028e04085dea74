"""What programs ask of their surroundings: devices, backends, settings, precision; and how older programs look."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from peer import Case, nograd, real


def environment() -> list[Case]:
    return [
        Case(
            "cuda answers",
            lambda T: [
                T.cuda.is_available(),
                T.cuda.device_count(),
                T.cuda.memory_allocated(),
                T.cuda.is_initialized(),
                T.cuda.manual_seed(0),
                T.cuda.manual_seed_all(0),
                T.cuda.empty_cache(),
                T.cuda.memory_reserved(),
                isinstance(T.ones(1), T.cuda.FloatTensor),
            ],
            jit=False,
        ),
        Case("backends", lambda T: backends(T), jit=False),
        Case("settings", lambda T: settings(T), jit=False),
        Case("amp off", lambda T, x: amp(T, x), [real(3)], jit=False),
        Case(
            "testing",
            lambda T, x: [
                T.testing.assert_close(x, x + 1e-9),
                T.testing.assert_close([x, 1.0], [x, 1.0]),
                T.testing.assert_close(1, 1),
                T.testing.assert_close({"a": x}, {"a": x}),
            ],
            [nograd(real(3))],
            jit=False,
        ),
        Case(
            "special functions",
            lambda T, x: [
                T.special.expm1(x),
                T.special.erf(x),
                T.special.expit(x),
                T.special.xlogy(x.abs(), x.abs()),
                T.special.entr(x.abs()),
                T.special.ndtr(x),
                T.special.log_ndtr(x),
                T.special.i0(x),
                T.special.i0e(x),
                T.special.i1(x),
                T.special.sinc(x),
                T.special.erfcx(x),
                T.special.logsumexp(x, 0),
                T.special.xlog1py(x, x.abs()),
                T.special.multigammaln(x + 5, 2),
                T.special.digamma(x.abs() + 0.5),
                T.special.exp2(x),
                T.special.softmax(x, 0),
                T.special.log_softmax(x, 0),
                T.special.gammaln(x.abs() + 0.5),
            ],
            [real(5)],
            rtol=2e-4,
        ),
        Case(
            "special functions without gradient",
            lambda T, x: [
                T.special.ndtri(x.abs() / 4 + 0.1),
                T.special.zeta(x.abs() + 1.5, x.abs() + 0.5),
                T.special.polygamma(2, x.abs() + 0.5),
                T.special.gammainc(x.abs() + 0.5, x.abs()),
                T.special.gammaincc(x.abs() + 0.5, x.abs() + 3),
                T.special.i1e(x),
            ],
            [nograd(real(9))],
            rtol=1e-4,
        ),
        Case(
            "pytree",
            lambda T, x: [
                T.utils._pytree.tree_map(lambda v: v + 1, {"a": x, "b": [x, 2]}),
                T.utils._pytree.tree_unflatten(*T.utils._pytree.tree_flatten([x, (x, 3)])),
                T.utils._pytree.tree_leaves({"a": 1}),
            ],
            [real(3)],
            jit=False,
        ),
        Case(
            "fft without transforms",
            lambda T, x: [
                T.fft.fftfreq(5),
                T.fft.fftfreq(6, 0.5),
                T.fft.rfftfreq(7),
                T.fft.fftshift(x),
                T.fft.ifftshift(x, dim=1),
                T.fft.fftshift(x, (0,)),
            ],
            [real(3, 4)],
        ),
        Case(
            "complex dtypes by name",
            lambda T, x: [
                x.dtype == T.complex64,
                x.dtype is T.cfloat,
                T.complex64.is_complex,
                T.complex128.is_floating_point,
                str(T.complex64).split(".")[1],
            ],
            [nograd(real(3))],
            jit=False,
        ),
        Case(
            "names",
            lambda T, x: [
                T.typename(x).split(".")[1],
                T.typename([]),
                T.is_autocast_enabled(),
                T.get_device(x),
                T.detach(x),
            ],
            [nograd(real(3))],
            dtypes=("float32",),
            jit=False,
        ),
        Case.misuse("assert_close far", lambda T, x: T.testing.assert_close(x, x + 1), [real(3)]),
        Case.misuse("assert_close shapes", lambda T, x: T.testing.assert_close(x, x[:2]), [real(3)]),
        Case.misuse("assert_close dtypes", lambda T, x: T.testing.assert_close(x, x.double()), [real(3)]),
        Case.misuse("cuda synchronize", lambda T: T.cuda.synchronize()),
        Case.misuse("cuda device name", lambda T: T.cuda.get_device_name(0)),
        Case.misuse("cuda current device", lambda T: T.cuda.current_device()),
        Case.misuse("set_num_threads", lambda T: T.set_num_threads(0)),
    ]


def backends(T: Any) -> Any:
    import importlib

    cudnn: Any = importlib.import_module(f"{T.__name__}.backends.cudnn")
    before = cudnn.benchmark
    cudnn.benchmark = True
    made = [
        T.backends.cudnn.benchmark,
        T.backends.cudnn.deterministic,
        T.backends.cudnn.is_available(),
        T.backends.mps.is_available(),
        T.backends.cuda.matmul.allow_tf32,
        T.backends.cudnn.version(),
        T.backends.cuda.is_built(),
    ]
    with T.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        pass
    cudnn.benchmark = before
    return made


def settings(T: Any) -> Any:
    T.use_deterministic_algorithms(True, warn_only=True)
    made = [T.are_deterministic_algorithms_enabled(), T.is_deterministic_algorithms_warn_only_enabled()]
    T.use_deterministic_algorithms(False)
    T.set_float32_matmul_precision("high")
    made.append(T.get_float32_matmul_precision())
    T.set_float32_matmul_precision("highest")
    count = T.get_num_threads()
    T.set_num_threads(1)
    made.append(T.get_num_threads())
    T.set_num_threads(count)
    return [*made, isinstance(T.__version__, str), T.version.cuda, T.get_default_device().type]


def amp(T: Any, x: Any) -> Any:
    with T.autocast("cpu", enabled=False):
        y = x * 2
    with T.amp.autocast("cuda", dtype=T.float16, enabled=False):
        z = x @ x
    with T.cuda.amp.autocast(enabled=False):
        w = x + 1
    scaler = T.cuda.amp.GradScaler(enabled=False)
    return [y, z, w, scaler.scale(y), scaler.get_scale(), scaler.is_enabled()]


def older(T: Any) -> Any:
    """How programs of some years ago are written: constructors by dtype, Variables, a choice of devices."""
    Variable = T.autograd.Variable
    Tensor = T.cuda.FloatTensor if T.cuda.is_available() else T.FloatTensor
    valid = Variable(Tensor(2, 1).fill_(1.0), requires_grad=False)
    noise = Variable(Tensor(np.arange(6.0).reshape(2, 3)))
    real_ones = Variable(T.ones(2, 3).double().type(Tensor))
    alpha = Tensor(np.array([[0.25], [0.75]]))
    mixed = (alpha * real_ones + ((1 - alpha) * noise)).requires_grad_(True)
    critic = (mixed**2).sum(1, keepdim=True)
    slope = T.autograd.grad(
        outputs=critic, inputs=mixed, grad_outputs=valid, create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    penalty = ((slope.view(slope.size(0), -1).norm(2, dim=1) - 1) ** 2).mean()
    device = T.device("cuda" if T.cuda.is_available() else "cpu")
    labels = Variable(T.LongTensor(np.array([1, 2]))).to(device)
    return [valid, noise, real_ones, penalty, labels, isinstance(noise, Variable), isinstance(noise, T.FloatTensor)]


def encoded(T: Any) -> Any:
    """Positions as sines and cosines, and a causal mask, as transformers make them."""
    table, place = T.zeros(4, 6), T.arange(0, 4).unsqueeze(1).float()
    rate = T.exp(T.arange(0, 6, 2).float() * -(math.log(10000.0) / 6))
    table[:, 0::2] = T.sin(place * rate)
    table[:, 1::2] = T.cos(place * rate)
    mask = T.full((3, 3), float("-inf")).triu_(1)
    scores = T.zeros(3, 3) + mask
    return [table, mask, T.triu(T.ones(3, 3), diagonal=1).bool(), scores.softmax(-1)]


def programs() -> list[Case]:
    return [
        Case("an older program", lambda T: older(T), jit=False),
        Case("positions and masks", lambda T: encoded(T)),
    ]


CASES = environment() + programs()
