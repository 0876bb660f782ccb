"""Certificates: whom the cluster trusts, what it shows of itself, and when either ends."""
