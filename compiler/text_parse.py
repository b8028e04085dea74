"""Text to graph: the inverse of `text_print`.

graph   = "graph" name "(" [input {"," input}] ")" ["where" size {"," size}] "{" {value} return "}"
input   = "%n" ":" type [string]
size    = name "in" int ".." int ["by" int]
value   = "%n" "=" op ["(" operands ")"] ["{" [attr {"," attr}] "}"] ":" types [location comment]
return  = "return" [operands] ["aliases" {"(" int "," int ")"}]
attr    = name "=" (string | "@" function | graph | tuple | list of literals | hex | dtype | type | number | sum)
sum     = term {("+" | "-") term};  term = factor {"*" factor};  factor = "-" factor | int | name | "(" sum "//" int ")"
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ingot.compiler.dims import Dim
from ingot.compiler.ir import Graph, Location, Op, Shape, Size, TensorType, Types, Value, at
from ingot.compiler.ops import TABLE
from ingot.compiler.text_print import literals_data, types_text
from ingot.runtime.dtypes import ALL
from ingot.runtime.errors import IngotError, SpecError

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+) | (?P<comment>\#[^\n]*) | (?P<value>%\d+) | (?P<function>@[\w.]+)
      | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<hex>0x[0-9a-f]*)
      | (?P<float>\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+) | (?P<int>\d+) | (?P<name>[A-Za-z_]\w*)
      | (?P<mark>\.\.|//|[(){}\[\],:=+*-])""",
    re.VERBOSE,
)
LOCATION = re.compile(r"#\s*(?P<file>.+?):(?P<line>\d+)(?: in (?P<function>\S+))?(?: at (?P<scope>\S+))?$")
DTYPES = {dtype.short: dtype for dtype in ALL}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int
    column: int


def parse_graph(text: str, *, functions: Mapping[str, Callable[..., Any]] | None = None) -> Graph:
    """The graph that the text describes.

    `functions` gives the host functions that the text names with "@". Raises SpecError, IG421 for text that is not of
    the grammar and IG422 for text that means nothing (an unknown op, an undefined value, a type the op's rule does not
    give), with line and column.
    """
    parser = Parser(text, functions or {})
    graph = parser.graph()
    parser.take("end", "")
    return graph


def tokenize(text: str) -> list[Token]:
    tokens = []
    position, line, start = 0, 1, 0
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            fail("IG421", f"unexpected character {text[position]!r}", line, position - start + 1)
        kind = found.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, found.group(), line, position - start + 1))
        newlines = found.group().count("\n")
        if newlines:
            line += newlines
            start = position + found.group().rindex("\n") + 1
        position = found.end()
    return [*tokens, Token("end", "", line, position - start + 1)]


def fail(code: str, what: str, line: int, column: int) -> NoReturn:
    raise SpecError(code, what, where=f"line {line}, column {column}")


