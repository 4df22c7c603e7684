"""Prints what pyproject.toml requires, with the extras named: `requirements.py otel,data`."""

import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = [name for name in sys.argv[1].split(",") if name]
needed = [*project["dependencies"]]
for name in extras:
    needed += project["optional-dependencies"][name]
print("\n".join(needed))
