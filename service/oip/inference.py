"""Inference: from the tensors of a request to images, and from predictions to tensors.

A model takes one of two inputs: `image`, encoded images as BYTES of any size each, or
`pixel_values`, FP32 or FP16 (batch, 3, height, width), resized, cropped and normalised as the
backbone takes them. It gives one number per label and image, and as a second output the best label.

With the parameter `abstain` the second output is empty text where the task gives no label, and
there is a third, the distance; where an image may have several labels, the second has a row of
them for each image, with empty text behind the last.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facet_vision.backbone import Pixels
from facet_vision.service.errors import BadRequest, BodyTooLarge
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.predictor.protocol import Decision, Prediction, PredictRequest, Priority

from .tensors import BYTES, Array, Spec, Tensor

Parameter = str | int | float | bool

IMAGE = "image"
PIXELS = "pixel_values"
LABEL = "label"
DISTANCE = "distance"

SCORES: tuple[str, ...] = ("probabilities", "scores")
"""What the numbers are called: those of a task without an activation are scores."""

LIVE = "live"
"""The alias of the version that is live."""

MAX_CLASSES = 1000
MICROSECONDS = 1e6
_PRIORITIES: Sequence[Priority] = ("high", "normal", "low")
"""Of the protocol's priorities 1, 2 and from 3 on; 0 is the default."""


@dataclass(frozen=True)
class RequestedOutput:
    """An output that a request asks for.

    Attributes:
        name: the output's.
        classes: where not 0, so many best classes as text instead of all numbers.
        binary: whether it is to be sent as bytes; None where the request leaves it open.
    """

    name: str
    classes: int = 0
    binary: bool | None = None


@dataclass(frozen=True)
class InferRequest:
    """An inference request.

    Attributes:
        model: name of the task.
        version: its number or `LIVE`; empty for the live one.
        inputs: what arrived.
        id: is given back.
        outputs: those asked for; all that metadata name if there are none.
        parameters: of the whole request.
    """

    model: str
    version: str
    inputs: Sequence[Tensor]
    id: str = ""
    outputs: Sequence[RequestedOutput] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def predict_request(
        self, images: int, deadline: float, now: float, caller: str
    ) -> PredictRequest:
        """Return what is asked of the predictor.

        Args:
            images: how many there are.
            deadline: the server's own, seconds of the process's clock.
            now: by the same clock.
            caller: name of the key.

        Raises:
            BadRequest: a version, a parameter or an output is not one that is known.
        """
        classes = max((output.classes for output in self.outputs), default=0)
        self._check_outputs()
        timeout = _number(self.parameters, "timeout", 0) / MICROSECONDS
        priority = int(_number(self.parameters, "priority", 0))
        return PredictRequest(
            [self.model],
            images,
            min(deadline, now + timeout) if timeout else deadline,
            # One at least, for the output `label`.
            top_k=max(1, classes),
            priority=_PRIORITIES[min(priority, 3) - 1] if priority else "normal",
            caller=caller,
            output="scores",
            version=version_number(self.version),
            abstain=self.abstain,
        )

    @property
    def abstain(self) -> bool:
        """Whether the task may answer with no label.

        Raises:
            BadRequest: the parameter is no truth value.
        """
        value = self.parameters.get("abstain", False)
        if isinstance(value, str):  # some clients send all parameters as text
            value = {"true": True, "false": False}.get(value, value)
        if not isinstance(value, bool):
            raise BadRequest(f"parameters.abstain: expected true or false, found {value!r:.64}")
        return value

    def _check_outputs(self) -> None:
        known = (*SCORES, LABEL, *([DISTANCE] if self.abstain else []))
        for output in self.outputs:
            if output.name not in known:
                raise BadRequest(
                    f"outputs: expected {', '.join(known[:-1])} or {known[-1]}, found "
                    f"{output.name[:64]!r}"
                )
            if not 0 <= output.classes <= MAX_CLASSES or (
                output.classes and output.name not in SCORES
            ):
                raise BadRequest(
                    f"output {output.name!r}: expected a classification of 1 to {MAX_CLASSES} "
                    f"classes of the scores, found {output.classes}"
                )


@dataclass(frozen=True)
class OutputTensor:
    """A tensor of the response.

    Attributes:
        spec: its name, datatype and shape.
        values: numbers of that shape, or the elements of type BYTES.
        binary: whether it is to be sent as bytes; None where the request leaves it open.
    """

    spec: Spec
    values: Array | Sequence[bytes]
    binary: bool | None = None


def images_of(
    inputs: Sequence[Tensor], size: tuple[int, int, int], most: int
) -> list[ImageBytes | Pixels]:
    """Return the images of a request.

    Args:
        inputs: the request's.
        size: (3, height, width) of the backbone's input.
        most: images that a request may have.

    Raises:
        BadRequest: the inputs are not one of the two that a model takes, or of another shape or
            type.
        BodyTooLarge: there are too many images.
    """
    if len(inputs) != 1 or inputs[0].spec.name not in (IMAGE, PIXELS):
        names = ", ".join(repr(tensor.spec.name[:64]) for tensor in inputs[:4]) or "none"
        raise BadRequest(f"inputs: expected either {IMAGE!r} or {PIXELS!r}, found {names}")
    (tensor,) = inputs
    images = (_encoded if tensor.spec.name == IMAGE else _normalised)(tensor, size)
    if len(images) > most:
        raise BodyTooLarge(f"inputs: expected at most {most} images, found {len(images)}")
    return images


