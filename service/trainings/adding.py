"""Images that are added to a training: their bytes first, then the event that names them."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from facet_vision.prompts_store import StoreConflict
from facet_vision.service.settings import Settings

from .checks import check_idle, check_room
from .log import TrainingLog
from .record import Added, Event, Image, Training

ID_DIGITS = 16


class NewImage(NamedTuple):
    """An image that is sent to a training; see `record.Image`."""

    data: bytes
    label: str
    file: str | None
    media_type: str

    @property
    def id(self) -> str:
        """The first digits of the SHA-256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()[:ID_DIGITS]


def add(
    log: TrainingLog,
    settings: Settings,
    owner: str,
    id: str,
    images: Sequence[NewImage],
    stamp: Event,
) -> list[Image]:
    """Add images to a training, and return them in their order.

    An image that the training has gets the label that it is sent with.

    Args:
        log: keeps the training.
        settings: the limits.
        owner: name of this server.
        id: of the training.
        images: to add.
        stamp: who adds them, and when.

    Raises:
        UnknownTraining, WrongState, TrainingFull: it cannot take them; nothing of them is left.
    """
    training = log.get(id)
    check_idle(training, owner)
    sent = {image.id: image for image in images}  # of the same one twice the last
    check_room(training, (_image(each, "") for each in sent.values()), settings)
    written: dict[str, Image] = {}

    def event(newest: Training) -> Added:
        check_idle(newest, owner)
        check_room(newest, written.values(), settings)
        if missing := sent.keys() - newest.images.keys() - written.keys():
            raise StoreConflict(
                f"training '{id}': expected its image '{min(missing)}', found it removed meanwhile"
            )
        added = (
            _relabelled(newest.images[each], sent[each]) if each in newest.images else written[each]
            for each in sent
        )
        return Added(at=stamp.at, by=stamp.by, images=tuple(added))

    try:
        for image in sent.values():
            if image.id not in training.images:
                written[image.id] = _image(image, log.write(id, "images", image.data))
        after = log.append(id, event)
    except Exception:
        _discard(log, id, written.values())
        raise
    # What another server was faster to add is there twice.
    twice = [each for each in written.values() if after.images[each.id].name != each.name]
    _discard(log, id, twice)
    return [after.images[image.id] for image in images]


def _discard(log: TrainingLog, id: str, images: Iterable[Image]) -> None:
    for image in images:
        log.discard(id, "images", image.name)


def _image(new: NewImage, name: str) -> Image:
    return Image(
        id=new.id,
        label=new.label,
        file=new.file,
        name=name,
        size=len(new.data),
        media_type=new.media_type,
    )


def _relabelled(image: Image, sent: NewImage) -> Image:
    return image.model_copy(update={"label": sent.label, "file": sent.file})
