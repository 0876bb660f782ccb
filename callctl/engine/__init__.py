"""The engine of one node: registrar, stateful forking proxy and calls behind three doors."""
