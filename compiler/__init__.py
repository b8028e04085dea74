"""Graph in, program out."""

if __name__ != "ingot.compiler":
    raise ImportError(f"this folder is the package ingot.compiler; it was imported as {__name__!r}")
