"""Calls: the parked INVITE, the legs of a call, who is shown as caller, and the story of it all."""
