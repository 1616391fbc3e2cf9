"""Indicator series: catalogue, kernels by family, and the exact last values."""
