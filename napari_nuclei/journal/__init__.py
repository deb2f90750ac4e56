"""The file that keeps every edit of a review."""
