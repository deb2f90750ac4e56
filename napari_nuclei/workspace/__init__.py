"""A folder of images under review. Not here: the review of one of them (`review.py`)."""
