"""What is watched: checks with a remedy each, metrics for Prometheus, and alerts that are told once."""
