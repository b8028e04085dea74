"""Modules: layers with parameters, and losses."""
