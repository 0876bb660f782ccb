"""Shells: sockets, clock, chance, timer and DNS for the pure cores."""
