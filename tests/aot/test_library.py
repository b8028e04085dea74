"""Libraries as a C programmer meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from aot import toolchain
from aot.libraries import BIAS, WEIGHT, captured, doubled, library, scale, step
from safetensors.numpy import load_file

from ingot.compiler import aot
from ingot.compiler.aot import Captured, Library
from ingot.compiler.codegen import target
from ingot.runtime import dtypes

NATIVE = "x86-64-v2" if target.host().architecture == "x86_64" else target.host().architecture
X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)

INSIDE = r"""
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static union { double align[512]; unsigned char bytes[4096]; } memory;

static void *aligned(size_t offset) {
    uintptr_t start = ((uintptr_t)memory.bytes + 63) / 64 * 64;
    return (void *)(start + offset);
}

int main(void) {
    float x[6] = {1, 2, 3, 4, 5, 6}, out[6], size = 10, sum;
    void *state = aligned(0), *workspace = aligned(1024);
    int i;
    if (net_state_size() != 64 || net_step_workspace_size() != 16 || net_scale_workspace_size() != 0) return 2;
    printf("%d\n", (int)net_state_init(state));
    printf("%d\n", (int)net_scale(2, x, out, state, NULL, NULL));
    for (i = 0; i < 6; i++) printf("%.9g ", out[i]);
    printf("\n%d\n", (int)net_step(&size, &sum, state, workspace, NULL));
    printf("%.9g\n%d\n", sum, (int)net_scale(1, x, out, state, NULL, NULL));
    for (i = 0; i < 3; i++) printf("%.9g ", out[i]);
    printf("\n");
    x[0] = -1;
    printf("%d %s\n", (int)net_scale(1, x, out, state, NULL, NULL), net_error(7));
    printf("%d %d\n", (int)net_scale(0, x, out, state, NULL, NULL), (int)net_scale(1001, x, out, state, NULL, NULL));
    printf("%d %d\n", (int)net_scale(1, NULL, out, state, NULL, NULL), (int)net_scale(1, x, out, NULL, NULL, NULL));
    printf("%d\n", (int)net_step(&size, &sum, state, NULL, NULL));
    printf("%d\n", (int)net_step(&size, &sum, state, aligned(8), NULL));
    printf("%d\n", (int)net_state_init(aligned(4)));
    printf("%s\n%s\n", net_error(NET_OK), net_error(NET_E_SIZE));
    return 0;
}
"""


def numbers(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
    return "".join(f"{v:.9g} " for v in values.reshape(-1).tolist())


def expected() -> list[str]:
    return [
        "0",
        "0",
        numbers(X * WEIGHT + BIAS),
        "0",
        f"{WEIGHT.sum():.9g}",
        "0",
        numbers(X[0] * (WEIGHT + np.float32(10)) + BIAS),
        "7 the compiled code reported a failed run-time check",
        "-2 -2",
        "-1 -1",
        "-1",
        "-3",
        "-3",
        "success",
        "a size is outside its range, or not a multiple of what the header states",
    ]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toolchain.c_compiler(NATIVE)
    folder = tmp_path_factory.mktemp("inside")
    aot.build(library(scale(), step(), on=NATIVE), folder, aot.EMITTED)
    return folder


@pytest.mark.parametrize("link", ["net.o", "libnet.a", "libnet.so"])
def test_c_program_in_an_empty_environment(inside: Path, link: str) -> None:
    rpath = ["-Wl,-rpath,$ORIGIN"] if link.endswith("so") else []
    program = toolchain.compile_c(INSIDE, inside / f"run_{link.replace('.', '_')}", inside / link, *rpath, on=NATIVE)
    assert toolchain.run(["env", "-i", program]).splitlines() == expected()


@pytest.mark.parametrize("on", ["x86-64-v2", "aarch64"])
def test_c_program_under_emulation(tmp_path: Path, on: str) -> None:
    emulator = toolchain.emulator(on)
    toolchain.c_compiler(on)
    aot.build(library(scale(), step(), on=on), tmp_path, ["archive", "header"])
    program = toolchain.compile_c(INSIDE, tmp_path / "run", tmp_path / "libnet.a", on=on, static=True)
    assert toolchain.run([*emulator, program]).splitlines() == expected()


PROCESSOR = """
#include "net.h"
#include <stdio.h>
int main(void) {
    printf("%d\\n", (int)net_check_processor());
    return 0;
}
"""


@pytest.mark.parametrize(
    ("on", "emulated", "status"),
    [
        ("x86-64", "qemu64", 0),
        ("x86-64-v2", "Nehalem", 0),
        ("x86-64-v2", "qemu64", -5),
        ("x86-64-v3", "Nehalem", -5),
        ("x86-64-v3", "SandyBridge", -5),
        ("x86-64-v3", "max", 0),
        ("x86-64-v4", "Haswell", -5),
    ],
)
def test_a_processor_that_lacks_instructions(tmp_path: Path, on: str, emulated: str, status: int) -> None:
    emulator = toolchain.need("qemu-x86_64", "qemu-user")
    aot.build(library(on=on), tmp_path, ["archive", "header"])
    program = toolchain.compile_c(PROCESSOR, tmp_path / "run", tmp_path / "libnet.a", on="x86-64", static=True)
    assert toolchain.run([emulator, "-cpu", emulated, program]) == f"{status}\n"


@pytest.mark.parametrize("on", ["aarch64", NATIVE])
def test_the_own_baseline_is_there(tmp_path: Path, on: str) -> None:
    emulator = [] if on == NATIVE else toolchain.emulator(on)
    toolchain.c_compiler(on)
    aot.build(library(on=on), tmp_path, ["archive", "header"])
    program = toolchain.compile_c(PROCESSOR, tmp_path / "run", tmp_path / "libnet.a", on=on, static=True)
    assert toolchain.run([*emulator, program]) == "0\n"


def test_symbols_are_those_of_the_header(inside: Path) -> None:
    declared = set(re.findall(r"^(?:const char \*|size_t |int32_t )(\w+)\(", (inside / "net.h").read_text(), re.M))
    assert declared == set(library(scale(), step()).exports)
    assert toolchain.defined(inside / "net.o") == declared
    assert toolchain.defined(inside / "libnet.a") == declared
    assert toolchain.defined(inside / "libnet.so", "-D") == declared
    assert toolchain.undefined(inside / "net.o") == set()


def test_shared_library_needs_libc_at_most(inside: Path) -> None:
    listed = toolchain.run(["env", "-i", toolchain.need("ldd", "libc-bin"), inside / "libnet.so"])
    names = {line.split()[0].split("/")[-1].split(".")[0] for line in listed.splitlines() if "=>" in line}
    assert names <= {"libc", "libm"}


def test_header_is_cplusplus_too(inside: Path) -> None:
    compiler = toolchain.need("g++", "g++")
    source = inside / "include.cpp"
    source.write_text('#include "net.h"\n#include "net.h"\nint main() { return net_error(0) == nullptr; }\n')
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    toolchain.run([compiler, *flags, source, inside / "libnet.a", "-o", inside / "cpp"])
    toolchain.run([inside / "cpp"])


BESIDE = r"""
#include "net.h"
#include <stdio.h>
#include <string.h>

