"""The administrator's nouns: cluster, nodes, CM groups, device pools, users, lines, devices."""
