"""The on-disk cache: contents, damage, eviction, permissions, and two processes at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ingot.runtime import cache, flags
from ingot.runtime.errors import SpecError


def one(key: str) -> str:
    return cache.key("test", key)


def test_what_was_put_is_got(cache_dir: Path) -> None:
    assert cache.get(one("a")) is None
    for payload in (b"", b"x", bytes(range(256)) * 1000):
        cache.put(one("a"), payload)
        assert cache.get(one("a")) == payload
    assert [entry.key for entry in cache.entries()] == [one("a")]
    assert [path.name for path in (cache_dir / "entries").iterdir()] == [one("a")]
    assert stat.S_IMODE((cache_dir / "entries").stat().st_mode) == 0o700


def test_keys_depend_on_every_part_and_on_where_it_ends() -> None:
    keys = [cache.key(*parts) for parts in (("ab",), ("a", "b"), ("b", "a"), ("a", "b", ""), (b"ab", b"c"))]
    assert len(set(keys)) == len(keys) and all(len(key) == 64 for key in keys)
    assert cache.key("a") == cache.key(b"a")
    with pytest.raises(SpecError, match=r"\[IG603\] '../../etc/passwd' is not a cache key"):
        cache.get("../../etc/passwd")


def test_environment_key_follows_sources_flags_and_options(tmp_path: Path) -> None:
    source = tmp_path / "a" / "deep" / "x.py"
    source.parent.mkdir(parents=True)
    keys = []
    for text in ("1", None, "2"):
        if text is not None:
            source.write_text(text)
            os.utime(source, ns=(int(text), int(text)))
        cache.code_version.cache_clear()
        keys.append(cache.environment_key(tmp_path / "a"))
    assert keys[0] == keys[1] != keys[2]
    keys = keys[2:]
    assert cache.environment_key(tmp_path / "a", options="O2") != keys[0]
    with flags.FP.override("strict"):
        assert cache.environment_key(tmp_path / "a") != keys[0]
    with flags.TARGET.override("skylake"):
        assert cache.environment_key(tmp_path / "a") != keys[0]


def test_environment_key_follows_the_processors_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code compiled on one processor has room for one thread."""
    keys = set()
    for count in (1, 2):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=count: set(range(n)), raising=False)
        cache.cpu_identity.cache_clear()
        keys.add(cache.environment_key(tmp_path))
    cache.cpu_identity.cache_clear()
    assert len(keys) == 2


def test_llvm_version_is_read_without_loading_llvm() -> None:
    code = "import sys; from ingot.runtime import cache; print(cache.llvm_version()); print('llvmlite' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("False\n") and "version" in printed


