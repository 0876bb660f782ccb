"""Pushes for calls: what they say, how they are sealed, and the service that posts them."""
