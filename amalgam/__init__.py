"""amalgam distils what several pretrained models know together into one small student."""

__version__ = "0.1.0"
