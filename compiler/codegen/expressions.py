"""Kernel expressions -> registers: scalars outside vector loops, lanes inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.scalar import Scalar
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Apply, Buffer, Expr, Index, Literal, Load, Name, Position, Store
from ingot.runtime.dtypes import DType

MEMORY = {"bool": "i8", "f16": "f16", "bf16": "bf16", "f32": "f32", "f64": "f64"}


# Ops whose result on half types needs no rounding: they choose, or change a sign, or (cast) have rounded by themselves.
EXACT = frozenset(("neg", "abs", "sign", "select", "maximum", "minimum", "floor", "ceil", "round", "trunc", "cast"))


def memory_elt(dtype: DType) -> str:
    """How an element lies in memory: bool is a byte, unsigned integers are plain bits."""
    return MEMORY.get(dtype.short) or f"i{dtype.itemsize * 8}"


def register_elt(dtype: DType) -> str:
    """What an element is computed in: bool is one bit, half types are float32."""
    if dtype.kind == "b":
        return "i1"
    return "f32" if dtype.short in ("f16", "bf16") else memory_elt(dtype)


@dataclass
class Expressions:
    """Evaluates expressions at one place of a kernel: `env` gives the axes, `lanes` of `vector_axis` run at once.

    Lanes off in `mask` neither read nor write memory. Equal expressions give the same register.
    """

    f: Function
    scalar: Scalar
    buffers: Sequence[Buffer]
    pointers: Sequence[Reg]
    env: Mapping[str, Reg]
    sizes: Callable[[Size], Reg]
    vector_axis: str | None = None
    lanes: int = 1
    mask: Reg | None = None
    names: dict[str, Reg] = field(default_factory=dict)
    stream: bool = False  # whether results start on cache lines, so that stores may bypass the caches
    known: dict[int, tuple[Expr, Reg]] = field(default_factory=dict)

    def value(self, expr: Expr) -> Reg:
        """The expression in its register type (`register_elt`), with one lane where it is the same in all."""
        known = self.known.get(id(expr))
        if known is None:
            known = expr, self._compute(expr)
            self.known[id(expr)] = known
        return known[1]

    def _compute(self, expr: Expr) -> Reg:
        match expr:
            case Literal(dtype, number):
                return self.f.const(register_elt(dtype), number)
            case Name(name):
                return self.names[name]
            case Position(index, dtype):
                return self._position(index, dtype)
            case Load():
                return self._load(expr)
            case Apply(op, args, _, attrs):
                result: Reg = op.lower(self.scalar, self._dtype(args[0]), *map(self.value, args), **dict(attrs))
                if expr.dtype.short in ("f16", "bf16") and op.name not in EXACT:
                    result = self.scalar.widen(self.scalar.narrow(result, memory_elt(expr.dtype)))
                return result

    @staticmethod
    def _dtype(expr: Expr) -> DType:
        return expr.dtype

    def _position(self, index: Index, dtype: DType) -> Reg:
        base, stride, spread = self._offsets(index)
        at = base if spread is None else self.f.add(base, spread)
        if stride is not None:
            at = self.f.add(at, self.f.mul(self.f.iota("i64", self.lanes), stride))
        elt = register_elt(dtype)
        if elt in ("f32", "f64"):
            return self.f.cast("sitofp", at, elt)
        return at if elt == "i64" else self.f.cast("trunc", at, elt)

    def _offsets(self, index: Index) -> tuple[Reg, Reg | None, Reg | None]:
        """(scalar offset, stride between lanes or None, offsets that differ by lane or None), in elements."""
        f, base, stride, spread = self.f, self.sizes(index.offset), None, None
        for axis, step in sorted(index.terms, key=lambda t: self.env[t[0]].level):
            step_reg = self.sizes(step)
            base = f.add(base, f.mul(self.env[axis], step_reg))
            if axis == self.vector_axis and self.lanes > 1:
                stride = step_reg
        for expr, step in index.computed:
            term = f.mul(self.value(expr), self.sizes(step))
            if term.lanes == 1:
                base = f.add(base, term)
            else:
                spread = term if spread is None else f.add(spread, term)
        return base, stride, spread

    def _address(self, buffer: int, index: Index, width: int) -> tuple[Reg, bool]:
        """(one pointer to neighbouring lanes, True) or (a pointer per lane, or one for all lanes, False)."""
        base, stride, spread = self._offsets(index)
        pointer = self.f.offset(self.pointers[buffer], base, width)
        if spread is None and stride is not None and stride.literal == 1:
            return pointer, True
        if stride is not None:
            steps = self.f.mul(self.f.iota("i64", self.lanes), stride)
            spread = steps if spread is None else self.f.add(spread, steps)
        return (pointer if spread is None else self.f.offset(pointer, spread, width)), False

    def _load(self, load: Load) -> Reg:
        f, elt, pure = self.f, memory_elt(load.dtype), self.buffers[load.buffer].access == "read"
        pointer, neighbours = self._address(load.buffer, load.at, load.dtype.itemsize)
        when = self.value(load.when) if load.when is not None else None
        if neighbours:
            raw = f.load(pointer, elt, self.lanes, mask=self._lanes_on(when), pure=pure)
        elif pointer.lanes > 1:
            raw = f.gather(pointer, elt, mask=self._lanes_on(when), pure=pure)
        elif when is not None and when.lanes > 1:
            raw = f.gather(f.splat(pointer, when.lanes), elt, mask=self._lanes_on(when), pure=pure)
        else:
            raw = f.load(pointer, elt, mask=when, pure=pure)
        return self._widen(raw, load.dtype)

    def _widen(self, raw: Reg, dtype: DType) -> Reg:
        if dtype.kind == "b":
            return self.f.cmp("ne", raw, self.f.like(raw, 0))
        return self.scalar.widen(raw) if dtype.short in ("f16", "bf16") else raw

    def _lanes_on(self, when: Reg | None) -> Reg | None:
        """The lanes that may touch memory: those of the loop, and of the access's own condition."""
        if when is None:
            return self.mask
        when = self.f.splat(when, self.lanes)
        return when if self.mask is None else self.f.and_(self.mask, when)

    def memory_value(self, value: Reg, dtype: DType) -> Reg:
        """A register in the form in which it lies in memory."""
        if dtype.kind == "b":
            return self.f.cast("zext", value, "i8")
        return self.scalar.narrow(value, memory_elt(dtype)) if dtype.short in ("f16", "bf16") else value

    def evaluate(self, store: Store) -> None:
        """Compute what a later `store` writes. Statements side by side read before any of them writes."""
        self.value(store.expr)
        if store.when is not None:
            self.value(store.when)

    def store_all(self, stores: Sequence[Store]) -> None:
        for store in stores:
            self.store(store)

    def store(self, store: Store) -> None:
        """Write an element, or the lanes that are on."""
        f, dtype = self.f, self.buffers[store.buffer].dtype
        value = self.memory_value(self.value(store.expr), dtype)
        pointer, neighbours = self._address(store.buffer, store.at, dtype.itemsize)
        when = self.value(store.when) if store.when is not None else None
        if neighbours:
            mask = self._lanes_on(when)
            stream = self.stream and store.stream and mask is None
            f.store(f.splat(value, self.lanes), pointer, mask=mask, align=64 if stream else 0, stream=stream)
        elif pointer.lanes > 1:
            f.scatter(f.splat(value, self.lanes), pointer, mask=self._lanes_on(when))
        else:
            f.store(value, pointer, mask=when)
