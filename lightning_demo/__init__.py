"""Live text-to-image with SDXL-Lightning: a picture for every keystroke."""

__version__ = "0.1.0"
