"""From what a packet is captured with down to datagrams and segments."""
