"""Inputs made by machine: a slice of each in `make test`, the whole in `make fuzz`."""
