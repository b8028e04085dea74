"""Local rules for `rewrite`, by what they are about. A rule gives an equal value, NaN, Inf and -0 included, or None."""
