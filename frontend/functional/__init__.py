"""Composite functions of tensors; they have no rules of their own."""
