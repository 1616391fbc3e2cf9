"""Findings turned into asset checks."""