static union { double align[64]; unsigned char bytes[512]; } file;

int main(int count, char **arguments) {
    float x[3] = {1, 2, 3}, out[3];
    net_weights weights;
    FILE *f = fopen(arguments[count - 1], "rb");
    size_t size = f ? fread(file.bytes, 1, sizeof file.bytes, f) : 0;
    memset(&weights, 0, sizeof weights);
    printf("%d\n", (int)net_scale(1, x, out, &weights, NULL, NULL));
    printf("%d\n", (int)net_bind(&weights, file.bytes, size));
    printf("%d\n", (int)net_scale(1, x, out, &weights, NULL, NULL));
    printf("%.9g %.9g %.9g \n", out[0], out[1], out[2]);
    printf("%d %d %d\n", (int)net_bind(&weights, NULL, size), (int)net_bind(&weights, file.bytes + 1, size),
           (int)net_bind(&weights, file.bytes, size - 1));
    file.bytes[12] ^= 1;
    printf("%d\n", (int)net_bind(&weights, file.bytes, size));
    return 0;
}
"""


def test_weights_beside(tmp_path: Path) -> None:
    toolchain.c_compiler(NATIVE)
    made = library(scale(), weights="beside", on=NATIVE)
    aot.build(made, tmp_path, ["obj", "header"])
    stored = load_file(tmp_path / "net.safetensors")
    assert np.array_equal(stored["net.weight"], WEIGHT) and np.array_equal(stored["net.bias"], BIAS)
    program = toolchain.compile_c(BESIDE, tmp_path / "run", tmp_path / "net.o", on=NATIVE)
    said = toolchain.run(["env", "-i", program, tmp_path / "net.safetensors"]).splitlines()
    assert said == ["-1", "0", "0", numbers(X[:1] * WEIGHT + BIAS), "-1 -3 -4", "-4"]


def test_workspace_that_depends_on_a_size(tmp_path: Path) -> None:
    toolchain.c_compiler(NATIVE)
    aot.build(library(doubled(), on=NATIVE), tmp_path, ["obj", "header"])
    assert "size_t net_doubled_workspace_size(int64_t b);" in (tmp_path / "net.h").read_text()
    source = """
