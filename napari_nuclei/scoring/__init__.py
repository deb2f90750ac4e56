"""How well predictions agree with the truth."""
