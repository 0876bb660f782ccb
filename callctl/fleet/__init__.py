"""Thousands of simulated phones and callers over sockets, and what became of their calls."""