class Parser:
    """Recursive descent over the tokens; a method per rule of the grammar."""

    def __init__(self, text: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.tokens = tokenize(text)
        self.position = 0
        self.functions = functions
        self.sizes: dict[str, Size] = {}

    # Tokens. Comments are skipped, except that the end of a value's line looks for its location.

    @property
    def token(self) -> Token:
        while self.tokens[self.position].kind == "comment":
            self.position += 1
        return self.tokens[self.position]

    def wrong(self, expected: str) -> NoReturn:
        found = repr(self.token.text) if self.token.text else "the end"
        fail("IG421", f"expected {expected}, found {found}", self.token.line, self.token.column)

    def at_mark(self, text: str) -> bool:
        return self.token.text == text and self.token.kind in ("mark", "name")

    def skip(self, text: str) -> bool:
        if self.at_mark(text):
            self.position += 1
            return True
        return False

    def take(self, kind: str, expected: str) -> str:
        token = self.token
        if token.kind != kind or (kind in ("mark", "end") and token.text != expected):
            self.wrong(repr(expected) if kind == "mark" else expected or "the end of the text")
        self.position += kind != "end"
        return token.text

    def mark(self, text: str) -> None:
        if not self.skip(text):
            self.wrong(repr(text))

    def several(self, close: str, item: Callable[[], Any]) -> list[Any]:
        """Items separated by commas (a last comma is allowed) up to the closing mark."""
        items = []
        while not self.skip(close):
            items.append(item())
            if not self.skip(","):
                self.mark(close)
                break
        return items

    # Graphs

    def graph(self) -> Graph:
        self.mark("graph")
        name = json.loads(self.take("string", "")) if self.token.kind == "string" else self.take("name", "a name")
        outer, self.sizes = self.sizes, dict(self.sizes)
        if self.skip("["):
            self.sizes.update(self.several("]", self.declaration))
        values: dict[str, Value] = {}
        self.mark("(")
        inputs = self.several(")", lambda: self.input(values))
        self.mark("{")
        while not self.skip("return"):
            self.value(values)
        outputs = [self.operand(values)] if self.token.kind == "value" else []
        while self.skip(","):
            outputs.append(self.operand(values))
        aliases = self.aliases() if self.skip("aliases") else ()
        self.mark("}")
        self.sizes = outer
        return Graph(tuple(inputs), tuple(outputs), aliases, name)

    def declaration(self) -> tuple[str, Size]:
        name = self.take("name", "the name of a size")
        self.mark("in")
        low = self.integer()
        self.mark("..")
        high = self.integer()
        return name, Dim(name, low, high, self.integer() if self.skip("by") else 1)

    def input(self, values: dict[str, Value]) -> Value:
        name = self.new_name(values)
        self.mark(":")
        type_ = self.type()
        label = json.loads(self.take("string", "")) if self.token.kind == "string" else ""
        values[name] = TABLE["input"](type=type_, name=label)
        return values[name]

    def aliases(self) -> tuple[tuple[int, int], ...]:
        pairs = []
        while self.skip("("):
            output = self.integer()
            self.mark(",")
            pairs.append((output, self.integer()))
            self.mark(")")
        return tuple(pairs)

    # Values

    def new_name(self, values: Mapping[str, Value]) -> str:
        token = self.token
        name = self.take("value", "a value such as %3")
        if name in values:
            fail("IG422", f"{name} is defined twice", token.line, token.column)
        return name

    def operand(self, values: Mapping[str, Value]) -> Value:
        token = self.token
        name = self.take("value", "a value such as %3")
        if name not in values:
            fail("IG422", f"{name} is not defined above this line", token.line, token.column)
        return values[name]

    def value(self, values: dict[str, Value]) -> None:
        name = self.new_name(values)
        self.mark("=")
        start = self.token
        op = TABLE.get(self.take("name", "an op"))
        if op is None:
            fail("IG422", f"there is no op {start.text!r}", start.line, start.column)
        operands = self.several(")", lambda: self.operand(values)) if self.skip("(") else []
        attrs = dict(self.several("}", self.attribute)) if self.skip("{") else {}
        self.mark(":")
        types = self.types()
        if op.kind == "source":
            complete_source(attrs, types)
        with at(self.location()):
            values[name] = build(op, operands, attrs, types, start)

    def location(self) -> Location | None:
        """The location in the comment that ends this line."""
        token = self.tokens[self.position]
        found = LOCATION.match(token.text) if token.kind == "comment" else None
        if found is None or token.line != self.tokens[self.position - 1].line:
            return None
        return Location(found["file"], int(found["line"]), found["function"] or "", found["scope"] or "")

    # Types

    def types(self) -> Types:
        return tuple(self.several(")", self.type)) if self.skip("(") else self.type()

    def type(self) -> TensorType:
        if self.token.text not in DTYPES:
            self.wrong("a type such as f32[2,3]")
        dtype = DTYPES[self.take("name", "a dtype")]
        return TensorType(dtype, self.shape())

    def shape(self) -> Shape:
        self.mark("[")
        return tuple(self.several("]", self.size))

    # Attributes

    def attribute(self) -> tuple[str, Any]:
        name = self.take("name", "the name of an attribute")
        self.mark("=")
        return name, self.attr()

    def attr(self) -> Any:
        token = self.token
        if token.kind == "string":
            self.position += 1
            return json.loads(token.text)
        if token.kind == "function":
            return self.function()
        if token.kind == "hex":
            self.position += 1
            return bytes.fromhex(token.text[2:])
        if token.kind == "name" and token.text not in self.sizes:
            return self.word()
        if self.skip("["):
            return self.several("]", self.literal)
        if self.at_mark("("):
            return self.group()
        return self.number()

    def word(self) -> Any:
        token = self.token
        if token.text == "graph":
            return self.graph()
        if token.text in DTYPES:
            self.position += 1
            return TensorType(DTYPES[token.text], self.shape()) if self.at_mark("[") else DTYPES[token.text]
        words = {"true": True, "false": False, "none": None, "nan": float("nan"), "inf": float("inf")}
        if token.text not in words:
            fail("IG422", f"{token.text!r} is neither a dtype nor a declared size", token.line, token.column)
        self.position += 1
        return words[token.text]

    def group(self) -> Any:
        """A tuple, or a sum that starts with a rounded-down quotient."""
        start = self.position
        self.mark("(")
        first = [] if self.at_mark(")") else [self.attr()]
        if self.at_mark("//"):
            self.position = start
            return self.size()
        if first and not self.skip(","):
            self.mark(")")
            return first[0]
        return (*first, *self.several(")", self.attr))

    def function(self) -> Callable[..., Any]:
        token = self.token
        self.position += 1
        if token.text[1:] not in self.functions:
            fail("IG422", f"the host function {token.text} is not among `functions`", token.line, token.column)
        return self.functions[token.text[1:]]

    def number(self) -> float | Size:
        ahead = self.tokens[self.position + self.at_mark("-")]
        if ahead.kind == "float" or ahead.text in ("inf", "nan"):
            return float(self.literal())
        return self.size()

    def literal(self) -> str:
        """The text of an element of constant data."""
        sign = "-" if self.skip("-") else ""
        token = self.token
        if token.kind not in ("int", "float") and token.text not in ("inf", "nan", "true", "false"):
            self.wrong("a number")
        self.position += 1
        return sign + token.text

    def integer(self) -> int:
        sign = -1 if self.skip("-") else 1
        return sign * int(self.take("int", "a whole number"))

    # Sizes

    def size(self) -> Size:
        total = self.term()
        while self.at_mark("+") or self.at_mark("-"):
            # A minus belongs to the term that it stands before.
            self.skip("+")
            total = total + self.term()
        return total

    def term(self) -> Size:
        result = self.factor()
        while self.skip("*"):
            result = result * self.factor()
        return result

    def factor(self) -> Size:
        token = self.token
        if self.skip("-"):
            return -self.factor()
        if self.skip("("):
            numerator = self.size()
            self.mark("//")
            divisor = self.integer()
            self.mark(")")
            return numerator // divisor
        if token.kind == "int":
            return self.integer()
        if token.text not in self.sizes:
            self.wrong("a size")
        self.position += 1
        return self.sizes[token.text]


def complete_source(attrs: dict[str, Any], types: Types) -> None:
    """Put back what the printer leaves out of a source: its type, and its data as bytes."""
    assert isinstance(types, TensorType)
    attrs["type"] = types
    data = attrs.get("data")
    if data is None or isinstance(data, bytes):
        return
    literals = data if isinstance(data, list) else [repr(data).lower()]
    attrs["data"] = literals_data(literals, types.dtype)


def build(op: Op, operands: list[Value], attrs: dict[str, Any], types: Types, start: Token) -> Value:
    try:
        value = Value(op, operands, **attrs)
    except (IngotError, TypeError, ValueError) as error:
        fail("IG422", f"{op.name} rejects this: {error}", start.line, start.column)
    if value.type != types:
        what = f"{op.name} gives {types_text(value.type)}, not {types_text(types)}"
        fail("IG422", what, start.line, start.column)
    return value
