"""Pre-training of the embedded backbone on generated images: `facet pretrain`."""