def _encoded(tensor: Tensor, size: tuple[int, int, int]) -> list[ImageBytes | Pixels]:  # noqa: ARG001
    spec = tensor.spec
    one_each = len(spec.shape) == 1 or (len(spec.shape) == 2 and spec.shape[1] == 1)
    if spec.datatype != BYTES or not one_each or not spec.elements:
        raise BadRequest(
            f"input {IMAGE!r}: expected BYTES of shape [images] or [images, 1], found "
            f"{spec.datatype} of shape {list(spec.shape)}"
        )
    return [ImageBytes(bytes(element)) for element in tensor.values]


def _normalised(tensor: Tensor, size: tuple[int, int, int]) -> list[ImageBytes | Pixels]:
    spec = tensor.spec
    fits = spec.shape[-3:] == size and len(spec.shape) in (3, 4) and spec.elements > 0
    if spec.datatype not in ("FP32", "FP16") or not fits:
        raise BadRequest(
            f"input {PIXELS!r}: expected FP32 or FP16 of shape [images, {size[0]}, {size[1]}, "
            f"{size[2]}], found {spec.datatype} of shape {list(spec.shape)}"
        )
    assert isinstance(tensor.values, np.ndarray)
    # Of float32 this is the request's own memory: the batch makes the first copy.
    pixels = tensor.values.astype(np.float32, copy=False).reshape(-1, *size)
    if not np.isfinite(pixels).all():
        raise BadRequest(f"input {PIXELS!r}: expected finite values, found others")
    return list(pixels)


def outputs_of(request: InferRequest, predictions: Sequence[Prediction]) -> list[OutputTensor]:
    """Return the response's tensors, in the order in which the request names them.

    Args:
        request: asks for them.
        predictions: of one task, for each image.

    Raises:
        BadRequest: the task has no output of a name that is asked for.
    """
    names = [SCORES[predictions[0].field == "score"]]
    decision = predictions[0].decision
    if decision is not None:
        names += [LABEL] if decision.several else [LABEL, DISTANCE]
    wanted = request.outputs or [RequestedOutput(name) for name in names]
    for output in wanted:
        if output.name not in (*names, LABEL):
            known = ", ".join(dict.fromkeys((*names, LABEL)))
            raise BadRequest(
                f"outputs: expected some of {known} of task {request.model!r}, found {output.name}"
            )
    return [_output(output, predictions) for output in wanted]


def _output(output: RequestedOutput, predictions: Sequence[Prediction]) -> OutputTensor:
    images = len(predictions)
    decisions = [each.decision for each in predictions if each.decision is not None]
    if output.name == DISTANCE:
        far = np.array([each.distance for each in decisions], np.float32)
        return OutputTensor(Spec(DISTANCE, "FP32", far.shape), far, output.binary)
    if output.name == LABEL and decisions:
        return _decided(output, decisions)
    if output.name == LABEL:
        best = [each.best[0][0].encode() for each in predictions]
        return OutputTensor(Spec(LABEL, BYTES, (images,)), best, output.binary)
    if output.classes:
        texts = [text for each in predictions for text in _classes(each, output.classes)]
        shape = images, len(texts) // images
        return OutputTensor(Spec(output.name, BYTES, shape), texts, output.binary)
    numbers = np.stack([each.numbers for each in predictions if each.numbers is not None])
    return OutputTensor(Spec(output.name, "FP32", numbers.shape), numbers, output.binary)


def _decided(output: RequestedOutput, decisions: Sequence[Decision]) -> OutputTensor:
    """Return the labels that a task gives which may give none: empty text stands for none."""
    images, several = len(decisions), decisions[0].several
    most = max(1, *(len(each.labels) for each in decisions)) if several else 1
    texts = [
        label.encode()
        for each in decisions
        for label in (*each.labels, *[""] * (most - len(each.labels)))
    ]
    shape = (images, most) if several else (images,)
    return OutputTensor(Spec(LABEL, BYTES, shape), texts, output.binary)


def _classes(prediction: Prediction, count: int) -> list[bytes]:
    """Return the best classes, each as `number:index:label`."""
    numbers = prediction.numbers
    assert numbers is not None
    # The same order as that of `best`.
    order = np.argsort(-numbers, kind="stable")[:count].tolist()
    return [
        f"{numbers[index]:f}:{index}:{label}".encode()
        for index, (label, _) in zip(order, prediction.best, strict=False)
    ]


def version_number(version: str) -> int | None:
    """Return the number of a version; None for an alias of the live one, or if it is empty.

    Raises:
        BadRequest: it is neither.
    """
    if version in ("", LIVE):
        return None
    if version.isdecimal() and version.isascii() and len(version) < 10 and version[0] != "0":
        return int(version)
    raise BadRequest(f"version: expected a number or {LIVE!r}, found {version[:64]!r}")


def _number(parameters: Mapping[str, Parameter], name: str, default: int) -> float:
    value = parameters.get(name, default)
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
        value = int(value)  # some clients send all parameters as text
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or float(value) < 0:
        raise BadRequest(f"parameters.{name}: expected a number from 0 on, found {value!r:.64}")
    return float(value)
