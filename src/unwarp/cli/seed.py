"""The numbers that a seed may be."""

__all__ = ["LARGEST_SEED"]

LARGEST_SEED = 2**63 - 1
"""What torch takes as a seed in 64 bits with a sign."""
