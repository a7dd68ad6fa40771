"""What `benchmarks/speed.py` times, a file for each part."""
