"""Captures as regressions: the outside parties of a capture are played against the engine."""
