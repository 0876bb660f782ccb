"""Capture files: octets in, packets out."""
