"""Data: labelled images, and what the network sees of them.

`datasets` makes labelled images of every source; `reading` takes the parts that a recipe asks
for; `images` preprocesses them by the batch; `augment` changes the training images.
"""
