"""Shells: sockets, clocks and files around the cores."""
