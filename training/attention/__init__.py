"""What the class token looks at in an image, with and without prompts: `facet attention`."""
