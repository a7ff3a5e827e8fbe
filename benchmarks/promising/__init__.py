"""What benchmarks/promise.py does, step by step."""
