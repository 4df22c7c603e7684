"""`facet compare`: methods on tasks over seeds, and the report on them."""