@pytest.mark.parametrize("damage", ["truncated", "header", "altered", "longer", "empty", "foreign"])
def test_a_damaged_entry_is_one_notice_and_a_miss(
    cache_dir: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    cache.put(one("a"), b"payload" * 100)
    path = cache_dir / "entries" / one("a")
    data = path.read_bytes()
    changed = {
        "truncated": data[:-1],
        "header": data[:20],
        "altered": data[:100] + bytes([data[100] ^ 1]) + data[101:],
        "longer": data + b"x",
        "empty": b"",
        "foreign": b"x" * len(data),
    }[damage]
    path.write_bytes(changed)
    assert cache.get(one("a")) is None
    notices = capsys.readouterr().err.splitlines()
    assert len(notices) == 1 and notices[0].startswith(f"ingot: cache entry {path} is damaged (")
    assert not path.exists()
    assert cache.get(one("a")) is None and capsys.readouterr().err == ""
    cache.put(one("a"), b"new")
    assert cache.get(one("a")) == b"new"


def test_verify_and_clear(cache_dir: Path) -> None:
    for name in "abc":
        cache.put(one(name), name.encode() * 10)
    (cache_dir / "entries" / one("b")).write_bytes(b"broken")
    assert [entry.key for entry in cache.verify()] == [one("b")]
    assert cache.verify() == [] and len(cache.entries()) == 2
    count, size = cache.clear()
    assert count == 2 and size > 20 and cache.entries() == []


def test_the_least_recently_used_entries_go_first(cache_dir: Path) -> None:
    with flags.CACHE_LIMIT_MB.override(1):
        for age, name in enumerate("abc"):
            cache.put(one(name), bytes(300_000))
            os.utime(cache_dir / "entries" / one(name), (1000 + age, 1000 + age))
        assert cache.get(one("a")) is not None  # Used again: "b" is the oldest from here on.
        cache.put(one("d"), bytes(300_000))
        assert {entry.key for entry in cache.entries()} == {one("a"), one("c"), one("d")}
        assert sum(entry.bytes for entry in cache.entries()) <= 1 << 20
    assert cache.evict(0) == 3 and cache.entries() == []


def test_a_full_cache_is_not_looked_through_at_every_write(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = 0
    entries = cache.entries

    def counted() -> list[cache.Entry]:
        nonlocal scans
        scans += 1
        return entries()

    monkeypatch.setattr(cache, "entries", counted)
    with flags.CACHE_LIMIT_MB.override(1):
        for i in range(400):
            cache.put(one(str(i)), bytes(8192))
            assert sum(entry.bytes for entry in entries()) <= 1 << 20
    # 3.2 MB through 1 MB, an eighth of it at a time.
    assert 10 < scans < 30


def test_abandoned_temporary_files_are_removed(cache_dir: Path) -> None:
    cache.put(one("a"), b"x")
    young, old = (cache_dir / "entries" / name for name in (".tmp-young", ".tmp-old"))
    young.write_bytes(b"1")
    old.write_bytes(b"2")
    os.utime(old, (1, 1))
    assert len(cache.entries()) == 1
    assert young.exists() and not old.exists()


def test_off(cache_dir: Path) -> None:
    with flags.CACHE.override(False):
        cache.put(one("a"), b"x")
        assert cache.get(one("a")) is None and cache.directory() is None and cache.entries() == []
    assert not cache_dir.exists()


@pytest.mark.parametrize("level", [0, 1])
def test_an_impossible_directory_turns_it_off(tmp_path: Path, capsys: pytest.CaptureFixture[str], level: int) -> None:
    blocked = tmp_path / f"file{level}"
    blocked.write_text("not a directory")
    with flags.CACHE.override(True), flags.CACHE_DIR.override(blocked / "cache"), flags.LOG.override(level):
        for _ in range(3):
            cache.put(one("a"), b"x")
            assert cache.get(one("a")) is None
    notices = capsys.readouterr().err.splitlines()
    assert len(notices) == level
    assert all("the cache is off" in notice for notice in notices)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="changes owners")
def test_other_peoples_directories_are_not_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, change in (("owned", lambda p: os.chown(p, 12345, 12345)), ("open", lambda p: p.chmod(0o777))):
        folder = tmp_path / name
        (folder / "entries").mkdir(parents=True)
        change(folder / "entries")
        with flags.CACHE.override(True), flags.CACHE_DIR.override(folder), flags.LOG.override(1):
            cache.put(one("a"), b"x")
            assert cache.get(one("a")) is None
    err = capsys.readouterr().err
    assert "belongs to user 12345" in err and "everybody may write" in err


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a user without rights")
def test_a_read_only_directory_is_read_and_not_written(tmp_path: Path) -> None:
    """In a child, because the superuser may write everywhere."""
    with flags.CACHE.override(True), flags.CACHE_DIR.override(tmp_path / "cache"):
        cache.put(one("a"), b"x")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    (tmp_path / "cache" / "entries").chmod(0o555)
    (tmp_path / "cache" / "entries" / one("a")).chmod(0o444)
    code = f"""
        import os, sys, tempfile  # the last one while this user may still read the interpreter's files
        from ingot.runtime import cache
        if os.geteuid() == 0:
            os.setgid(12345); os.setuid(12345)
        assert cache.get({one("a")!r}) == b"x"
        for _ in range(2):
            cache.put({one("b")!r}, b"y")
        assert cache.get({one("b")!r}) is None
    """
    environment = {**os.environ, "INGOT_CACHE_DIR": str(tmp_path / "cache"), "INGOT_CACHE": "1", "INGOT_LOG": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )
    (tmp_path / "cache" / "entries").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if "cannot write the cache" in line]) == 1


@pytest.mark.parametrize("home", ["/nonexistent/home", ""])
def test_a_missing_home_is_silent(tmp_path: Path, home: str) -> None:
    code = "from ingot.runtime import cache; cache.put(cache.key('a'), b'x'); print(cache.get(cache.key('b')))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INGOT_")}
    environment |= {"HOME": home or str(tmp_path / "gone" / "home")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_two_processes_write_and_evict_at_once(tmp_path: Path) -> None:
    code = """
        import sys
        from ingot.runtime import cache
        bad = 0
        for i in range(150):
            key = cache.key("shared", str(i % 7))
            payload = str(i % 7).encode() * 40000
            found = cache.get(key)
            bad += found is not None and found != payload
            cache.put(key, payload)
            if i % 40 == 0:
                cache.evict(100_000)
        print(bad, cache.counts["damaged"])
    """
    environment = {**os.environ, "INGOT_CACHE_DIR": str(tmp_path), "INGOT_CACHE": "1", "INGOT_CACHE_LIMIT_MB": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [worker.communicate(timeout=60)[0] for worker in workers] == ["0 0\n", "0 0\n"]
    names = [path.name for path in (tmp_path / "entries").iterdir()]
    assert names and not [name for name in names if name.startswith(".tmp-")]
