"""Tests of the Schwab room."""
