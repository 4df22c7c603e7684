"""Images as strings of a JSON document: base64, plain or in a data URI. No URL is ever fetched."""

import re
from base64 import b64decode
from collections.abc import Sequence
from urllib.parse import unquote

from facet_vision.service.errors import BodyTooLarge, InvalidBody
from facet_vision.service.http.bodies import aside_if_large
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.settings import Settings

SCHEMA = {"type": "string", "format": "byte", "minLength": 4}
"""An image within a JSON document, for the OpenAPI document; a data URI of one may be sent too."""

_DATA = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_MAX_HEADER = 256


async def images_of(texts: Sequence[str], settings: Settings, field: str) -> list[ImageBytes]:
    """Return the images that strings hold; a thread decodes where they are long.

    Args:
        texts: as they were sent.
        settings: limits how many there are, and the bytes of each.
        field: of the document, for the message of an error.

    Raises:
        InvalidBody: one of them is neither base64 nor a data URI.
        BodyTooLarge: there are too many, or one is over its limit.
    """
    if len(texts) > settings.max_images:
        raise BodyTooLarge(
            f"{field}: expected at most {settings.max_images} images, found {len(texts)}"
        )

    def decode() -> list[ImageBytes]:
        places = [f"{field}.{index}" if len(texts) > 1 else field for index in range(len(texts))]
        return [
            ImageBytes(_bytes(text, place, settings.max_image_bytes))
            for text, place in zip(texts, places, strict=True)
        ]

    return await aside_if_large(sum(map(len, texts)), decode)


def _bytes(text: str, place: str, limit: int) -> bytes:
    encoded = _encoded(text, place)
    if (found := len(encoded) * 3 // 4) > limit + 2:  # two of them may be padding
        raise BodyTooLarge(f"{place}: expected at most {limit} bytes, found {found}")
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:
        raise InvalidBody(
            f"{place}: expected an image in base64, or a data URI of one, found other characters "
            "or a length that base64 cannot have"
        ) from None
    if not data:
        raise InvalidBody(f"{place}: expected an image, found no bytes")
    if len(data) > limit:
        raise BodyTooLarge(f"{place}: expected at most {limit} bytes, found {len(data)}")
    return data


def _encoded(text: str, place: str) -> str:
    """Return the base64 of a string: all of it, or the data of a data URI."""
    head = text[:_MAX_HEADER]
    data_uri = _DATA.match(head)
    if data_uri is None:
        if _URL.match(head):
            raise InvalidBody(
                f"{place}: expected an image in base64, or a data URI of one, found a URL; this "
                "server fetches none"
            )
        return text
    kind, parameters = data_uri[1].lower(), data_uri[2].lower().split(";")
    if not kind.startswith("image/") and kind not in ("", "application/octet-stream"):
        raise InvalidBody(f"{place}: expected a data URI of an image, found one of {kind!r}")
    if parameters[-1].strip() != "base64":
        raise InvalidBody(f"{place}: expected a data URI in base64, found one in another form")
    data = text[data_uri.end() :]
    return unquote(data) if "%" in data else data
