"""Tasks as models of the protocol: their metadata, configuration and place in the index.

Documents are made here once, as plain dictionaries; REST sends them as JSON, and gRPC fills its
messages of the same names from them.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version as installed
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facet_vision.prompts_store import Version
from facet_vision.service.errors import BadRequest, TaskUnavailable, UnknownTask

from .inference import IMAGE, LABEL, PIXELS, SCORES, version_number

PLATFORM = "facet_timm"
"""`<project>_<format>`, as the protocol's servers name theirs."""

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "schedule_policy",
    "statistics",
)

Document = dict[str, Any]


class Listed(Protocol):
    """What the listing tells of a task; see `residency.listing.Listed`."""

    @property
    def task(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def live(self) -> int | None: ...
    @property
    def labels(self) -> list[str] | None: ...
    @property
    def activation(self) -> str | None: ...
    @property
    def stored(self) -> Sequence[Version]: ...


def server_metadata() -> Document:
    """Return the server's name, its version and the protocol's extensions that it has."""
    return {"name": "facet", "version": installed("facet-vision"), "extensions": list(EXTENSIONS)}


def check_version(listed: Listed, version: str) -> int:
    """Return the number of the live version, if it is the one that is asked for.

    Args:
        listed: the task.
        version: a number, an alias, or empty for whatever is live.

    Raises:
        UnknownTask: another version is live, or none.
        TaskUnavailable: the live one cannot be served.
    """
    wanted = version_number(version)
    if listed.live is None:
        raise UnknownTask(
            f"model {listed.task!r}: expected a live version, found it {listed.state}"
        )
    if wanted not in (None, listed.live):
        raise UnknownTask(
            f"model {listed.task!r}: expected the live version, {listed.live}, found {wanted}"
        )
    if listed.labels is None:
        raise TaskUnavailable(
            f"model {listed.task!r}: expected a version that can be served, found: {listed.reason}"
        )
    return listed.live


def metadata(listed: Listed, version: str, size: tuple[int, int, int]) -> Document:
    """Return the metadata of a task's live version.

    Args:
        listed: the task.
        version: see `check_version`.
        size: (3, height, width) of the backbone's input.
    """
    live = check_version(listed, version)
    return {
        "name": listed.task,
        "versions": [str(live)],
        "platform": PLATFORM,
        # One input and one output, which generic image clients expect. What else there is, the
        # configuration's parameters name.
        "inputs": [{"name": PIXELS, "datatype": "FP32", "shape": [-1, *size]}],
        "outputs": [
            {
                "name": output_name(listed),
                "datatype": "FP32",
                "shape": [-1, len(listed.labels or ())],
            }
        ],
    }


def config(listed: Listed, version: str, size: tuple[int, int, int], most: int) -> Document:
    """Return the configuration of a task's live version.

    Args:
        listed, version, size: see `metadata`.
        most: images in a request.
    """
    check_version(listed, version)
    return {
        "name": listed.task,
        "platform": PLATFORM,
        "backend": "facet",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": most,
        "input": [
            {
                "name": PIXELS,
                "data_type": "TYPE_FP32",
                "format": "FORMAT_NCHW",
                "dims": list(size),
            }
        ],
        "output": [
            {
                "name": output_name(listed),
                "data_type": "TYPE_FP32",
                "dims": [len(listed.labels or ())],
            }
        ],
        "dynamic_batching": {"priority_levels": 3, "default_priority_level": 2},
        "parameters": {
            "encoded_images": {"string_value": f"{IMAGE} BYTES [-1]"},
            "best_label": {"string_value": f"{LABEL} BYTES [-1]"},
        },
    }


def output_name(listed: Listed) -> str:
    """Return what the numbers of a task are called."""
    return SCORES[listed.activation == "none"]


def index_rows(listed: Listed) -> Iterator[Document]:
    """Yield a row for each stored version of a task; only the live one is ready."""
    for version in listed.stored:
        ready = version.number == listed.live and listed.reason is None
        reason = "" if ready else (listed.reason if version.number == listed.live else None)
        yield {
            "name": listed.task,
            "version": str(version.number),
            "state": "READY" if ready else "UNAVAILABLE",
            "reason": "not live" if reason is None else reason,
        }


class _Specific(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    versions: list[int] = Field(min_length=1, max_length=1)


class _VersionPolicy(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    specific: _Specific


class _LoadConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    version_policy: _VersionPolicy | None = None


def wanted_version(text: str) -> int | None:
    """Return the version that the configuration of a load call names, if it names one.

    Raises:
        BadRequest: it asks for something else.
    """
    try:
        policy = _LoadConfig.model_validate_json(text).version_policy
    except ValidationError as error:
        raise BadRequest(
            "parameters.config: expected nothing but a version_policy with one specific version, "
            'such as {"version_policy": {"specific": {"versions": [2]}}}, found: '
            f"{error.errors()[0]['msg']}"
        ) from None
    return policy.specific.versions[0] if policy else None
