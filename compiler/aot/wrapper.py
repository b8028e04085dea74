"""The exported functions as LLVM text: they check what the caller gave and call the compiled entries.

They are emitted into the same object as the entries, so a library needs no C compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingot.compiler.aot.interface import ALIGNMENT, FAILED, STATUS, Function, Library, Signature
from ingot.compiler.aot.processor import check_processor
from ingot.compiler.aot.weights import WeightFile, state_image
from ingot.compiler.codegen import llvm
from ingot.compiler.codegen.sizes import Sizes
from ingot.compiler.codegen.spelling import Module, Reg, spell_bytes

POINTER_BYTES = 8


def entry_name(library: Library, function: Function) -> str:
    """The name of a function's entry inside the library's object; different functions may share `program.entry`."""
    return f"{library.symbol(function)}.{function.program.entry}"


def wrapper(library: Library, beside: WeightFile | None, triple: str, layout: str) -> str:
    """The module's text. `beside` is the file of weights when they are not inside."""
    module = Module(triple, layout)
    _error(library, module)
    fine, missing = (STATUS[status][0] for status in ("OK", "E_PROCESSOR"))
    check_processor(module, f"{library.name}_check_processor", library.target, fine, missing)
    if library.state:
        _state_functions(library, module)
    if beside is not None:
        _bind(library, module, beside)
    for function, signature in zip(library.functions, library.signatures, strict=True):
        _workspace_size(module, function, signature)
        _function(library, module, function, signature)
    return module.text()


def _export(module: Module, name: str, result: str, parameters: Sequence[tuple[str, str]]) -> llvm.Function:
    return llvm.Function(module, name, parameters, result=result, linkage="")


def _status(f: llvm.Function, name: str) -> Reg:
    return f.const("i32", STATUS[name][0])


def _error(library: Library, module: Module) -> None:
    f = _export(module, f"{library.name}_error", "ptr", [("i32", "status")])
    (status,) = f.params
    text = _string(module, f"{library.name}.failed", FAILED)
    for name, (code, meaning) in STATUS.items():
        known = f.cmp("eq", status, f.const("i32", code))
        text = f.select(known, _string(module, f"{library.name}.{name}", meaning), text)
    f.finish(text)


def _string(module: Module, name: str, text: str) -> Reg:
    return Reg(module.constant(name, spell_bytes(text.encode() + b"\0")), "ptr")


def _blob(module: Module, name: str, data: bytes) -> Reg:
    return Reg(module.constant(name, f"{spell_bytes(data)}, align {ALIGNMENT}"), "ptr")


def _any(f: llvm.Function, conditions: Sequence[Reg]) -> Reg:
    found = f.const("i1", False)
    for condition in conditions:
        found = f.or_(found, condition)
    return found


def _is_null(f: llvm.Function, pointer: Reg) -> Reg:
    return f.cmp("eq", pointer, f.const("ptr", 0))


def _misaligned(f: llvm.Function, pointer: Reg, alignment: int) -> Reg:
    low = f.and_(f.cast("ptrtoint", pointer, "i64"), f.const("i64", alignment - 1))
    return f.cmp("ne", low, f.const("i64", 0))


def _checked(f: llvm.Function, checks: Sequence[tuple[str, Sequence[Reg]]], run: Callable[[], Reg]) -> Reg:
    """The status of the first check that has a true condition, else what `run` returns."""
    status = _status(f, "OK")
    for name, conditions in reversed(checks):
        if conditions:
            status = f.select(_any(f, conditions), _status(f, name), status)
    fine = f.cmp("eq", status, _status(f, "OK"))
    return f.if_(fine, lambda: [run()], lambda: [status])[0]


