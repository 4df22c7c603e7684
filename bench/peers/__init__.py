"""What one would serve many vision tasks with instead of Facet: a small server each, set up as its own manual says.

All answer the same request (a JPEG as body) with the same ranked labels as JSON. Their dependencies are the extra
`peers`; one that is not installed is left out of the comparison with a sentence.
"""
