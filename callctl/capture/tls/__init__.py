"""TLS 1.2 and 1.3 with the secrets of a key log. Nothing is verified but that a record opens."""
