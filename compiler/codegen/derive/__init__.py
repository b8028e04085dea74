"""Derivation of the polynomial coefficients: `python -m ingot.compiler.codegen.derive` rewrites coefficients.json."""
