"""Datasets: one a file. Nothing here needs a network, except where a download is asked for."""
