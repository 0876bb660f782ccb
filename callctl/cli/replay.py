"""`callctl replay`: captures played against the engine, and what is not as it was.

One module for each command; each is imported when it runs.
"""

from __future__ import annotations

from cyclopts import App

app = App(
    name="replay", help="Play captures again as those outside did, and tell what is not as it was."
)
app.command(
    "callctl.cli.replay_run:run", name="run", help="Play captures, and tell what is not as it was."
)
app.command(
    "callctl.cli.replay_show:show", name="show", help="What a capture holds, without playing it."
)
app.command(
    "callctl.cli.replay_record:record", name="record", help="Captures with notes, to be replayed."
)
app.command(
    "callctl.cli.replay_learn:learn", name="learn", help="Notes for a capture from elsewhere."
)
app.command(
    "callctl.cli.replay_anonymise:anonymise",
    name="anonymise",
    help="A capture without what is personal in it.",
)
app.command(
    "callctl.cli.replay_shrink:shrink",
    name="shrink",
    help="The least of a capture that still differs.",
)
