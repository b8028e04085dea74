"""Every error code is explained, and every explained code exists."""

from __future__ import annotations

import re

from link_tree import ROOT

from ingot.runtime.errors import CODES, explain

SOURCES = [
    path
    for folder in ("frontend", "compiler", "runtime")
    for path in (ROOT / folder).rglob("*.py")
    if path != ROOT / "runtime" / "errors.py"
]
RAISED = {code for path in SOURCES for code in re.findall(r'"(IG\d{3})"', path.read_text())}


def test_every_code_is_explained() -> None:
    assert set() == RAISED - CODES.keys()


def test_no_code_is_explained_that_nothing_raises() -> None:
    # IG002 is `explain`'s own answer to an unknown code.
    assert CODES.keys() - RAISED == {"IG002"}


def test_explanations_are_sentences() -> None:
    for code in CODES:
        assert re.fullmatch(r"IG\d{3}: .*[.]", explain(code), re.DOTALL), code
