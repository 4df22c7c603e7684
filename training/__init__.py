"""Training: data sets, the methods that adapt a frozen backbone, and the loop that fits them."""
