"""Strategies and portfolios as files that a user writes: what they say, and what it amounts to."""
