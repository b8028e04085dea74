"""Kernel IR -> LLVM IR -> object code."""
