"""Lay the source folders out under their import names, for tools that run no import hooks (mypy, pyright, editors)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "typing"


def link_tree() -> Path:
    """Bring build/typing up to date: a folder `ingot` of symlinks to the source files."""
    package = TREE / "ingot"
    package.mkdir(parents=True, exist_ok=True)
    entries = (*(ROOT / "frontend").iterdir(), ROOT / "compiler", ROOT / "runtime")
    wanted = {entry.name: entry for entry in entries if entry.name != "__pycache__"}
    for link in package.iterdir():
        # Links that are right stay, so that a checker running at the same time never misses a file.
        if wanted.get(link.name) != link.readlink():
            link.unlink()
    for name, entry in wanted.items():
        if not (package / name).is_symlink():
            (package / name).symlink_to(entry)
    return TREE


if __name__ == "__main__":
    print(link_tree())
