"""Prompt variants of the paper's ablations, and `facet ablate`, which compares them; none of them is served."""
