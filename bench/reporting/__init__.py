"""Results of a benchmark as text, JSON and figures.

* `report`: columns, sections and the report that a command prints and writes.
* `figures`: curves and bars with their spreads; `http_tables`: the tables of `facet bench http`.
"""
