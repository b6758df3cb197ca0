"""A reproducible project runner: runs any MLproject, records it, and makes the same run again."""

__all__ = ["__version__"]
__version__ = "0.1.0"
