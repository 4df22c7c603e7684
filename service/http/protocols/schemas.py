"""The documents that other services' APIs answer with."""

from typing import Literal

from pydantic import BaseModel, Field


class OpenAIFault(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    message: str = Field(description="One sentence.")
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(None, description="The field at fault, where it is one.")
    code: str = Field(
        description="A stable name to match on: that of a problem document, but model_not_found.",
        examples=["model_not_found"],
    )


class OpenAIProblem(BaseModel):
    """An error in the OpenAI form."""

    error: OpenAIFault


class Embedding(BaseModel):
    """The pooled feature of one image."""

    object: Literal["embedding"]
    index: int = Field(description="Position of the image in the request, from 0.")
    embedding: list[float] | str


class Usage(BaseModel):
    """Images counted as OpenAI counts tokens."""

    prompt_tokens: int = Field(description="How many images were embedded.")
    total_tokens: int


class EmbeddingList(BaseModel):
    """One embedding for each image, in the order of the request."""

    object: Literal["list"]
    data: list[Embedding]
    model: str = Field(description="The task that answered, or backbone.")
    version: int = Field(
        description="The task's version; 0 of the backbone. Embeddings of two versions do not mix."
    )
    usage: Usage


class Model(BaseModel):
    """A task that answers, or the backbone."""

    id: str = Field(examples=["digits"])
    object: Literal["model"] = "model"
    created: int = Field(
        description="When the live version was made, in seconds since 1970; 0 of the backbone."
    )
    owned_by: str = Field(description="The backbone that it stands on.", examples=["facet-tiny"])


class ModelList(BaseModel):
    """The backbone, and the live tasks by name."""

    object: Literal["list"] = "list"
    data: list[Model]


class HuggingFaceProblem(BaseModel):
    """An error as Hugging Face's clients read it."""

    error: str = Field(description="One sentence.")
    error_type: str = Field(
        description="A stable name to match on: that of a problem document.",
        examples=["unknown-task"],
    )


class ScoredLabel(BaseModel):
    """One label with its score."""

    label: str = Field(examples=["7"])
    score: float = Field(examples=[0.993])
