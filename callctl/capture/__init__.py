"""What a node sends and receives, as a pcapng file that Wireshark and sngrep open."""
