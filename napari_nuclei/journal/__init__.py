"""The file that keeps every edit of a review. Not here: what is reviewed (`review.py`)."""
