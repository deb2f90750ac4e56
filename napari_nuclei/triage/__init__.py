"""The order of doubt: which nuclei a person should look at first."""
