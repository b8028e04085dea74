"""Threads belong to the caller: results are the same without any, and two calls may run at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aot import toolchain

import ingot
from ingot.aot import baseline

SOURCE = r"""
#define _POSIX_C_SOURCE 200809L
#include "wide.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 300000, THREADS = 3 };

typedef struct job {
    void (*body)(void *argument, int64_t low, int64_t high, int64_t thread);
    void *argument;
    int64_t count, grain, thread, calls;
} job;

static void *work(void *given) {
    job *j = given;
    int64_t chunks = (j->count + j->grain - 1) / j->grain, i;
    for (i = j->thread; i < chunks; i += THREADS) {
        int64_t low = i * j->grain, high = low + j->grain;
        j->body(j->argument, low, high < j->count ? high : j->count, j->thread);
        j->calls++;
    }
    return NULL;
}

static void parallel_for(const ingot_context *context, void (*body)(void *, int64_t, int64_t, int64_t), void *argument,
                         int64_t count, int64_t grain) {
    job jobs[THREADS];
    pthread_t threads[THREADS];
    int i;
    for (i = 0; i < THREADS; i++) {
        job made = {body, argument, count, grain, i, 0};
        jobs[i] = made;
        pthread_create(&threads[i], NULL, work, &jobs[i]);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        *(int64_t *)context->pool += jobs[i].calls;
    }
}

static float x[N], serial[N], shared[N], first[N], second[N];

static void *workspace(void) {
    char *memory = malloc(wide_workspace_size() + 64);
    return (void *)(((uintptr_t)memory + 63) / 64 * 64);
}

static void *call(void *out) {
    return wide(x, out, workspace(), NULL) == WIDE_OK ? out : NULL;
}

int main(void) {
    int64_t calls = 0;
    ingot_context context = {sizeof context, THREADS, parallel_for, NULL};
    pthread_t other;
    void *done;
    int i;
    context.pool = &calls;
    for (i = 0; i < N; i++) x[i] = (float)i / N;
    if (call(serial) == NULL || wide(x, shared, workspace(), &context) != WIDE_OK) return 1;
    pthread_create(&other, NULL, call, first);
    if (call(second) == NULL) return 2;
    pthread_join(other, &done);
    if (done == NULL) return 3;
    printf("%s", calls > 1 ? "shared " : "alone ");
    printf("%d %d %d\n", memcmp(serial, shared, sizeof serial), memcmp(serial, first, sizeof serial),
           memcmp(serial, second, sizeof serial));
    return 0;
}
"""


@pytest.mark.parametrize("on", [baseline(), "aarch64"])
def test_parallel_for_and_two_calls_at_once(tmp_path: Path, on: str) -> None:
    @ingot.jit(specs=["f32[300000]"])
    def wide(x: Any) -> Any:
        return (x.sin() * x.exp()).tanh() / x.sum()

    toolchain.c_compiler(on)
    command = toolchain.runner(on)
    ingot.aot.build(wide, tmp_path, emit=["archive", "header"], target=on)
    program = toolchain.compile_c(SOURCE, tmp_path / "run", tmp_path / "libwide.a", "-pthread", on=on, static=True)
    assert toolchain.run([*command, program]) == "shared 0 0 0\n"
