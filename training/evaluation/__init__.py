"""How well a task does on labelled images: `facet evaluate`.

`questions` reads the images and finds their labels among the task's; `measures` makes numbers of
the scores that a task gives them, wherever it computes; `abstention` counts what it does where it
may give no label; `texts` shows the numbers.
"""
