"""Draws the world: light, land, subjects and the looks that lie over a whole picture."""
