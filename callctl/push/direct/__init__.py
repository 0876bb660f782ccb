"""Channels that reach the partner clouds without Push REST, for who has an account there."""
