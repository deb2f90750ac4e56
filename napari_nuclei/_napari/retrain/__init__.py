"""Retraining on what was corrected, in the window."""
