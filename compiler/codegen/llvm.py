"""Textual LLVM IR with explicit vectors: a builder that numbers, hoists and merges as it emits.

No mid-level LLVM pass runs over what is emitted here, so the builder does the three that matter by construction:
a pure instruction is emitted once per scope (common subexpressions), at the outermost loop level where its operands
exist (loop-invariant code motion), and arithmetic on two literals is folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ingot.compiler.codegen.spelling import BITS, HALVES, Module, Reg, overload, single_lane, spell, type_name


class Scope:
    """The instructions of one loop level (or branch) while it is being written."""

    __slots__ = ("known", "label", "lines")

    def __init__(self, label: str) -> None:
        self.lines: list[str] = []
        self.known: dict[str, Reg] = {}
        self.label = label


class Function:
    """One function under construction. Every method that computes returns a Reg."""

    def __init__(
        self,
        module: Module,
        name: str,
        params: Sequence[tuple[str, str]],
        *,
        result: str = "void",
        linkage: str = "internal",
        attributes: str = "",
        lanes: Sequence[int] | None = None,
    ) -> None:
        self.module, self.name, self.result = module, name, result
        widths = lanes or [1] * len(params)
        self.params = [Reg(f"%{n}", e.split()[0], w) for (e, n), w in zip(params, widths, strict=True)]
        signature = ", ".join(
            f"{type_name(e.split()[0], w)}{''.join(f' {a}' for a in e.split()[1:])} %{n}"
            for (e, n), w in zip(params, widths, strict=True)
        )
        self.head = f"define {linkage + ' ' if linkage else ''}{result} @{name}({signature}) #0 {attributes}{{\nentry:"
        self.scopes = [Scope("entry")]
        self.count = 0
        self.sources: dict[str, Reg] = {}  # what a bitcast was made from: casting back gives that, not another cast
        self.floor = 0  # nothing is hoisted above this level: it keeps rare code inside its branch
        module.defined.add(name)

    # ---- emission

    @property
    def level(self) -> int:
        return len(self.scopes) - 1

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def emit(self, text: str, elt: str, lanes: int = 1, operands: Iterable[Reg] | None = None) -> Reg:
        """An instruction. With `operands` it is pure: merged with an equal one and hoisted to their level."""
        if operands is None:
            self.count += 1
            reg = Reg(f"%v{self.count}", elt, lanes, self.level)
            self.scopes[-1].lines.append(f"  {reg.name} = {text}")
            return reg
        level = 0
        for operand in operands:
            if operand.level > level:
                level = operand.level
        while True:
            scope = self.scopes[level]
            known = scope.known.get(text)
            if known is not None:
                return known
            if level >= self.floor:
                break
            level += 1
        self.count += 1
        reg = Reg(f"%v{self.count}", elt, lanes, level)
        scope.lines.append(f"  {reg.name} = {text}")
        scope.known[text] = reg
        return reg

    def effect(self, text: str) -> None:
        """An instruction without a result, at the current place."""
        self.scopes[-1].lines.append(f"  {text}")

    def begin_anew(self) -> None:
        """What was computed outside of loops is forgotten: code from here on computes it again where it needs it."""
        if self.level == 0:
            label = self.fresh("step")
            self.scopes[0].lines += [f"  br label %{label}", f"{label}:"]
            self.scopes[0].known.clear()
            self.scopes[0].label = label

    def finish(self, result: Reg | str | None = None) -> None:
        """Return (`void` without a result) and add the function to its module."""
        if len(self.scopes) != 1:
            raise AssertionError(f"{self.name}: finished inside a loop")
        self.effect("ret void" if result is None else f"ret {result}")
        self.module.functions.append("\n".join([self.head, *self.scopes[0].lines, "}"]))

    # ---- constants and lanes

    def const(self, elt: str, value: int | float | bool, lanes: int = 1) -> Reg:
        text = spell(elt, value)
        if lanes > 1:
            text = (
                "zeroinitializer" if text == "0" or text == "0x0000000000000000" else f"splat ({type_name(elt)} {text})"
            )
        return Reg(text, elt, lanes, 0, value)

    def like(self, reg: Reg, value: int | float) -> Reg:
        """A constant of the type of `reg`."""
        return self.const(reg.elt, value, reg.lanes)

    def vector(self, elt: str, values: Sequence[int | float | bool]) -> Reg:
        """A constant vector with these lanes."""
        body = ", ".join(f"{type_name(elt)} {spell(elt, v)}" for v in values)
        return Reg(f"<{body}>", elt, len(values), 0)

    def iota(self, elt: str, lanes: int) -> Reg:
        return self.vector(elt, range(lanes)) if lanes > 1 else self.const(elt, 0)

    def splat(self, reg: Reg, lanes: int) -> Reg:
        if reg.lanes == lanes:
            return reg
        if reg.lanes != 1:
            raise AssertionError(f"splat of {reg}")
        if reg.literal is not None:
            return self.const(reg.elt, reg.literal, lanes)
        wide = type_name(reg.elt, lanes)
        one = self.emit(f"insertelement {wide} poison, {reg}, i64 0", reg.elt, lanes, (reg,))
        return self.emit(f"shufflevector {one}, {wide} poison, <{lanes} x i32> zeroinitializer", reg.elt, lanes, (one,))

    def match(self, *regs: Reg) -> list[Reg]:
        """The operands with scalars spread to the widest operand's lanes."""
        lanes = max(r.lanes for r in regs)
        return [self.splat(r, lanes) for r in regs]

    def extract(self, reg: Reg, lane: int | Reg) -> Reg:
        index = lane if isinstance(lane, Reg) else self.const("i64", lane)
        return self.emit(f"extractelement {reg}, {index}", reg.elt, 1, (reg, index))

    def insert(self, reg: Reg, value: Reg, lane: int) -> Reg:
        return self.emit(f"insertelement {reg}, {value}, i64 {lane}", reg.elt, reg.lanes, (reg, value))

    def shuffle(self, a: Reg, b: Reg | None, lanes: Sequence[int]) -> Reg:
        """Lanes picked from a (0..n-1) and b (n..2n-1); -1 is any value."""
        other = str(b) if b is not None else f"{a.type} poison"
        mask = ", ".join("i32 poison" if i < 0 else f"i32 {i}" for i in lanes)
        operands = (a,) if b is None else (a, b)
        return self.emit(f"shufflevector {a}, {other}, <{len(lanes)} x i32> <{mask}>", a.elt, len(lanes), operands)

    # ---- arithmetic

    def binary(self, op: str, a: Reg, b: Reg) -> Reg:
        a, b = self.match(a, b)
        if a.elt != b.elt:
            raise AssertionError(f"{op}: {a} and {b}")
        return self.emit(f"{op} {a}, {b.name}", a.elt, a.lanes, (a, b))

    def add(self, a: Reg, b: Reg) -> Reg:
        if a.is_float:
            return self.binary("fadd", a, b)
        if a.literal is not None and b.literal is not None and a.elt != "i1":
            return self.const(a.elt, int(a.literal) + int(b.literal), max(a.lanes, b.lanes))
        if b.literal == 0 and b.lanes <= a.lanes:
            return a
        if a.literal == 0 and a.lanes <= b.lanes:
            return b
        return self.binary("add", a, b)

    def sub(self, a: Reg, b: Reg) -> Reg:
        if not a.is_float and b.literal == 0 and b.lanes <= a.lanes:
            return a
        return self.binary("fsub" if a.is_float else "sub", a, b)

    def mul(self, a: Reg, b: Reg) -> Reg:
        if a.is_float:
            return self.binary("fmul", a, b)
        if a.literal is not None and b.literal is not None and a.elt != "i1":
            return self.const(a.elt, int(a.literal) * int(b.literal), max(a.lanes, b.lanes))
        if b.literal == 1 and b.lanes <= a.lanes:
            return a
        if a.literal == 1 and a.lanes <= b.lanes:
            return b
        return self.binary("mul", a, b)

    def div(self, a: Reg, b: Reg) -> Reg:
        """Floating-point division; integers say which one they mean (`sdiv`, `udiv`)."""
        return self.binary("fdiv", a, b)

    def neg(self, a: Reg) -> Reg:
        if a.is_float:
            return self.emit(f"fneg {a}", a.elt, a.lanes, (a,))
        return self.sub(self.like(a, 0), a)

    def sdiv(self, a: Reg, b: Reg) -> Reg:
        return self.division("sdiv", a, b)

    def udiv(self, a: Reg, b: Reg) -> Reg:
        return self.division("udiv", a, b)

    def srem(self, a: Reg, b: Reg) -> Reg:
        return self.division("srem", a, b)

    def urem(self, a: Reg, b: Reg) -> Reg:
        return self.division("urem", a, b)

    def division(self, op: str, a: Reg, b: Reg) -> Reg:
        """Integer division traps on zero, so it is hoisted only when the divisor is a non-zero literal."""
        a, b = self.match(a, b)
        return self.emit(f"{op} {a}, {b.name}", a.elt, a.lanes, (a, b) if b.literal else None)

    def and_(self, a: Reg, b: Reg) -> Reg:
        return self.binary("and", a, b)

    def or_(self, a: Reg, b: Reg) -> Reg:
        return self.binary("or", a, b)

    def xor(self, a: Reg, b: Reg) -> Reg:
        return self.binary("xor", a, b)

    def not_(self, a: Reg) -> Reg:
        return self.binary("xor", a, self.like(a, 1 if a.elt == "i1" else -1))

    def shl(self, a: Reg, b: Reg) -> Reg:
        return self.binary("shl", a, b)

    def lshr(self, a: Reg, b: Reg) -> Reg:
        return self.binary("lshr", a, b)

    def ashr(self, a: Reg, b: Reg) -> Reg:
        return self.binary("ashr", a, b)

    def cmp(self, predicate: str, a: Reg, b: Reg) -> Reg:
        """`predicate` is LLVM's: olt, ult, oeq, uno … for floats, slt, ult, eq … for integers."""
        a, b = self.match(a, b)
        return self.emit(f"{'fcmp' if a.is_float else 'icmp'} {predicate} {a}, {b.name}", "i1", a.lanes, (a, b))

    def select(self, mask: Reg, a: Reg, b: Reg) -> Reg:
        mask, a, b = self.match(mask, a, b)
        return self.emit(f"select {mask}, {a}, {b}", a.elt, a.lanes, (mask, a, b))

    def cast(self, op: str, a: Reg, elt: str) -> Reg:
        """One LLVM conversion: fpext fptrunc sitofp uitofp fptosi fptoui sext zext trunc bitcast."""
        if a.elt == elt:
            return a
        if op != "bitcast":
            return self.emit(f"{op} {a} to {type_name(elt, a.lanes)}", elt, a.lanes, (a,))
        source = self.sources.get(a.name, a)
        if source.elt == elt:
            return source
        cast = self.emit(f"bitcast {source} to {type_name(elt, a.lanes)}", elt, a.lanes, (source,))
        self.sources[cast.name] = source
        return cast

    def bitcast(self, a: Reg, elt: str) -> Reg:
        return self.cast("bitcast", a, elt)

    def intrinsic(self, name: str, *operands: Reg, elt: str | None = None, suffix: str | None = None) -> Reg:
        """A pure intrinsic overloaded on its first operand: llvm.NAME.v16f32."""
        regs = self.match(*operands)
        first = regs[0]
        result, full = elt or first.elt, f"llvm.{name}.{suffix or overload(first.elt, first.lanes)}"
        out = type_name(result, first.lanes)
        self.module.declare(full, f"declare {out} @{full}({', '.join(r.type for r in regs)})")
        return self.emit(f"call {out} @{full}({', '.join(map(str, regs))})", result, first.lanes, regs)

    def fma(self, a: Reg, b: Reg, c: Reg) -> Reg:
        return self.intrinsic("fma", a, b, c)

    def sqrt(self, a: Reg) -> Reg:
        return self.intrinsic("sqrt", a)

    def fabs(self, a: Reg) -> Reg:
        return self.intrinsic("fabs", a)

    def copysign(self, a: Reg, b: Reg) -> Reg:
        return self.intrinsic("copysign", a, b)

    def call(self, result: str, name: str, *operands: Reg, elt: str = "", lanes: int = 1) -> Reg | None:
        """A call with effects, at the current place. `result` is the LLVM return type."""
        text = f"call {result} @{name}({', '.join(map(str, operands))})"
        if result == "void":
            self.effect(text)
            return None
        return self.emit(text, elt or result, lanes)

    # ---- reductions over lanes

    def reduce(self, op: str, a: Reg) -> Reg:
        """Across lanes: `op` is LLVM's name (fadd fmul add mul and or xor smax umax smin umin fmaximum fminimum)."""
        if a.lanes == 1:
            return a
        full, out = f"llvm.vector.reduce.{op}.{overload(a.elt, a.lanes)}", type_name(a.elt)
        if op in ("fadd", "fmul"):  # a start value, and `reassoc` for a tree instead of a chain
            start = self.const(a.elt, -0.0 if op == "fadd" else 1.0)
            self.module.declare(full, f"declare {out} @{full}({out}, {a.type})")
            return self.emit(f"call reassoc {out} @{full}({start}, {a})", a.elt, 1, (a,))
        self.module.declare(full, f"declare {out} @{full}({a.type})")
        return self.emit(f"call {out} @{full}({a})", a.elt, 1, (a,))

    def any(self, mask: Reg) -> Reg:
        return self.reduce("or", mask)

    # ---- memory: pointers are bytes plus an offset; nothing here is hoisted or merged

    def offset(self, pointer: Reg, index: Reg | int, scale: int = 1) -> Reg:
        """pointer + index * scale, in bytes."""
        if isinstance(index, int):
            if index * scale == 0:
                return pointer
            return self.emit(f"getelementptr i8, {pointer}, i64 {index * scale}", "ptr", 1, (pointer,))
        if index.literal is not None and index.lanes == 1:
            return self.offset(pointer, int(index.literal), scale)
        if scale in (1, 2, 4, 8):
            unit = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}[scale]
            return self.emit(f"getelementptr {unit}, {pointer}, {index}", "ptr", index.lanes, (pointer, index))
        return self.offset(pointer, self.mul(index, self.like(index, scale)))

    def load(
        self, pointer: Reg, elt: str, lanes: int = 1, *, mask: Reg | None = None, align: int = 0, pure: bool = False
    ) -> Reg:
        """Lanes next to each other in memory; lanes off in `mask` are not touched and read 0.

        `pure` promises that nothing in the function writes there, so the load may be merged and hoisted.
        """
        if elt in HALVES:
            return self.bitcast(self.load(pointer, "i16", lanes, mask=mask, align=align, pure=pure), elt)
        step, wide = align or max(BITS[elt] // 8, 1), type_name(elt, lanes)
        if mask is None:
            return self.emit(f"load {wide}, {pointer}, align {step}", elt, lanes, (pointer,) if pure else None)
        if lanes == 1:
            return self.if_(mask, lambda: [self.load(pointer, elt, align=align)], lambda: [self.const(elt, 0)])[0]
        full = f"llvm.masked.load.{overload(elt, lanes)}.p0"
        self.module.declare(full, f"declare {wide} @{full}(ptr, i32, <{lanes} x i1>, {wide})")
        text = f"call {wide} @{full}({pointer}, i32 {step}, {mask}, {wide} zeroinitializer)"
        return self.emit(text, elt, lanes, (pointer, mask) if pure else None)

    def store(self, value: Reg, pointer: Reg, *, mask: Reg | None = None, align: int = 0, stream: bool = False) -> None:
        """Lanes next to each other in memory. `stream` bypasses the caches and wants `align` of a whole vector."""
        if value.elt in HALVES:
            value = self.bitcast(value, "i16")
        step = align or max(BITS[value.elt] // 8, 1)
        if mask is None:
            hint = ", !nontemporal !0" if stream else ""
            self.effect(f"store {value}, {pointer}, align {step}{hint}")
            return
        if value.lanes == 1:

            def write() -> Sequence[Reg]:
                self.store(value, pointer, align=align)
                return []

            self.if_(mask, write)
            return
        lane = single_lane(mask)
        if lane is not None:
            # Also works around LLVM issue 179489: of a truncated vector it would write the neighbouring lanes too.
            self.store(self.extract(value, lane), self.offset(pointer, lane, BITS[value.elt] // 8), align=align)
            return
        full = f"llvm.masked.store.{overload(value.elt, value.lanes)}.p0"
        self.module.declare(full, f"declare void @{full}({value.type}, ptr, i32, <{value.lanes} x i1>)")
        self.effect(f"call void @{full}({value}, {pointer}, i32 {step}, {mask})")

    def gather(self, pointers: Reg, elt: str, *, mask: Reg | None = None, pure: bool = False) -> Reg:
        """One element from each lane's own address; lanes off in `mask` are not touched and read 0."""
        if pointers.lanes == 1:
            return self.load(pointers, elt, mask=mask, pure=pure)
        if elt in HALVES:
            return self.bitcast(self.gather(pointers, "i16", mask=mask, pure=pure), elt)
        lanes, step, wide = pointers.lanes, max(BITS[elt] // 8, 1), type_name(elt, pointers.lanes)
        full = f"llvm.masked.gather.{overload(elt, lanes)}.v{lanes}p0"
        self.module.declare(full, f"declare {wide} @{full}(<{lanes} x ptr>, i32, <{lanes} x i1>, {wide})")
        on = mask or self.const("i1", True, lanes)
        text = f"call {wide} @{full}({pointers}, i32 {step}, {on}, {wide} zeroinitializer)"
        return self.emit(text, elt, lanes, (pointers, on) if pure else None)

    def scatter(self, value: Reg, pointers: Reg, *, mask: Reg | None = None) -> None:
        """One element to each lane's own address; of equal addresses the highest lane wins."""
        if pointers.lanes == 1:
            self.store(value, pointers, mask=mask)
            return
        if value.elt in HALVES:
            value = self.bitcast(value, "i16")
        lanes, step = pointers.lanes, max(BITS[value.elt] // 8, 1)
        full = f"llvm.masked.scatter.{overload(value.elt, lanes)}.v{lanes}p0"
        self.module.declare(full, f"declare void @{full}({value.type}, <{lanes} x ptr>, i32, <{lanes} x i1>)")
        on = mask or self.const("i1", True, lanes)
        self.effect(f"call void @{full}({self.splat(value, lanes)}, {pointers}, i32 {step}, {on})")

    def alloca(self, elt: str, count: int, align: int = 64) -> Reg:
        """Stack memory of the whole function (always in its entry block)."""
        self.count += 1
        reg = Reg(f"%s{self.count}", "ptr")
        self.scopes[0].lines.insert(0, f"  {reg.name} = alloca [{count} x {type_name(elt)}], align {align}")
        return reg

    # ---- control flow

    def loop(
        self,
        lo: Reg | int,
        hi: Reg | int,
        step: int,
        body: Callable[[Reg, list[Reg]], Sequence[Reg]],
        carried: Sequence[Reg] = (),
        *,
        at_least_once: bool = False,
    ) -> list[Reg]:
        """for i in range(lo, hi, step): carried = body(i, carried); gives the last `carried`. step > 0."""
        if isinstance(lo, int) and isinstance(hi, int):
            trips = max(0, -(-(hi - lo) // step))
            if trips == 0:
                return list(carried)
            if trips == 1:
                return list(body(self.const("i64", lo), list(carried)))
            at_least_once = True
        low = lo if isinstance(lo, Reg) else self.const("i64", lo)
        high = hi if isinstance(hi, Reg) else self.const("i64", hi)
        head, inside, leave = self.fresh("head"), self.fresh("body"), self.fresh("exit")
        outer, before = self.scopes[-1], self.scopes[-1].label
        scope = Scope(head if at_least_once else inside)
        self.scopes.append(scope)
        index = Reg(f"%i{self.fresh('')}", "i64", 1, self.level)
        phis = [Reg(f"%c{self.fresh('')}", c.elt, c.lanes, self.level) for c in carried]
        new = list(body(index, phis))
        latch = self.scopes[-1].label
        self.scopes.pop()
        bump = self.fresh("%n")
        moved = [
            f"  {p.name} = phi {p.type} [ {c.name}, %{before} ], [ {n.name}, %{latch} ]"
            for p, c, n in zip(phis, carried, new, strict=True)
        ]
        counter = f"  {index.name} = phi i64 [ {low.name}, %{before} ], [ {bump}, %{latch} ]"
        outer.lines += [f"  br label %{head}", f"{head}:", counter, *moved]
        done = self.fresh("%d")
        if at_least_once:
            outer.lines += [*scope.lines, f"  {bump} = add nsw i64 {index.name}, {step}"]
            outer.lines += [
                f"  {done} = icmp slt i64 {bump}, {high.name}",
                f"  br i1 {done}, label %{head}, label %{leave}",
            ]
        else:
            outer.lines += [
                f"  {done} = icmp slt i64 {index.name}, {high.name}",
                f"  br i1 {done}, label %{inside}, label %{leave}",
            ]
            outer.lines += [
                f"{inside}:",
                *scope.lines,
                f"  {bump} = add nsw i64 {index.name}, {step}",
                f"  br label %{head}",
            ]
        outer.lines.append(f"{leave}:")
        outer.label = leave
        results = new if at_least_once else phis
        return [Reg(r.name, c.elt, c.lanes, self.level) for r, c in zip(results, carried, strict=True)]

    def while_(
        self, test: Callable[[list[Reg]], Reg], body: Callable[[list[Reg]], Sequence[Reg]], carried: Sequence[Reg]
    ) -> list[Reg]:
        """while test(carried): carried = body(carried)."""
        head, inside, leave = self.fresh("head"), self.fresh("body"), self.fresh("exit")
        outer, before = self.scopes[-1], self.scopes[-1].label
        first = Scope(head)
        self.scopes.append(first)
        phis = [Reg(f"%c{self.fresh('')}", c.elt, c.lanes, self.level) for c in carried]
        condition = test(phis)
        first.lines += [f"  br {condition}, label %{inside}, label %{leave}", f"{inside}:"]
        first.label = inside
        new = list(body(phis))
        latch = first.label
        self.scopes.pop()
        moved = [
            f"  {p.name} = phi {p.type} [ {c.name}, %{before} ], [ {n.name}, %{latch} ]"
            for p, c, n in zip(phis, carried, new, strict=True)
        ]
        outer.lines += [f"  br label %{head}", f"{head}:", *moved, *first.lines, f"  br label %{head}", f"{leave}:"]
        outer.label = leave
        return [Reg(p.name, p.elt, p.lanes, self.level) for p in phis]

    def if_(
        self,
        condition: Reg,
        then: Callable[[], Sequence[Reg]],
        otherwise: Callable[[], Sequence[Reg]] | None = None,
        *,
        unlikely: bool = False,
    ) -> list[Reg]:
        """Run one of two branches and merge their results. Pure code is hoisted out unless `unlikely`."""
        yes, no, merge = self.fresh("then"), self.fresh("else"), self.fresh("join")
        outer = self.scopes[-1]
        written: list[tuple[Scope, list[Reg]]] = []
        for label, branch in ((yes, then), (no, otherwise or (lambda: []))):
            self.scopes.append(Scope(label))
            floor, self.floor = self.floor, self.level if unlikely else self.floor
            values = list(branch() or [])
            self.floor = floor
            written.append((self.scopes.pop(), values))
        (first, results), (second, others) = written
        hint = ", !prof !1" if unlikely else ""
        outer.lines += [
            f"  br {condition}, label %{yes}, label %{no}{hint}",
            f"{yes}:",
            *first.lines,
            f"  br label %{merge}",
        ]
        outer.lines += [f"{no}:", *second.lines, f"  br label %{merge}", f"{merge}:"]
        outer.label = merge
        merged = []
        for a, b in zip(results, others, strict=True):
            reg = Reg(f"%v{self.fresh('')}", a.elt, a.lanes, self.level)
            outer.lines.append(
                f"  {reg.name} = phi {a.type} [ {a.name}, %{first.label} ], [ {b.name}, %{second.label} ]"
            )
            merged.append(reg)
        return merged
