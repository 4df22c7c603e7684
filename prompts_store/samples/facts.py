"""What a manifest says of its file's sample images, and how many and how large they may be."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_SAMPLES = 8
MAX_SAMPLE_BYTES = 64 * 1024
"""Of one image, encoded."""

PREFIX = "samples."
"""Of the names of their tensors: `samples.0` holds the bytes of the first."""

MediaType = Literal["image/png", "image/jpeg", "image/webp"]
"""Types that every browser shows and that hold no scripts."""


class SampleFacts(BaseModel):
    """One sample: what it was labelled as, and the type of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=500)]
    media_type: MediaType

    @field_validator("label")
    @classmethod
    def _printable(cls, label: str) -> str:
        if not label.isprintable():
            raise ValueError(f"expected printable characters, found {label[:60]!r}")
        return label


def begins_as(data: bytes, media_type: MediaType) -> bool:
    """Return whether a file begins as one of its type does, whatever else it is."""
    match media_type:
        case "image/png":
            return data.startswith(b"\x89PNG\r\n\x1a\n")
        case "image/jpeg":
            return data.startswith(b"\xff\xd8\xff")
        case "image/webp":
            return data.startswith(b"RIFF") and data[8:12] == b"WEBP"
