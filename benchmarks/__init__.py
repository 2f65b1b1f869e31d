"""Speed as ratios in one run: ``python -m benchmarks`` prints them and writes JSON."""
