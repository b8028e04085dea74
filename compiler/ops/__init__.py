"""The op table: one row per primitive."""