def _state_functions(library: Library, module: Module) -> None:
    size = _export(module, f"{library.name}_state_size", "i64", [])
    size.finish(size.const("i64", library.state_bytes))
    image = _blob(module, f"{library.name}.state", state_image(library))
    f = _export(module, f"{library.name}_state_init", "i32", [("ptr", "state")])
    (state,) = f.params

    def copy() -> Reg:
        def word(i: Reg, _: list[Reg]) -> list[Reg]:
            f.store(f.load(f.offset(image, i, 8), "i64"), f.offset(state, i, 8))
            return []

        f.loop(0, library.state_bytes // 8, 1, word)
        return _status(f, "OK")

    checks = [("E_POINTER", [_is_null(f, state)]), ("E_ALIGNMENT", [_misaligned(f, state, ALIGNMENT)])]
    f.finish(_checked(f, checks, copy))


def _bind(library: Library, module: Module, beside: WeightFile) -> None:
    """Accept a file whose header is the one written with the library: then every tensor is where it was put."""
    parameters = [("ptr", "weights"), ("ptr", "file"), ("i64", "size")]
    f = _export(module, f"{library.name}_bind", "i32", parameters)
    weights, file, size = f.params
    expected = _blob(module, f"{library.name}.header", beside.data[: beside.header_bytes])

    def compare() -> Reg:
        def byte(i: Reg, difference: list[Reg]) -> list[Reg]:
            here, there = f.load(f.offset(file, i), "i8"), f.load(f.offset(expected, i), "i8")
            return [f.or_(difference[0], f.xor(here, there))]

        (difference,) = f.loop(0, beside.header_bytes, 1, byte, [f.const("i8", 0)])
        same = f.cmp("eq", difference, f.const("i8", 0))
        return f.if_(same, lambda: [point()], lambda: [_status(f, "E_WEIGHTS")])[0]

    def point() -> Reg:
        for i, tensor in enumerate(library.captured):
            f.store(f.offset(file, beside.offsets[tensor.name]), f.offset(weights, i * POINTER_BYTES))
        return _status(f, "OK")

    checks = [
        ("E_POINTER", [_is_null(f, weights), _is_null(f, file)]),
        ("E_ALIGNMENT", [_misaligned(f, file, 8)]),
        ("E_WEIGHTS", [f.cmp("ne", size, f.const("i64", len(beside.data)))]),
    ]
    f.finish(_checked(f, checks, compare))


def _workspace_size(module: Module, function: Function, signature: Signature) -> None:
    f = _export(module, f"{signature.symbol}_workspace_size", "i64", [("i64", n) for n in signature.workspace_sizes])
    f.finish(_sizes(f, function, f.params)[1](function.workspace))


def _sizes(f: llvm.Function, function: Function, given: Sequence[Reg]) -> tuple[Reg, Sizes]:
    """The values of the named sizes in memory, and what computes with them."""
    memory = f.alloca("i64", len(given), align=8) if given else f.const("ptr", 0)
    for i, size in enumerate(given):
        f.store(size, f.offset(memory, i, 8))
    return memory, Sizes(f, function.program.dims, lambda: memory)


def _size_conditions(f: llvm.Function, function: Function, sizes: Sequence[Reg]) -> list[Reg]:
    ranges = {symbol.name: symbol for symbol in function.symbols}
    conditions = []
    for name, size in zip(function.program.dims, sizes, strict=True):
        symbol = ranges[name]
        conditions += [
            f.cmp("slt", size, f.const("i64", symbol.low)),
            f.cmp("sgt", size, f.const("i64", symbol.high)),
        ]
        if symbol.multiple > 1:
            rest = f.srem(size, f.const("i64", symbol.multiple))
            conditions.append(f.cmp("ne", rest, f.const("i64", 0)))
    return conditions


def _function(library: Library, module: Module, function: Function, signature: Signature) -> None:
    uses_state = any(name in library.state for name in signature.captured)
    uses_weights = library.weights == "beside" and bool(signature.captured)
    parameters = [("i64", name) for name in signature.sizes]
    parameters += [("ptr", parameter.name) for parameter in signature.parameters]
    parameters += [("ptr", "weights")] * uses_weights + [("ptr", "state")] * uses_state
    f = _export(module, signature.symbol, "i32", [*parameters, ("ptr", "workspace"), ("ptr", "context")])
    given = {reg.name[1:]: reg for reg in f.params}
    sizes = [given[name] for name in signature.sizes]
    owned = [given[name] for name in ("weights", "state") if name in given]
    dims, evaluate = _sizes(f, function, sizes)
    workspace = given["workspace"]
    needed = f.cmp("sgt", evaluate(function.workspace), f.const("i64", 0))
    checks = [
        ("E_SIZE", _size_conditions(f, function, sizes)),
        ("E_POINTER", [_is_null(f, p) for p in (*(given[q.name] for q in signature.parameters), *owned)]),
        ("E_ALIGNMENT", [_misaligned(f, given[n], ALIGNMENT) for n in ("state",) if n in given]),
    ]
    checks[1][1].append(f.and_(needed, _is_null(f, workspace)))
    checks[2][1].append(f.and_(needed, _misaligned(f, workspace, ALIGNMENT)))

    def located(name: str) -> Reg:
        """The address of a captured tensor."""
        if uses_weights:
            position = list(library.by_name).index(name)
            return f.load(f.offset(given["weights"], position * POINTER_BYTES), "ptr")
        if name in library.state:
            return f.offset(given["state"], library.state[name])
        return _blob(module, f"{library.name}.{library.fields[name]}", library.by_name[name].data or b"\0")

    def run() -> Reg:
        captured = {name: located(name) for name in signature.captured}
        missing = [_is_null(f, pointer) for pointer in captured.values()] if uses_weights else []
        return _checked(f, [("E_POINTER", missing)], lambda: call(captured))

    def call(captured: dict[str, Reg]) -> Reg:
        pointers = [captured[b] if isinstance(b, str) else given[b.name] for b in signature.buffers]
        buffers = f.alloca("ptr", max(len(pointers), 1), align=8)
        for i, pointer in enumerate(pointers):
            f.store(pointer, f.offset(buffers, i * POINTER_BYTES))
        entry = entry_name(library, function)
        module.declare(entry, f"declare i32 @{entry}(ptr, ptr, ptr, ptr)")
        status = f.call("i32", entry, buffers, dims, workspace, given["context"])
        assert status is not None
        return status

    f.finish(_checked(f, checks, run))
