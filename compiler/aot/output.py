"""Writing files so that either all of them appear, whole, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ingot.runtime.errors import OutputError


def write(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Put the files into `folder`, which is made if need be; other files there stay. Raises OutputError (IG602).

    Everything is written into a temporary folder of the same file system first and moved when it is complete.
    """
    try:
        return _write(folder, files)
    except OSError as error:
        raise OutputError(
            "IG602",
            f"cannot write to {folder}: {error.strerror or error}",
            detail=["nothing was written"],
            fix="-o with a folder that you may write to",
        ) from None


def _write(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    staging: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".ingot-", dir=folder))
        for name, data in files.items():
            staged = staging / name
            staged.write_bytes(data)
            staged.chmod(0o755 if name.endswith(".so") else 0o644)
        for name in files:
            # Asked before anything moves: a folder cannot be replaced by a file.
            if (folder / name).is_dir():
                raise IsADirectoryError(0, f"{folder / name} is a folder")
        for name in files:
            os.replace(staging / name, folder / name)
    except OSError:
        for path in missing:
            shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return tuple(folder / name for name in files)
