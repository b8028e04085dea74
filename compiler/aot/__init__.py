"""Ahead of time: compiled functions as a C library without Python."""
