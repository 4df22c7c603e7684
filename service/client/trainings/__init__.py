"""Trainings of a server, from the client: `answers`, `calls`, and the command `facet trainings`."""
