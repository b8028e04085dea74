"""The `ingot` command, also `python -m ingot`."""

import sys

from ingot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
