"""What each benchmark is asked to measure: its options, their defaults and limits.

Light, because the terminal waits for it: nothing here imports torch.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from facet_vision.common.terminal import words

Precision = Literal["float32", "bfloat16", "float16"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]

PeerName = Literal["fastapi", "litserve", "peft", "ray", "onnx"]
PEERS: tuple[PeerName, ...] = ("fastapi", "litserve", "peft", "ray", "onnx")


def _split(value: Any) -> Any:
    """Split a text of the terminal at its commas."""
    return words(value) if isinstance(value, str) else value


def _width_and_height(value: Any) -> Any:
    parts = value.split("x") if isinstance(value, str) else value
    if len(parts) != 2:
        raise ValueError("expected a width and a height such as 500x375")
    return parts


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Precisions = Annotated[tuple[Precision, ...], BeforeValidator(_split)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_split)]
CountsOrNone = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_split)]
Shares = Annotated[tuple[Share, ...], BeforeValidator(_split)]
Size = Annotated[tuple[Count, Count], BeforeValidator(_width_and_height)]


class Plan(BaseModel):
    """What all benchmarks share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: Count = Field(5, description="Rounds; every contender runs once in each.")


class ServingPlan(Plan):
    """What the benchmarks of a server share."""

    backbone: str = Field(
        "vit_base_patch16_224",
        description="facet-tiny or a timm name; timm's get random weights.",
    )
    dtype: Precision = Field("float32", description="Precision of the forward.")
    tokens: int = Field(50, ge=0, description="Prompts in every layer of a task.")


class ForwardPlan(Plan):
    """Every combination of the options is a cell; within a cell, all take turns in every round."""

    backbone: Names = Field(
        ("vit_base_patch16_224",), description="timm names, with commas; weights are random."
    )
    dtype: Precisions = Field(("float32",), description="float32, bfloat16, float16; with commas.")
    kind: Annotated[tuple[Literal["deep", "shallow"], ...], BeforeValidator(_split)] = Field(
        ("deep",), description="deep, shallow or both, with a comma."
    )
    prompts: CountsOrNone = Field((50,), description="Prompts per layer, with commas; 0 for none.")
    batch: Counts = Field((8,), description="Images in a batch, with commas.")
    rounds: Count = Field(15, description="Rounds; every contender runs once in each.")


class AdaptationsPlan(Plan):
    """Mixed batches of the methods that a task file can hold; all take turns in every round."""

    backbone: str = Field(
        "vit_base_patch16_224",
        description="facet-tiny or a timm name; timm's get random weights.",
    )
    dtype: Precisions = Field(("float32",), description="float32, bfloat16, float16; with commas.")
    methods: Names = Field(
        (
            *("vpt-deep", "lora", "vpt-deep+lora+bias", "adapter", "adaptformer"),
            *("bias", "ssf", "prefix"),
        ),
        description="Methods, with commas.",
    )
    batch: Count = Field(32, description="Images in a batch, each of a task of its own.")
    tokens: Count = Field(50, description="Prompts, or learned keys and values, in every layer.")
    rank: Count = Field(8, description="Rank of what lora adds.")


class TrainingPlan(Plan):
    """A training step in the forms of VPT-Deep, and for comparison of other methods."""

    backbone: str = Field(
        "vit_base_patch16_224",
        description="facet-tiny or a timm name; timm's get random weights.",
    )
    dtype: Annotated[tuple[Literal["float32", "bfloat16"], ...], BeforeValidator(_split)] = Field(
        ("float32",), description="float32, bfloat16 or both, with a comma."
    )
    prompts: Count = Field(50, description="Prompts in every layer.")
    batch: Count = Field(8, description="Images in a step.")
    context: bool = Field(
        True, description="Also a step of the head alone and one of full fine-tuning."
    )
    memory: bool = Field(
        True, description="Measure the memory too, every step in a process of its own."
    )
    rounds: Count = Field(9, description="Rounds; every contender runs once in each.")


