"""Work on threads, and how long it will take."""
