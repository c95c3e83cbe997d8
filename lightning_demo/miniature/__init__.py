"""SDXL four hundred times smaller: its own world of pictures, its training and its export.

Knows nothing of the engine or the web; the rest of the project reads only the exported files.
"""
