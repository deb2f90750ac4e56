"""Asking the model: boxes, clicks, candidates, similar nuclei."""
