"""The way from a node to the clouds: proxies, their addresses, how they want to be spoken to."""
