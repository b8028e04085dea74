"""The driver of local rules: every value is brought to a form to which no rule applies, operands first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ingot.compiler.ir import Graph, Op, Value, at

Rule = Callable[[Value], Value | None]
Rules = Mapping[Op, tuple[Rule, ...]]


def rewrite(graph: Graph, rules: Rules) -> Graph:
    """Apply the rules of each value's op until none applies, in regions too; linear, since each value settles once.

    A rule sees a value whose operands are settled and gives an equal one of the same type, or None. What it builds is
    settled in turn, so the result does not depend on the order of rules that commute and is its own fixed point.
    """
    settled: dict[Value, Value] = {v: v for v in graph.inputs}

    def region(inner: Graph) -> Graph:
        return rewrite(inner, rules)

    def settle(value: Value) -> Value:
        known = settled.get(value)
        if known is not None:
            return known
        with at(value.location):
            result = rebuilt(value, tuple([settled.get(o) or settle(o) for o in value.operands]), region)
            for rule in rules.get(result.op, ()):
                better = rule(result)
                if better is not None:
                    result = settle(better)
                    break
        settled[value] = settled[result] = result
        return result

    for value in graph.values:
        settle(value)
    outputs = tuple(settled[v] for v in graph.outputs)
    return graph if outputs == graph.outputs else graph.with_outputs(outputs)


def in_regions(graph: Graph, transform: Callable[[Graph], Graph]) -> Graph:
    """The graph with every region of its values transformed."""
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for value in graph.values:
        if value not in new:
            with at(value.location):
                new[value] = rebuilt(value, tuple(new[o] for o in value.operands), transform)
    outputs = tuple(new[v] for v in graph.outputs)
    return graph if outputs == graph.outputs else graph.with_outputs(outputs)


def rebuilt(value: Value, operands: tuple[Value, ...], region: Callable[[Graph], Graph]) -> Value:
    """The value over other operands, its regions transformed; the same object when nothing differs."""
    attrs = value.attrs
    if value.op.kind == "control":
        attrs = {name: region(attr) if isinstance(attr, Graph) else attr for name, attr in attrs.items()}
    if operands == value.operands and all(attrs[name] is attr for name, attr in value.attrs.items()):
        return value
    return Value(value.op, operands, **attrs)


def inlined(region: Graph, operands: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of a region for these operands, as values of the graph around it."""
    new = dict(zip(region.inputs, operands, strict=True))
    for value in region.values:
        if value not in new:
            with at(value.location):
                new[value] = rebuilt(value, tuple(new[o] for o in value.operands), lambda inner: inner)
    return tuple(new[v] for v in region.outputs)


def substituted(outputs: Sequence[Value], given: Mapping[Value, Value]) -> list[Value]:
    """The outputs with some values that they need replaced; what only those needed is gone."""
    new = dict(given)
    stack = [(v, False) for v in reversed(outputs)]
    while stack:
        value, ready = stack.pop()
        if value in new:
            continue
        if not ready:
            stack.append((value, True))
            stack.extend((o, False) for o in value.operands if o not in new)
            continue
        with at(value.location):
            new[value] = rebuilt(value, tuple(new[o] for o in value.operands), lambda inner: inner)
    return [new[v] for v in outputs]
