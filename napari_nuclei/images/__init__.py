"""Reading images of all kinds and sizes."""
