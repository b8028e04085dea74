"""Kernels as text: what `--stage kernels` shows, and the key by which equal kernels share their code."""

from __future__ import annotations

from ingot.compiler.kernel import (
    Accumulate,
    Apply,
    Contract,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Literal,
    Load,
    Name,
    Position,
    Reduce,
    Special,
    Stmt,
    Store,
)


class Printer:
    """Prints one kernel. Every op gets a name, so the text grows with the kernel and not with its tree."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.lines = kernel, list[str]()
        self.names: dict[int, tuple[Expr, str]] = {}

    def text(self) -> str:
        return "\n".join([f"kernel {self.kernel.name}{self.body()}"])

    def body(self) -> str:
        """Everything but the name."""
        kernel = self.kernel
        buffers = ", ".join(f"b{i}: {b.access} {b.dtype.short}" for i, b in enumerate(kernel.buffers))
        scratch = "".join(f" scratch {t.short}[{n}]" for t, n in kernel.scratch)
        self.lines = [f"({buffers}){scratch} {{"]
        self.block(kernel.body, "  ")
        return "\n".join([*self.lines, "}"])

    def block(self, body: tuple[Stmt, ...], indent: str) -> None:
        for stmt in body:
            self.stmt(stmt, indent)

    def stmt(self, stmt: Stmt, indent: str) -> None:
        match stmt:
            case For():
                words = {"parallel": stmt.parallel, "tiled": stmt.tiled, "vector": stmt.kind == "vector"}
                how = [word for word, on in words.items() if on]
                sizes = f" lanes={stmt.lanes}" if stmt.kind == "vector" else ""
                sizes += f" grain={stmt.grain}" if stmt.parallel else ""
                axes = f" = ({', '.join(f'{a}<{n}' for a, n in stmt.decode)})" if stmt.decode else ""
                self.lines.append(f"{indent}{' '.join([*how, 'for'])} {stmt.axis}{axes} in {stmt.extent}{sizes} {{")
                self.block(stmt.body, indent + "  ")
                self.lines.append(f"{indent}}}")
            case Reduce(accumulators, inner):
                slots = ", ".join(f"{a.name} = {a.op.name} {a.dtype.short}" for a in accumulators)
                self.lines.append(f"{indent}reduce {slots} {{")
                self.block(inner, indent + "  ")
                self.lines.append(f"{indent}}}")
            case Let(name, expr):
                self.lines.append(f"{indent}{name} = {self.expr(expr, indent)}")
            case Accumulate(name, expr):
                self.lines.append(f"{indent}{name} <- {self.expr(expr, indent)}")
            case Store(buffer, index, expr, when, stream):
                condition = "" if when is None else f" when {self.expr(when, indent)}"
                way = " stream" if stream else ""
                place = self.index(index, indent)
                self.lines.append(f"{indent}b{buffer}[{place}] = {self.expr(expr, indent)}{condition}{way}")
            case Contract():
                roles = " ".join(
                    f"{role}({', '.join(f'{a}<{n}' for a, n in axes)})"
                    for role, axes in (("batch", stmt.batch), ("m", stmt.m), ("n", stmt.n), ("k", stmt.k))
                )
                product = f"{self.expr(stmt.a, indent)} * {self.expr(stmt.b, indent)}"
                self.lines.append(f"{indent}contract {stmt.name}: {stmt.dtype.short} {roles} = {product}")
                self.lines.append(f"{indent}tiling {stmt.tiling}")
                self.block(stmt.epilogue, indent + "  ")
            case Special(op, operands, results, attrs):
                shown = ", ".join(f"{k}={v}" for k, v in attrs)
                self.lines.append(
                    f"{indent}{op.name}({', '.join(map(str, operands))}) {{{shown}}} -> {', '.join(map(str, results))}"
                )

    def index(self, index: Index, indent: str) -> str:
        parts = [a if s == 1 else f"{a}*{s}" for a, s in index.terms]
        parts += [f"{self.expr(e, indent)}*{s}" for e, s in index.computed]
        if index.offset != 0 or not parts:
            parts.append(str(index.offset))
        return " + ".join(parts)

    def expr(self, expr: Expr, indent: str) -> str:
        match expr:
            case Literal(dtype, value):
                return f"{dtype.short}({value!r})"
            case Name(name):
                return name
            case Position(index, dtype):
                return f"{dtype.short}({self.index(index, indent)})"
            case Load(buffer, index, _, when):
                condition = "" if when is None else f" when {self.expr(when, indent)}"
                return f"b{buffer}[{self.index(index, indent)}{condition}]"
            case Apply(op, args, dtype, attrs):
                known = self.names.get(id(expr))
                if known is None:
                    operands = ", ".join(self.expr(a, indent) for a in args)
                    shown = "".join(f" {k}={v}" for k, v in attrs)
                    name = f"t{len(self.names)}"
                    where = f"  # {expr.location}" if expr.location else ""
                    self.names[id(expr)] = known = expr, name
                    self.lines.append(f"{indent}{name} = {op.name}({operands}){shown} : {dtype.short}{where}")
                return known[1]


def print_kernel(kernel: Kernel) -> str:
    """The kernel as text, with the user's lines."""
    return Printer(kernel).text()


def kernel_key(kernel: Kernel) -> str:
    """Equal for kernels that do the same to their arguments, whatever they are called and wherever they come from."""
    return "\n".join(line.split("  # ", 1)[0] for line in Printer(kernel).body().splitlines())
