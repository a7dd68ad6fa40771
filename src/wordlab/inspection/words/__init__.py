"""Word vectors: what lies near what, how stable that is, maps."""
