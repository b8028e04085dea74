"""Switches: where their values come from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingot.runtime import flags
from ingot.runtime.errors import SpecError
from ingot.runtime.flags import Flag


def fresh(flag: Flag[Any]) -> Flag[Any]:
    return Flag(flag.name, flag.default, flag.parse, flag.type_name, flag.help)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LOG", "3", 3),
        ("CACHE", "0", False),
        ("CACHE", "yes", True),
        ("CACHE_DIR", "/some/where", Path("/some/where")),
        ("CACHE_LIMIT_MB", "64", 64),
        ("THREADS", "2", 2),
        ("DISPATCH", "safe", "safe"),
        ("FP", "strict", "strict"),
        ("TARGET", "skylake", "skylake"),
    ],
)
def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    flag = fresh(getattr(flags, name))
    monkeypatch.setenv(f"INGOT_{name}", text)
    assert flag.get() == value
    monkeypatch.delenv(f"INGOT_{name}")
    assert flag.get() == value
    assert fresh(flag).get() == flag.default


@pytest.mark.parametrize(
    ("name", "text"), [("LOG", "5"), ("LOG", "x"), ("CACHE", "maybe"), ("THREADS", "-1"), ("DISPATCH", "fast")]
)
def test_bad_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    flag = fresh(getattr(flags, name))
    monkeypatch.setenv(f"INGOT_{name}", text)
    with pytest.raises(SpecError, match=rf"\[IG001\] INGOT_{name}='{text}' is not a valid value\n.*takes"):
        flag.get()


def test_overrides_nest_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INGOT_LOG", raising=False)
    flag = fresh(flags.LOG)
    with flag.override(2):
        with pytest.raises(KeyError), flag.override(4):
            assert flag.get() == 4
            raise KeyError
        assert flag.get() == 2
    assert flag.get() == 0


def test_every_flag_is_listed_once_and_helps() -> None:
    listed = [value for value in vars(flags).values() if isinstance(value, Flag)]
    assert set(listed) == set(flags.ALL) and len({flag.name for flag in flags.ALL}) == len(flags.ALL)
    for flag in flags.ALL:
        assert flag.help and flag.type_name and flag.env == f"INGOT_{flag.name}"
