"""What the server tells of its own API: the OpenAPI document, and the page that shows it."""
