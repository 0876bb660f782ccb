"""Nodes that know of one another: cluster events, who is in service, which node a device uses."""
