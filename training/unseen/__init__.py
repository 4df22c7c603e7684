"""Which score tells images of no known class from the others: `facet unseen`.

Some classes are kept out of training; then every score of `scores` is measured by how well it tells
their images from those of the known classes. What a task file states is the best of them.

* `scores`: the candidates.
* `cells`: one training and its measures; `split` says which classes it never sees.
* `run`: one command from trainings to report; `report` makes the table.
"""
