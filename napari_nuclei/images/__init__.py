"""Reading images of all kinds and sizes. Not here: what is found in them."""
