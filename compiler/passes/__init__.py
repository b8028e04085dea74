"""Passes: plain functions Graph -> Graph, one per file."""
