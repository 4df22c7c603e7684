"""Report of a comparison, in Markdown, as JSON and as figures.

`report` writes the files. `sections`, `findings` and `figures` are their parts, `texts` formats
numbers. `scores`, `intervals` and `totals` compute from the records, `paper` holds the published
results and `verdicts` compares with them. Nothing here holds state, trains or reads a data set.
"""
