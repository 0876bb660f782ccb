"""From the segments of a connection to the SIP messages inside."""
