"""One module per verb: `USAGE` and `run(words) -> exit code`."""
