"""Features of held-out images under several methods, projected to a plane side by side: `facet tsne`."""
