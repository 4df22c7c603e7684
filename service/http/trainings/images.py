"""Calls about the images of a training: send, list, look at, label, remove."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from facet_vision.backbone import open_image
from facet_vision.service.http.bodies import read_form
from facet_vision.service.http.deps import ComponentsDependency, actor_of
from facet_vision.service.http.examples import LABELLED_FORM, labels_of_files
from facet_vision.service.http.openapi.bodies import limited, schema_of
from facet_vision.service.http.parameters import known_parameters
from facet_vision.service.http.schemas import Problem
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.trainings.adding import NewImage

from .parts import MAX_JSON_BYTES, PUBLISH, ImageId, SeenTraining, checked_label, read_json
from .schemas import ImageLabel, TrainingImage, TrainingImages, image

router = APIRouter(
    tags=["trainings"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)

SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
"""Media types of the formats that a browser shows and that hold nothing but an image."""

BINARY = "application/octet-stream"
MAX_FILE_NAME = 255

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers that make bytes which somebody has sent harmless to whoever opens them."""

_LABEL_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema_of(ImageLabel)}},
        **limited(body_bytes=MAX_JSON_BYTES),
    }
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_IMAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The image as it was sent.",
        "content": dict.fromkeys((*SHOWN.values(), BINARY), _BYTES),
    }
}


@router.post(
    "/v1/trainings/{training}/images",
    summary="Send images to a training",
    openapi_extra=LABELLED_FORM,
    dependencies=PUBLISH,
)
async def add_images(
    training: SeenTraining, request: Request, components: ComponentsDependency
) -> TrainingImages:
    """Add labelled images, which are kept once this is answered.

    The same file counts once; sent under another label it moves there. So a call may be repeated.
    Of a form with an image that cannot be read nothing is added.
    """
    images, fields = await read_form(request, components.settings, fields=("label",))
    labels = [checked_label(label) for label in labels_of_files(fields["label"], len(images))]
    async with components.trainings.decoding:
        # Tried as predict does, so that what is no image is refused here, with its sentence.
        await components.context.decoder.decode(images)
        new = await asyncio.to_thread(_new, images, labels, components.settings.max_image_pixels)
    added = await components.trainings.add(training.id, new, by=actor_of(request))
    return TrainingImages(images=[image(each) for each in added])


@router.get(
    "/v1/trainings/{training}/images",
    summary="List the images of a training",
    dependencies=PUBLISH,
)
async def list_images(training: SeenTraining) -> TrainingImages:
    """List the images in the order in which they came."""
    return TrainingImages(images=[image(each) for each in training.images.values()])


@router.get(
    "/v1/trainings/{training}/images/{image}",
    summary="Look at an image of a training",
    dependencies=PUBLISH,
    response_class=Response,
    responses=_IMAGE,
)
async def read_image(
    training: SeenTraining, image: ImageId, components: ComponentsDependency
) -> Response:
    """Return the bytes of an image as they were sent."""
    found, data = await components.trainings.read(training, image)
    headers = {**SAFE, "Content-Disposition": f'attachment; filename="{found.id}"'}
    return Response(data, media_type=found.media_type, headers=headers)


@router.put(
    "/v1/trainings/{training}/images/{image}",
    summary="Label an image of a training",
    openapi_extra=_LABEL_BODY,
    dependencies=PUBLISH,
)
async def label_image(
    training: SeenTraining, image: ImageId, request: Request, components: ComponentsDependency
) -> TrainingImage:
    """Give an image another label."""
    wanted = await read_json(request, components, ImageLabel)
    label, by = checked_label(wanted.label), actor_of(request)
    changed = await components.trainings.relabel(training.id, image, label, by=by)
    return TrainingImage(id=changed.id, label=changed.label, file=changed.file)


@router.delete(
    "/v1/trainings/{training}/images/{image}",
    status_code=204,
    summary="Remove an image from a training",
    dependencies=PUBLISH,
)
async def remove_image(
    training: SeenTraining, image: ImageId, request: Request, components: ComponentsDependency
) -> None:
    """Remove an image; its bytes are deleted."""
    await components.trainings.remove(training.id, image, by=actor_of(request))


def _new(images: Sequence[ImageBytes], labels: Sequence[str], max_pixels: int) -> list[NewImage]:
    found = []
    for one, label in zip(images, labels, strict=True):
        kind = open_image(one.data, max_pixels=max_pixels).image.format or ""
        file = one.name and one.name[:MAX_FILE_NAME]
        found.append(NewImage(one.data, label, file, SHOWN.get(kind, BINARY)))
    return found