class PrecisionPlan(BaseModel):
    """Accuracy on the builtin tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["bfloat16", "float16"] = Field("bfloat16", description="The lower precision.")
    tasks: Names = Field((), description="Builtin tasks, with commas; all unless given.")
    images: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Most held-out images of a task; all unless given."
    )


class MixPlan(ServingPlan):
    """Traffic over few and many tasks."""

    batch: Count = Field(32, description="Most images in a forward.")
    tasks: Counts = Field(
        (1, 10, 100, 1000), description="Numbers of tasks in the traffic, with commas."
    )
    traffic: Annotated[tuple[Literal["uniform", "zipf"], ...], BeforeValidator(_split)] = Field(
        ("uniform", "zipf"), description="uniform, zipf or both, with a comma."
    )
    levels: Annotated[tuple[Literal["engine", "http"], ...], BeforeValidator(_split)] = Field(
        ("engine", "http"), description="engine, http or both, with a comma."
    )
    clients: Count = Field(64, description="Clients of the closed load over HTTP.")
    seconds: Share = Field(10.0, description="Seconds of each measurement.")


class HttpPlan(ServingPlan):
    """Loads over HTTP, and the engine alone."""

    tasks: Count = Field(20, description="Tasks that are served.")
    batch: Count = Field(32, description="Most images in a forward.")
    clients: Counts = Field(
        (1, 4, 16, 64), description="Numbers of clients of the closed load, with commas."
    )
    loads: Shares = Field(
        (0.5, 0.7, 0.9),
        description="Random arrivals as shares of the saturation that the closed load finds, with "
        "commas.",
    )
    overload: float = Field(
        3.0, ge=0, description="Random arrivals of this many times the saturation; 0 for none."
    )
    hot: float = Field(
        20.0,
        ge=0,
        description="One task gets this many times the others' traffic; 0 for none.",
    )
    hot_load: Share = Field(
        0.4, description="Traffic of the other tasks together, as share of the saturation."
    )
    image_size: Size = Field(
        (500, 375),
        description="Width x height of the images that are sent, in pixels.",
        json_schema_extra={"shown": "500x375"},
    )
    keys: bool = Field(
        False,
        description="Measure what keys cost as well: the largest closed load with and without.",
    )
    traces: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Measure what traces of this share of the requests cost as well; 0 does not.",
    )
    seconds: Share = Field(10.0, description="Seconds of each measurement.")


class ClientsPlan(ServingPlan):
    """One load by several clients."""

    tasks: Count = Field(20, description="Tasks that are asked at random.")
    batch: Count = Field(32, description="Most images in a forward.")
    clients: Count = Field(32, description="Connections, with one call under way on each.")
    image_size: Size = Field(
        (500, 375),
        description="Width x height of the images that are sent, in pixels.",
        json_schema_extra={"shown": "500x375"},
    )
    seconds: Share = Field(10.0, description="Seconds of each measurement.")


class AttacksPlan(ServingPlan):
    """Attacks on a server, and an overload beside slow connections."""

    backbone: str = Field(
        "facet-tiny", description="facet-tiny or a timm name; timm's get random weights."
    )
    attack: Names = Field((), description="Names of attacks, with commas; all unless given.")
    tasks: Count = Field(5, description="Tasks that the other clients ask.")
    clients: Count = Field(32, description="Clients of the closed load that finds the saturation.")
    overload: float = Field(
        10.0, ge=0, description="Random arrivals of this many times the saturation; 0 for none."
    )
    slow: int = Field(
        1000, ge=0, description="Slow connections beside the overload, of which each trickles."
    )
    image_size: Size = Field(
        (500, 375),
        description="Width x height of the images that are sent, in pixels.",
        json_schema_extra={"shown": "500x375"},
    )
    seconds: Share = Field(10.0, description="Seconds of each measurement.")
    rounds: Count = Field(3, description="Rounds; every contender runs once in each.")


class SwapPlan(ServingPlan):
    """Uploads, and traffic beside them."""

    tasks: Count = Field(20, description="Tasks that are served.")
    megabytes: Share = Field(2.0, description="Size of the uploaded task file.")
    uploads: Count = Field(50, description="Uploads to the idle server in each round.")
    clients: Count = Field(16, description="Clients of the closed load that finds the saturation.")
    load: Share = Field(0.5, description="Traffic as share of the saturation.")
    swaps: Share = Field(1.0, description="Uploads per second beside the traffic.")
    seconds: Share = Field(30.0, description="Seconds of each measurement.")


class MemoryPlan(ServingPlan):
    """Starts over few and many tasks."""

    backbone: str = Field(
        "facet-tiny", description="facet-tiny or a timm name; timm's get random weights."
    )
    kinds: Annotated[tuple[Literal["deep", "shallow", "linear"], ...], BeforeValidator(_split)] = (
        Field(("deep", "shallow", "linear"), description="deep, shallow, linear; with commas.")
    )
    labels: Count = Field(10, description="Classes of a task.")
    tasks: Counts = Field(
        (10, 100, 1000, 10000), description="Numbers of tasks in the store, with commas."
    )
    ask: int = Field(1000, ge=2, description="Most tasks that are asked once a server has started.")
    rounds: Count = Field(3, description="Rounds; every contender runs once in each.")


class PeersPlan(ServingPlan):
    """The same tasks served by Facet and by what one would use instead."""

    peer: Annotated[tuple[PeerName, ...], BeforeValidator(_split)] = Field(
        PEERS, description=f"{', '.join(PEERS)}; with commas."
    )
    peer_dtype: Precision | None = Field(
        None, description="Precision of the peers, where it is another than Facet's."
    )
    tasks: Count = Field(20, description="Tasks that are served.")
    batch: Count = Field(32, description="Most images in a forward, for those that batch.")
    clients: Counts = Field(
        (1, 4, 16, 64), description="Numbers of clients of the closed load, with commas."
    )
    rounds: Count = Field(3, description="Rounds; every contender runs once in each.")
    seconds: Share = Field(20.0, description="Seconds of each measurement.")

    @property
    def peers_compute_in(self) -> Precision:
        """Precision of the peers."""
        return self.peer_dtype or self.dtype
