"""The parts of `benchmarks/soak.py`: writers, a watcher, verbs, hits, checks."""