#include "net.h"
#include <stdio.h>
int main(void) {
    float x[3] = {1, 2, 3}, out[3];
    printf("%d %d ", (int)net_doubled_workspace_size(1), (int)net_doubled_workspace_size(1000));
    printf("%d\\n", (int)net_doubled(1, x, out, NULL, NULL));
    return 0;
}
"""
    program = toolchain.compile_c(source, tmp_path / "run", tmp_path / "net.o", on=NATIVE)
    assert toolchain.run([program]) == "72 8064 -1\n"


@pytest.mark.parametrize(
    ("on", "machine"),
    [
        ("x86-64", "X86-64"),
        ("x86-64-v2", "X86-64"),
        ("x86-64-v3", "X86-64"),
        ("x86-64-v4", "X86-64"),
        ("aarch64", "AArch64"),
        ("riscv64", "RISC-V"),
    ],
)
def test_objects_for_every_target_without_a_toolchain(
    tmp_path: Path, on: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readelf = toolchain.need("readelf", "binutils")
    monkeypatch.setenv("PATH", str(tmp_path))
    aot.build(library(scale(), step(), on=on), tmp_path, ["obj", "archive", "header"])
    monkeypatch.undo()
    said = toolchain.run([readelf, "--file-header", tmp_path / "net.o"])
    assert re.search(rf"Machine:.*{machine}", said) and "REL (Relocatable file)" in said
    if machine == "RISC-V":
        assert "double-float ABI" in said
    relocations = toolchain.run([readelf, "--relocs", tmp_path / "net.o"])
    assert "GOT" not in relocations.replace("GOTPCREL", "")


def test_same_library_same_bytes() -> None:
    for weights in ("inside", "beside"):
        first = aot.files(library(scale(), step(), weights=weights), ["obj", "archive", "header"])
        assert first == aot.files(library(scale(), step(), weights=weights), ["obj", "archive", "header"])


def test_manifest_describes_the_files(inside: Path) -> None:
    content = json.loads((inside / "net.json").read_text())
    for name, row in content["files"].items():
        assert (inside / name).stat().st_size == row["bytes"]
    assert set(content["files"]) == {"net.o", "libnet.a", "libnet.so", "net.h"}
    assert [f["symbol"] for f in content["functions"]] == ["net_scale", "net_step"]
    assert content["functions"][0]["sizes"] == {"b": {"low": 1, "high": 1000, "multiple": 1}}
    assert content["functions"][1]["workspace_bytes"] == 16
    weight, bias = content["weights"]["tensors"]
    assert (weight["mutated"], weight["state_offset"], bias["mutated"]) == (True, 0, False)


def test_every_dtype_has_a_c_type(tmp_path: Path) -> None:
    tensors = tuple(Captured(f"t.{d.name}", d, (1,), bytes(d.itemsize)) for d in dtypes.ALL)
    made = Library("net", target.named(NATIVE), (scale(),), (*captured(), *tensors), "beside")
    toolchain.c_compiler(NATIVE)
    aot.build(made, tmp_path, ["obj", "header"])
    lines = [
        f"    if (sizeof *w.{field} != {made.by_name[name].dtype.itemsize}) return 1;"
        for name, field in made.fields.items()
    ]
    source = "\n".join(['#include "net.h"', "int main(void) {", "    net_weights w;", *lines, "    return 0;", "}", ""])
    toolchain.run([toolchain.compile_c(source, tmp_path / "sizes", tmp_path / "net.o", on=NATIVE)])
