"""`callctl replay`: captures played against the engine, and what is not as it was.

One module for each command; each is imported when it runs.
"""

from __future__ import annotations

from typing import Final

from cyclopts import App

EXIT_CODES: Final = (
    "Exit codes: 0 all is as it was, 1 something is not, 2 a capture could not be played or the "
    "command line is wrong, 3 no cluster to record."
)

RECORD: Final = """Captures with notes, of a running cluster or of stories.

No password comes over the admin API, and none is needed: a replay plays both sides, with one word
for every password of the cluster file. A wrong password stays wrong. Before a play with --live, put
the real passwords into that file. Push tokens and digests come over the API as for
`callctl trace --secrets`; in what is written, tokens are others, and digests and media keys are
masked. Names and numbers stay: `callctl replay anonymise` takes those out.

Of a device that signs in several times while it is recorded the notes have the last time. A push
service that is stopped or started has to be added to them.
"""

app = App(
    name="replay",
    help="Play captures again as those outside did, and tell what is not as it was.",
    help_epilogue=EXIT_CODES,
)
app.command(
    "callctl.cli.replay_run:run", name="run", help="Play captures, and tell what is not as it was."
)
app.command(
    "callctl.cli.replay_show:show", name="show", help="What a capture holds, without playing it."
)
app.command("callctl.cli.replay_record:record", name="record", help=RECORD)
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
