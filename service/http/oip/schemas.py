"""The JSON documents of the Open Inference Protocol, as far as OpenAPI shows them."""

from pydantic import BaseModel, Field


class OipError(BaseModel):
    """What went wrong."""

    error: str = Field(description="One sentence.")
