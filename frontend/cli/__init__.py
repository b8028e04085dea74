"""The `ingot` command line, one file per command."""
