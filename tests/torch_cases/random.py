"""Random numbers: PyTorch's for the same seed."""

from __future__ import annotations

from typing import Any

from peer import Case, Input, integer, nograd, real, unit

SIZES = (0, 1, 2, 7, 8, 15, 16, 17, 24, 31, 32, 33, 40, 100)


def drawn(draw: Any, name: str, inputs: list[Input] | None = None, **options: Any) -> Case:
    """Two draws and what the generator gives after them."""
    return Case(
        name,
        lambda T, *x: [draw(T, *x), draw(T, *x), T.rand(3), T.randn(3)],
        inputs or [],
        seeded=True,
        grad=False,
        **options,
    )


def filled(name: str, *args: Any, **options: Any) -> Any:
    return lambda T, x: getattr(x.clone(), name)(*args, **options)


def of_sizes() -> list[Case]:
    cases = []
    for n in SIZES:
        cases.append(drawn(lambda T, n=n: [T.randn(n), T.randn(n, dtype=T.float64)], f"randn({n})"))
        cases.append(drawn(lambda T, n=n: [T.rand(n), T.rand(n, dtype=T.float64)], f"rand({n})"))
        cases.append(drawn(lambda T, n=n: T.zeros(n).normal_(1.0, 2.0), f"normal_ of {n}"))
        cases.append(drawn(lambda T, n=n: T.zeros(n, dtype=T.float64).normal_(), f"normal_ of {n} float64"))
        cases.append(drawn(lambda T, n=n: T.zeros(n).uniform_(-1, 3), f"uniform_ of {n}"))
        cases.append(drawn(lambda T, n=n: T.randperm(n), f"randperm({n})"))
    for kind in ("float16", "bfloat16"):
        for n in (5, 16, 40):
            cases.append(
                drawn(
                    lambda T, n=n, k=kind: [T.randn(n, dtype=getattr(T, k)), T.rand(n, dtype=getattr(T, k))],
                    f"randn rand({n}) {kind}",
                )
            )
    return cases


