"""Forms of other services' APIs, for the clients that people have already.

    encoded      images within a JSON document
    embeddings   OpenAI's POST /v1/embeddings: pooled features
    models       OpenAI's GET /v1/models: tasks, and the backbone
    huggingface  Hugging Face's POST /hf/{task}: image classification

A call of each is one of the predictor like any other; see `http.calls`.
"""
