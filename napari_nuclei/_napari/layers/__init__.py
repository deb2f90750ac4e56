"""The review layer: nuclei as a Labels layer, what lies over it, the mouse on it."""
