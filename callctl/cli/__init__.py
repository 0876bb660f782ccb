"""The command line: every subcommand of `callctl`, each a thin shell over what it shows."""
