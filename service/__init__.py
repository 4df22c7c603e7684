"""The server: HTTP API, batcher, engine and bank. Stands on `backbone` and `prompts_store`."""
