"""Data sets: every source becomes labelled images in a part to learn from and a part held out."""

from .examples import Examples, TaskData
from .sources import load

__all__ = ["Examples", "TaskData", "load"]
