"""The configuration of a server: one frozen object from variables and flags."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ByteSize, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from facet_vision.common.flags import first_fault
from facet_vision.common.loading import ImageSize, Pool

from .environment import SettingsError as SettingsError
from .environment import check_names
from .exposure import check_access
from .exposure import check_exposure as check_exposure
from .panels import ACCESS, BACKBONE, LIMITS, LOAD, NETWORK, TASKS, TRAININGS, WATCHING

MIB = 1024 * 1024
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HOST_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9._-]+|[0-9a-f:.]+")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Everything that can be set about a server.

    Each field is a flag of `facet serve` and the variable FACET_<NAME>.
    """

    model_config = SettingsConfigDict(env_prefix="FACET_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.", json_schema_extra=NETWORK)
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000,
        description="Port to listen on; 0 takes a free one.",
        json_schema_extra=NETWORK,
    )
    grpc_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        None,
        description="Port of the Open Inference Protocol over gRPC, if there is to be one.",
        json_schema_extra=NETWORK,
    )
    unix_socket: Path | None = Field(
        None,
        description="Unix socket to listen on, in place of host and port. Without keys only the "
        "server's own user may connect.",
        json_schema_extra=NETWORK,
    )
    trust_network: bool = Field(
        False,
        description="Listen beyond loopback without keys: anyone who can reach the port can "
        "publish tasks.",
        json_schema_extra=NETWORK,
    )
    allowed_hosts: str = Field(
        "",
        description="Further names under which it may be asked, separated by commas, such as "
        "'vision.example.org, *.internal'; '*' is any. On loopback only its own names are served "
        "otherwise; beyond it any.",
        json_schema_extra=NETWORK,
    )
    root_path: str = Field(
        "",
        description="Prefix under which a reverse proxy publishes it, such as /vision; requests "
        "may arrive with it or without.",
        json_schema_extra=NETWORK,
    )
    forwarded_allow_ips: str = Field(
        "",
        description="Addresses or networks of reverse proxies, separated by commas, whose "
        "X-Forwarded-For and X-Forwarded-Proto are believed; '*' is all, by default none.",
        json_schema_extra=NETWORK,
    )
    http_workers: int = Field(
        0,
        ge=0,
        description="Processes that speak HTTP and decode; 0 leaves both to the engine's process.",
        json_schema_extra=NETWORK,
    )
    gateway_metrics: bool = Field(
        False,
        description="Show in /metrics what gateways read that know which tasks are where.",
        json_schema_extra=WATCHING,
    )
    trace_endpoint: str = Field(
        "",
        description="URL of a collector that takes traces by OTLP over HTTP, such as "
        "http://collector:4318/v1/traces; empty is none. Needs the extra `otel`.",
        json_schema_extra=WATCHING,
    )
    trace_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of requests to trace; one that brings a traceparent has decided it.",
        json_schema_extra=WATCHING,
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Form of a line of the log.", json_schema_extra=WATCHING
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning",
        description="Least severe messages to log; info logs every request.",
        json_schema_extra=WATCHING,
    )

    keys_file: Path | None = Field(
        None,
        description="File of keys that `facet keys` writes; it is read again once it has changed. "
        "With keys every call but a probe must show one.",
        json_schema_extra=ACCESS,
    )
    keys: str = Field(
        "",
        description="The keys themselves, as JSON like the file's, in place of a file.",
        json_schema_extra=ACCESS,
    )

    open_metrics: bool = Field(
        False,
        description="Show /metrics, which names every task, without a key.",
        json_schema_extra=ACCESS,
    )
    tls_cert: Path | None = Field(
        None,
        description="Certificate (PEM, with those of its issuers) to speak TLS with; it is read "
        "again once it has changed.",
        json_schema_extra=ACCESS,
    )
    tls_key: Path | None = Field(
        None,
        description="Private key of the certificate, if its file does not have it.",
        json_schema_extra=ACCESS,
    )
    tls_client_ca: Path | None = Field(
        None,
        description="Issuers (PEM) of certificates of which clients must show one.",
        json_schema_extra=ACCESS,
    )

    backbone: str = Field(
        "facet-tiny",
        description="facet-tiny, or a name that `facet backbones` lists; also hf-hub:, local-dir:.",
        json_schema_extra=BACKBONE,
    )
    checkpoint: Path | None = Field(None, description="Local weights.", json_schema_extra=BACKBONE)
    pool: Pool = Field(None, json_schema_extra=BACKBONE)
    image_size: ImageSize = Field(None, json_schema_extra=BACKBONE)
    device: str = Field(
        "auto",
        description="auto, cpu, or a torch device such as cuda:0.",
        json_schema_extra=BACKBONE,
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the forward; auto is bfloat16 where the device multiplies in it.",
        json_schema_extra=BACKBONE,
    )
    execution: Literal["auto", "plain", "packed"] = Field(
        "auto",
        description="Layout of weights in a CPU's memory; auto is packed where a measurement finds "
        "it faster.",
        json_schema_extra=BACKBONE,
    )
    engine_threads: int | None = Field(
        None,
        ge=1,
        description="Threads of a forward on a CPU; by default the fewest that are nearly as fast "
        "as more.",
        json_schema_extra=BACKBONE,
    )
    engine_workers: int | None = Field(
        None,
        ge=1,
        description="Forwards that run at once; by default as many as the cores have room for, one "
        "on a GPU.",
        json_schema_extra=BACKBONE,
    )

    store: str = Field(
        "./facet-store",
        description="Folder, or s3://, gs://, az:// or memory: URL of the tasks.",
        json_schema_extra=TASKS,
    )
    store_poll_seconds: float = Field(
        0.0,
        ge=0,
        description="Seconds between looks for other servers' changes in the store; 0 is never.",
        json_schema_extra=TASKS,
    )
    builtin: bool = Field(
        True,
        description="Seed the store with the demo tasks that fit the backbone.",
        json_schema_extra=TASKS,
    )
    device_budget: ByteSize | None = Field(
        None,
        description="Most bytes of tasks on the device, such as 8GiB; by default half of a GPU's "
        "free memory, without a GPU a quarter of the machine's.",
        json_schema_extra=TASKS,
    )
    host_budget: ByteSize | None = Field(
        None,
        description="Most bytes of task files in host memory; by default a quarter of the "
        "machine's.",
        json_schema_extra=TASKS,
    )

    max_batch: int = Field(
        32,
        ge=1,
        description="Most images in a forward; fewer where more make it no faster.",
        json_schema_extra=LOAD,
    )
    latency_target_seconds: float | None = Field(
        None,
        gt=0,
        description="Seconds that a forward should take at most, if that leaves half of the "
        "throughput.",
        json_schema_extra=LOAD,
    )
    queue_limit: int = Field(
        512, ge=1, description="Most rows admitted and not yet answered.", json_schema_extra=LOAD
    )
    decode_threads: int = Field(
        default_factory=_cores,
        ge=1,
        description="Threads that decode and preprocess.",
        json_schema_extra=LOAD | {"shown": "one for each core"},
    )
    deadline_seconds: float = Field(
        60.0,
        gt=0,
        description="Seconds after which an unanswered request is given up with 504.",
        json_schema_extra=LOAD,
    )
    idle_body_seconds: float = Field(
        20.0,
        gt=0,
        description="Seconds without a byte after which a body is given up with 408.",
        json_schema_extra=LOAD,
    )
    hang_seconds: float = Field(
        10.0,
        gt=0,
        description="Seconds without a sign of life after which an HTTP worker is replaced.",
        json_schema_extra=LOAD,
    )
    engine_hang_seconds: float = Field(
        120.0,
        gt=0,
        description="Seconds after which a forward that is not done ends the server; from a "
        "quarter of them on it is not ready.",
        json_schema_extra=LOAD,
    )
    head_seconds: float = Field(
        20.0,
        gt=0,
        description="Seconds within which a new connection sends a request's head, and a later "
        "head is complete.",
        json_schema_extra=LOAD,
    )
    shutdown_seconds: int = Field(
        30,
        ge=1,
        description="Seconds that a shutdown waits for admitted requests.",
        json_schema_extra=LOAD,
    )

    max_connections: int = Field(
        8192,
        ge=1,
        description="Most connections of a process; beyond it those that have waited longest for "
        "their clients are closed.",
        json_schema_extra=LIMITS,
    )
    max_head_bytes: int = Field(
        64 * 1024,
        ge=1024,
        description="Most bytes of a request's line and headers.",
        json_schema_extra=LIMITS,
    )
    max_head_fields: int = Field(
        128, ge=8, description="Most headers of a request.", json_schema_extra=LIMITS
    )
    max_images: int = Field(
        64, ge=1, description="Most images in a request.", json_schema_extra=LIMITS
    )
    max_image_bytes: int = Field(
        20 * MIB, ge=1, description="Most bytes of an image as sent.", json_schema_extra=LIMITS
    )
    max_image_pixels: int = Field(
        64_000_000,
        ge=1,
        description="Most pixels of an image once decoded.",
        json_schema_extra=LIMITS,
    )
    max_request_bytes: int = Field(
        128 * MIB, ge=1, description="Most bytes of a multipart request.", json_schema_extra=LIMITS
    )
    max_inflight_bytes: int = Field(
        512 * MIB,
        ge=1,
        description="Most bytes of all requests' bodies held at once.",
        json_schema_extra=LIMITS,
    )
    max_task_bytes: int = Field(
        256 * MIB,
        ge=1,
        description="Most bytes of an uploaded task file.",
        json_schema_extra=LIMITS,
    )

    max_trainings: int = Field(
        32,
        ge=0,
        description="Most trainings that are kept, whatever their state; 0 trains nothing.",
        json_schema_extra=LIMITS,
    )
    training_threads: int = Field(
        1,
        ge=1,
        description="Threads that a training computes with.",
        json_schema_extra=TRAININGS,
    )
    training_priority: Literal["idle", "normal"] = Field(
        "idle",
        description="idle leaves a training what nobody else wants of the processor.",
        json_schema_extra=TRAININGS,
    )
    training_device: str = Field(
        "cpu", description="cpu, or the device to train on.", json_schema_extra=TRAININGS
    )
    max_training_images: int = Field(
        2000, ge=1, description="Most images of a training.", json_schema_extra=LIMITS
    )
    max_training_bytes: int = Field(
        1024 * MIB,
        ge=1,
        description="Most bytes of a training's images as sent.",
        json_schema_extra=LIMITS,
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, value: str) -> str:
        for name in _split(value):
            if not _HOST_PATTERN.fullmatch(name):
                raise ValueError("expected names without ports, separated by commas")
        return value

    @field_validator("root_path")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if value and (not _ROOT_PATH.fullmatch(value) or value.split("/")[1] in ("v1", "v2", "hf")):
            raise ValueError("expected a path such as /vision, without a slash at its end")
        return value

    @property
    def has_keys(self) -> bool:
        """Whether a caller must show a key."""
        return self.keys_file is not None or bool(self.keys)

    @property
    def host_patterns(self) -> tuple[str, ...]:
        """The entries of `allowed_hosts` in lower case."""
        return _split(self.allowed_hosts)


def read_settings(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Read settings from the environment; flags that are given, not None, win over it.

    Raises:
        SettingsError: a FACET_* variable is unknown, a value is bad, or the address is unsafe.
    """
    check_names(environ, Settings.model_fields)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError(first_fault(error)) from None
    check_access(settings)
    check_exposure(settings)
    return settings


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in names.split(",") if name.strip())
