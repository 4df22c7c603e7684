"""Shared by all tests: deterministic hypothesis, and helper modules beside a test file can be imported."""

import sys
from pathlib import Path

import torch
from hypothesis import settings

settings.register_profile("facet", derandomize=True, deadline=None)
settings.load_profile("facet")

torch.set_num_threads(1)  # the tests' networks are so small that a second thread only adds waiting

# With import-mode=importlib pytest leaves sys.path alone; helpers such as tests/backbone/families.py need their folder.
for folder in Path(__file__).parent.iterdir():
    if folder.is_dir():
        sys.path.append(str(folder))
