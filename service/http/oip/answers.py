"""The documents that the calls of the Open Inference Protocol answer with.

They are named as the protocol's messages are. `service.oip` makes them, for gRPC as well.
"""

from typing import Literal

from pydantic import BaseModel, Field


class OipError(BaseModel):
    """What went wrong."""

    error: str = Field(description="One sentence.")


class ServerLive(BaseModel):
    """Whether the server is alive."""

    live: bool


class ServerReady(BaseModel):
    """Whether requests are taken."""

    ready: bool


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str = Field(examples=["facet"])
    version: str
    extensions: list[str] = Field(
        description="Those of the protocol that it has.", examples=[["binary_tensor_data"]]
    )


class TensorMetadata(BaseModel):
    """An input or an output of a task."""

    name: str = Field(examples=["pixel_values"])
    datatype: str = Field(examples=["FP32"])
    shape: list[int] = Field(
        description="-1 for a dimension of any length.", examples=[[-1, 3, 48, 48]]
    )


class ModelMetadata(BaseModel):
    """A task's live version."""

    name: str = Field(examples=["digits"])
    versions: list[str] = Field(description="The one that is live.", examples=[["1"]])
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(BaseModel):
    """A task that answers; of another one the call says why it does not."""

    name: str = Field(examples=["digits"])
    ready: Literal[True]


class LatestVersions(BaseModel):
    """So many of the newest versions are served."""

    num_versions: int


class ModelVersionPolicy(BaseModel):
    """Which versions are served: the one that is live."""

    latest: LatestVersions


class ModelOutput(BaseModel):
    """An output as Triton's configurations describe it."""

    name: str = Field(examples=["probabilities"])
    data_type: str = Field(examples=["TYPE_FP32"])
    dims: list[int] = Field(description="Without that of the batch.", examples=[[10]])


class ModelInput(BaseModel):
    """An input as Triton's configurations describe it."""

    name: str = Field(examples=["pixel_values"])
    data_type: str = Field(examples=["TYPE_FP32"])
    format: str = Field(examples=["FORMAT_NCHW"])
    dims: list[int] = Field(description="Without that of the batch.", examples=[[3, 48, 48]])


class ModelDynamicBatching(BaseModel):
    """Priorities of calls, of which 1 is the highest."""

    priority_levels: int
    default_priority_level: int


class ModelParameter(BaseModel):
    """A value beside the configuration's own fields."""

    string_value: str


class ModelConfig(BaseModel):
    """A task's configuration as Triton's clients read it."""

    name: str = Field(examples=["digits"])
    platform: str
    backend: str
    version_policy: ModelVersionPolicy
    max_batch_size: int = Field(description="Images in a request.")
    input: list[ModelInput]
    output: list[ModelOutput]
    dynamic_batching: ModelDynamicBatching
    parameters: dict[str, ModelParameter] = Field(
        description="The input and the output that the configuration's lists do not have."
    )


class StatisticDuration(BaseModel):
    """How often something was done, and how long it took together."""

    count: int
    ns: int


class _Computed(BaseModel):
    compute_input: StatisticDuration
    compute_infer: StatisticDuration
    compute_output: StatisticDuration


class InferStatistics(_Computed):
    """The images of a version: those answered and those that failed, and their parts."""

    success: StatisticDuration
    fail: StatisticDuration
    queue: StatisticDuration


class InferBatchStatistics(_Computed):
    """The forwards with so many images of a version."""

    batch_size: int


class ModelStatistics(BaseModel):
    """What a live version has answered since the server's start."""

    name: str = Field(examples=["digits"])
    version: str = Field(examples=["1"])
    last_inference: int = Field(description="Milliseconds since 1970; 0 if there was none.")
    inference_count: int = Field(description="Images that were answered.")
    execution_count: int = Field(description="Forwards in which the version took part.")
    inference_stats: InferStatistics
    batch_stats: list[InferBatchStatistics]


class ModelStatisticsList(BaseModel):
    """The statistics of one task, or of all."""

    model_stats: list[ModelStatistics]


class ModelIndex(BaseModel):
    """A stored version of a task, or a file that was refused lately."""

    name: str = Field(examples=["digits"])
    version: str = Field(examples=["1"])
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = Field(description="Why it is unavailable; empty if it is ready.")


class Empty(BaseModel):
    """Done; there is no more to tell."""


class InferOutputParameters(BaseModel):
    """How a tensor is sent."""

    binary_data_size: int = Field(description="Bytes of the tensor behind the JSON.")


class InferOutput(BaseModel):
    """A tensor of an answer, with its elements as `data` or as bytes behind the JSON."""

    name: Literal["probabilities", "scores", "label"]
    datatype: Literal["FP32", "BYTES"]
    shape: list[int] = Field(examples=[[1, 10]])
    parameters: InferOutputParameters | None = Field(
        None, description="Only where the elements are sent as bytes."
    )
    data: list[float] | list[str] | None = Field(
        None, description="The elements, row by row; absent where they are sent as bytes."
    )


class ModelInfer(BaseModel):
    """The JSON of an answer."""

    model_name: str = Field(examples=["digits"])
    model_version: str = Field(description="The version that answered.", examples=["1"])
    id: str | None = Field(None, description="The request's, if it has one.")
    outputs: list[InferOutput]
