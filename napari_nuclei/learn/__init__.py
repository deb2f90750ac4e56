"""Learning: data sets, crops, recipes and the training loop. Loads torch when imported."""
