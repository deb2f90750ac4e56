"""Accepting, rejecting and correcting nuclei: actions, the way along them, the panel."""
