"""What the exit codes of every subcommand mean."""

from __future__ import annotations

from typing import Final

OK: Final = 0
NEGATIVE: Final = 1  # it worked, and the answer is no: not answered, mistakes found, no such call
USAGE: Final = 2  # the command line is wrong: one line on stderr says how
UNREACHABLE: Final = 3  # no cluster runs there, or it does not let us in
INTERRUPTED: Final = 130  # by Ctrl-C, where that is not the way to end
