"""Experiments by name: settings, what builds them, and the records of their runs."""
