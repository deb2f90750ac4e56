"""Which reviews are open in a viewer, and what the person is told."""
