"""Speed, memory and scale, against the physical floor and a slow peer: `python -m benchmarks`. Not timed tests."""
