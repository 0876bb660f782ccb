"""Flows, framing, RFC 3261 §18 rules, STUN keep-alives and RFC 3263: all without sockets."""
