"""Dialogs (RFC 3261 §12) and the two ends of an INVITE (§13), for user agents; a proxy has none."""