CASES = [
    *of_sizes(),
    drawn(lambda T: [T.rand(2, 3), T.randn((4, 5)), T.randn([2]), T.rand(()), T.randn(())], "shapes"),
    drawn(
        lambda T: [
            T.randn(size=(2, 3)),
            T.rand(size=(3,)),
            T.randn(T.Size([2])),
            T.randint(5, size=(2,)),
            T.randint(high=5, size=(2,)),
            T.randint(low=1, high=5, size=(2,)),
        ],
        "size by name",
    ),
    drawn(
        lambda T: [
            T.randint(10, (5,)),
            T.randint(-5, 5, (3, 2)),
            T.randint(0, 2**40, (4,)),
            T.randint(3, (4,), dtype=T.int32),
            T.randint(0, 2, (4,), dtype=T.uint8),
            T.randint(5, (3,), dtype=T.float32),
            T.randint(2, (5,), dtype=T.bool),
        ],
        "randint",
    ),
    drawn(lambda T: [T.randperm(5, dtype=T.int32), T.randperm(5, device="cpu")], "randperm options"),
    drawn(
        lambda T, x, i: [
            T.rand_like(x),
            T.randn_like(x),
            T.randint_like(x, 5),
            T.randint_like(i, 1, 9),
            T.rand_like(x, dtype=T.float64),
            T.randn_like(i, dtype=T.float32),
            T.rand_like(x, memory_format=T.preserve_format),
        ],
        "likes",
        [real(3, 7), integer(4)],
        dtypes=("float32", "float64"),
    ),
    drawn(
        lambda T: [
            T.normal(0.0, 1.0, (5,)),
            T.normal(2.0, 3.0, (20,)),
            T.normal(T.arange(5.0), T.arange(1.0, 6.0)),
            T.normal(T.arange(20.0)),
            T.normal(T.arange(5.0), 2.0),
            T.normal(1.0, T.arange(1.0, 6.0)),
            T.normal(mean=T.zeros(3), std=T.ones(3)),
            T.normal(0.0, 1.0, size=(3,)),
        ],
        "normal",
    ),
    drawn(filled("normal_"), "normal_ layouts", [real(6, 8)]),
    drawn(filled("uniform_"), "uniform_ layouts", [real(6, 8)]),
    drawn(lambda T: T.zeros(8, 6).t().normal_(), "normal_ transposed"),
    drawn(lambda T: T.zeros(8, 6).t().uniform_(), "uniform_ transposed"),
    drawn(lambda T: T.zeros(8, 6)[:, ::2].normal_(), "normal_ sliced"),
    drawn(lambda T: T.zeros(8, 6)[:, ::2].uniform_(), "uniform_ sliced"),
    drawn(lambda T: T.zeros(8, 6)[::2].random_(5), "random_ sliced"),
    drawn(
        lambda T: [
            T.zeros(5).random_(),
            T.zeros(5).random_(7),
            T.zeros(5).random_(-3, 9),
            T.zeros(5, dtype=T.int64).random_(),
            T.zeros(5, dtype=T.int32).random_(),
            T.zeros(5, dtype=T.uint8).random_(),
            T.zeros(5, dtype=T.float64).random_(),
        ],
        "random_",
    ),
    drawn(
        lambda T: [
            T.zeros(5).exponential_(),
            T.zeros(20).exponential_(2.0),
            T.zeros(5, dtype=T.float64).exponential_(),
        ],
        "exponential_",
    ),
    drawn(lambda T: [T.zeros(5).geometric_(0.3), T.zeros(20, dtype=T.int64).geometric_(0.5)], "geometric_"),
    drawn(
        lambda T: [
            T.zeros(5).log_normal_(),
            T.zeros(20).log_normal_(0.5, 0.2),
            T.zeros(20, dtype=T.float64).log_normal_(),
        ],
        "log_normal_",
    ),
    drawn(
        lambda T: [T.zeros(5).cauchy_(), T.zeros(20).cauchy_(1.0, 2.0), T.zeros(5, dtype=T.float64).cauchy_()],
        "cauchy_",
    ),
    drawn(
        lambda T, p: [
            T.bernoulli((p + 1) / 2),
            ((p + 1) / 2).bernoulli(),
            T.zeros(3, 7).bernoulli_((p.float() + 1) / 2),
        ],
        "bernoulli",
        [nograd(unit(3, 7))],
        dtypes=("float32", "float64"),
    ),
    Case(
        "bernoulli number",
        lambda T: [
            tuple(T.zeros(1000).bernoulli_(0.0).shape),
            T.zeros(9).bernoulli_(1.0),
            T.zeros(9).bernoulli_(0.0),
            T.bernoulli(T.ones(4)),
        ],
        grad=False,
    ),
    drawn(
        lambda T: [
            T.multinomial(T.tensor([0.1, 0.2, 0.7]), 2),
            T.multinomial(T.tensor([0.1, 0.2, 0.7]), 9, replacement=True),
            T.multinomial(T.tensor([[1.0, 2, 3], [3, 2, 0]]), 1),
            T.multinomial(T.tensor([[1.0, 2, 3], [3, 2, 1]]), 3),
        ],
        "multinomial",
    ),
    drawn(lambda T: [T.poisson(T.tensor([0.0, 0.5, 3.0, 9.0])), T.poisson(T.full((6,), 40.0))], "poisson", jit=False),
    Case("generators", lambda T: generators(T), grad=False, jit=False),
    Case("states", lambda T: states(T), grad=False, jit=False),
    Case("fork_rng", lambda T: forked(T), grad=False, jit=False),
    Case("seeds", lambda T: seeds(T), grad=False, jit=False),
    Case.misuse("normal negative std", lambda T: T.normal(0.0, -1.0, (3,))),
    Case.misuse("uniform_ crossed", lambda T: T.zeros(3).uniform_(2, 1)),
    Case.misuse("randint empty", lambda T: T.randint(5, 5, (3,))),
    Case.misuse("bernoulli outside", lambda T: T.zeros(3).bernoulli_(1.5)),
    Case.misuse("bernoulli of probabilities outside", lambda T: T.bernoulli(T.tensor([1.5]))),
    Case.misuse("multinomial too many", lambda T: T.multinomial(T.tensor([0.5, 0.5]), 3)),
    Case.misuse("multinomial negative", lambda T: T.multinomial(T.tensor([-0.5, 0.5]), 1)),
    Case.misuse("exponential rate", lambda T: T.zeros(3).exponential_(0.0)),
    Case.misuse("geometric outside", lambda T: T.zeros(3).geometric_(1.5)),
    Case.misuse("cauchy scale", lambda T: T.zeros(3).cauchy_(0.0, -1.0)),
]


def generators(T: Any) -> Any:
    g = T.Generator().manual_seed(5)
    before = g.get_state()
    made = [
        T.rand(3, generator=g),
        T.randn(20, generator=g),
        T.randint(9, (3,), generator=g),
        T.randperm(5, generator=g),
    ]
    made += [T.zeros(3).normal_(generator=g), T.zeros(3).uniform_(generator=g), T.zeros(3).random_(generator=g)]
    made += [T.bernoulli(T.full((3,), 0.5), generator=g), T.multinomial(T.ones(4), 2, generator=g)]
    made += [T.normal(0.0, 1.0, (3,), generator=g), T.zeros(3).exponential_(generator=g)]
    g.set_state(before)
    return [*made, T.rand(3, generator=g), g.initial_seed(), str(g.device), before.dtype, before.dim()]


def states(T: Any) -> Any:
    T.manual_seed(3)
    state = T.get_rng_state()
    a = [T.rand(2), T.randn(3)]
    T.set_rng_state(state)
    b = [T.rand(2), T.randn(3)]
    return [a, b, state.dtype, T.random.get_rng_state().dtype]


def forked(T: Any) -> Any:
    T.manual_seed(3)
    with T.random.fork_rng():
        inner = T.rand(2)
    return [inner, T.rand(2)]


def seeds(T: Any) -> Any:
    g = T.manual_seed(7)
    return [
        T.initial_seed(),
        g.initial_seed(),
        isinstance(g, T.Generator),
        isinstance(T.seed(), int),
        T.default_generator.manual_seed(1).initial_seed(),
        T.random.initial_seed(),
    ]
