"""Simulated phones: a SIP user agent, and an operating system with an app around it."""
