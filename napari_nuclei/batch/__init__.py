"""Many images in one run. Not here: one of them (`prediction/`), the command line (`commands/`)."""
