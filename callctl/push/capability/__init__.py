"""What a device can be sent, over which channel and with what in it (GEN-10)."""
