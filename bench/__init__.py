"""What an operation costs, beside the peers: `python -m bench.run`."""
