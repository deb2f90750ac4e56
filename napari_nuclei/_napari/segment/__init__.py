"""Segmenting the chosen image: settings, the engine, what comes of it."""
