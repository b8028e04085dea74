"""Runs a program; knows no op and no graph."""

if __name__ != "ingot.runtime":
    raise ImportError(f"this folder is the package ingot.runtime; it was imported as {__name__!r}")
