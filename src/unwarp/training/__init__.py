"""Training by Lightning: the only place that imports it."""
