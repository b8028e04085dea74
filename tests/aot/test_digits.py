"""The sample: it learns, and its C library gives Python's answer for every held-out digit, wherever it runs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from aot import toolchain
from link_tree import ROOT

import ingot
from ingot.aot import baseline

PROGRAM = r"""
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS = 360 };
static float pixels[DIGITS * 64];
static int64_t together[DIGITS], alone[DIGITS];

static void *workspace(int64_t rows) {
    char *memory = malloc(digits_predict_workspace_size(rows) + 64);
    return memory == NULL ? NULL : (void *)(((uintptr_t)memory + 63) / 64 * 64);
}

int main(int count, char **arguments) {
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    void *one = workspace(1);
    int32_t status = digits_check_processor();
    int i;
    if (file == NULL || fread(pixels, sizeof *pixels, DIGITS * 64, file) != DIGITS * 64) return 2;
    if (status == DIGITS_OK) status = digits_predict(DIGITS, pixels, together, workspace(DIGITS), NULL);
    for (i = 0; i < DIGITS && status == DIGITS_OK; i++)
        status = digits_predict(1, pixels + 64 * i, alone + i, one, NULL);
    if (status != DIGITS_OK) {
        fprintf(stderr, "%s\n", digits_error(status));
        return 1;
    }
    for (i = 0; i < DIGITS; i++) printf("%d %d\n", (int)together[i], (int)alone[i]);
    return 0;
}
"""


@pytest.fixture(scope="module")
def sample() -> ModuleType:
    """The sample's module, trained."""
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("digits", ROOT / "samples" / "digits.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["digits"] = module
    spec.loader.exec_module(module)
    pixels, labels = module.digits()
    module.train(pixels[module.HELD_OUT :], labels[module.HELD_OUT :], epochs=40)
    return module


def held_out(sample: ModuleType) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    pixels, labels = sample.digits()
    return pixels[: sample.HELD_OUT], labels[: sample.HELD_OUT]


def test_it_learns_in_one_compilation(sample: ModuleType) -> None:
    assert sample.accuracy(*held_out(sample)) >= 0.97
    assert sample.train_step.stats()["compiles"] == 1


def built(sample: ModuleType, folder: Path, **options: Any) -> Path:
    """The library and the held-out pixels in a folder."""
    ingot.aot.build(sample.predict, folder, name="digits", **options)
    (folder / "pixels").write_bytes(held_out(sample)[0].tobytes())
    return folder


def check_answers(sample: ModuleType, said: str) -> None:
    answers = np.array(said.split(), np.int64).reshape(-1, 2)
    expected = sample.predict(ingot.from_numpy(held_out(sample)[0])).numpy()
    np.testing.assert_array_equal(answers, np.stack([expected, expected], 1))


@pytest.mark.parametrize("link", ["digits.o", "libdigits.a", "libdigits.so"])
def test_every_digit_in_c(sample: ModuleType, tmp_path: Path, link: str) -> None:
    toolchain.c_compiler(baseline())
    folder = built(sample, tmp_path, emit=["obj", "archive", "shared", "header"])
    program = toolchain.compile_c(PROGRAM, folder / "run", folder / link, "-Wl,-rpath,$ORIGIN", on=baseline())
    check_answers(sample, toolchain.run(["env", "-i", program, folder / "pixels"]))


@pytest.mark.parametrize("on", ["x86-64-v2", "aarch64"])
def test_every_digit_under_emulation(sample: ModuleType, tmp_path: Path, on: str) -> None:
    command = toolchain.emulator(on)
    toolchain.c_compiler(on)
    folder = built(sample, tmp_path, target=on, emit=["archive", "header"])
    program = toolchain.compile_c(PROGRAM, folder / "run", folder / "libdigits.a", on=on, static=True)
    check_answers(sample, toolchain.run([*command, program, folder / "pixels"]))


def test_every_digit_with_weights_beside(sample: ModuleType, tmp_path: Path) -> None:
    toolchain.c_compiler(baseline())
    folder = built(sample, tmp_path, emit=["archive", "header"], weights="beside")
    read = """
    digits_weights weights;
    static union { double align[8192]; unsigned char bytes[65536]; } stored;
    FILE *beside = fopen("@FOLDER@/digits.safetensors", "rb");
    size_t size = beside ? fread(stored.bytes, 1, sizeof stored.bytes, beside) : 0;
    if (digits_bind(&weights, stored.bytes, size) != DIGITS_OK) return 3;
"""
    program = PROGRAM.replace("    if (file == NULL", read.replace("@FOLDER@", str(folder)) + "    if (file == NULL")
    program = program.replace("together, workspace", "together, &weights, workspace").replace(
        "+ i, one", "+ i, &weights, one"
    )
    made = toolchain.compile_c(program, folder / "run", folder / "libdigits.a", on=baseline())
    check_answers(sample, toolchain.run(["env", "-i", made, folder / "pixels"]))


def test_what_the_library_is(sample: ModuleType, tmp_path: Path) -> None:
    """libc and libm at most; the header's symbols alone; less than 100 KB of code."""
    toolchain.c_compiler(baseline())
    folder = built(sample, tmp_path, emit=["obj", "shared", "header"], weights="beside")
    listed = toolchain.run([toolchain.need("ldd", "libc-bin"), folder / "libdigits.so"])
    needed = {line.split()[0].split("/")[-1].split(".")[0] for line in listed.splitlines() if "=>" in line}
    assert needed <= {"libc", "libm"}
    names = {"error", "check_processor", "bind", "predict", "predict_workspace_size"}
    assert toolchain.defined(folder / "libdigits.so", "-D") == {f"digits_{name}" for name in names}
    for name in ("digits.o", "libdigits.so"):
        assert (folder / name).stat().st_size < 100_000


@pytest.mark.parametrize(
    ("on", "machine"),
    [
        ("x86-64-v2", "X86-64"),
        ("x86-64-v3", "X86-64"),
        ("x86-64-v4", "X86-64"),
        ("aarch64", "AArch64"),
        ("riscv64", "RISC-V"),
    ],
)
def test_objects_without_a_toolchain(
    sample: ModuleType, tmp_path: Path, on: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readelf = toolchain.need("readelf", "binutils")
    monkeypatch.setenv("PATH", str(tmp_path))
    built(sample, tmp_path, target=on, emit=["obj", "archive", "header"])
    assert machine in toolchain.run([readelf, "--file-header", tmp_path / "digits.o"])
