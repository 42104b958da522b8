"""Other people's interfaces: their agents in drivelab, ours in their programs and formats."""
