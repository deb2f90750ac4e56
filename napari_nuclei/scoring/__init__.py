"""How well predictions agree with the truth. Not here: what is in the files (`formats/`)."""
