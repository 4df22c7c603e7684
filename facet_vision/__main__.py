"""`python -m facet_vision` is the command `facet`."""

from .cli import app

app(prog_name="facet")
