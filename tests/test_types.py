"""mypy --strict accepts everything: the package, the tests and the samples."""

import subprocess
import sys

from link_tree import ROOT, link_tree


def test_mypy_strict() -> None:
    link_tree()
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.replace("build/typing/ingot/", "") + done.stderr
