"""The names and shapes of a task file's tensors.

Prompts and head are what the manifest says. Parts, whatever else a task changes in the forward, are
named `{kind}.{layer}.{site}.{part}`: `lora.0.qkv.a` is one factor of a low-rank pair beside the
query-key-value layer of the first block. What they mean in a network is the backbone's matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .confidence.threshold import PARTS, PREFIX
from .errors import InvalidTensors, shown
from .header import TensorSpec
from .instant.facts import ID_BYTES, INSTANT_KINDS
from .manifest import Manifest
from .samples import facts as samples

MAX_LAYERS = 1000

_LINEAR = ("qkv", "proj", "fc1", "fc2")
_OUTPUTS = ("embed", "norm1", "qkv", "proj", "norm2", "fc1", "fc2", "norm")
_BOTTLENECK = {
    "down": ("width", "in"),
    "down_bias": ("width",),
    "up": ("in", "width"),
    "up_bias": ("in",),
}

KINDS: Mapping[str, tuple[Sequence[str], Mapping[str, tuple[str, ...]]]] = {
    "lora": (_LINEAR, {"a": ("rank", "in"), "b": ("out", "rank")}),
    "bias": (_OUTPUTS, {"bias": ("out",)}),
    "ssf": (_OUTPUTS, {"scale": ("out",), "shift": ("out",)}),
    "adapter": (("block",), _BOTTLENECK),
    "parallel": (("block",), _BOTTLENECK),
    "prefix": (("block",), {"key": ("tokens", "in"), "value": ("tokens", "in")}),
}
"""Each kind's sites, and its parts with their sizes; sizes of one name are equal at one site."""

FLOATS = ("F16", "BF16", "F32")
FEATURES, IDS = "examples.features", "examples.ids"
"""Names of the tensors of examples: their features, and the id of each."""


def hidden_layers(names: Iterable[str]) -> int:
    """Count the hidden layers of the head: head.0, head.1, … up to the first gap."""
    present = set(names)
    count = 0
    while f"head.{count}.weight" in present:
        count += 1
    return count


def sample_names(manifest: Manifest) -> list[str]:
    """Return the names of the tensors of the samples that a manifest describes."""
    return [f"{samples.PREFIX}{number}" for number in range(len(manifest.samples or ()))]


def is_part(name: str) -> bool:
    """Whether the name begins like that of a part."""
    return name.partition(".")[0] in KINDS


def kinds(names: Iterable[str]) -> list[str]:
    """Return the kinds of these parts, in the order of `KINDS`."""
    present = {name.partition(".")[0] for name in names}
    return [kind for kind in KINDS if kind in present]


def check_specs(manifest: Manifest, tensors: Mapping[str, TensorSpec]) -> None:
    """Raise InvalidTensors at the first missing, unknown or misshapen tensor."""
    hidden = hidden_layers(tensors)
    _check_names(manifest, tensors, hidden)
    for layer in range(manifest.layers):
        name = f"prompts.{layer}"
        shape = _matrix(name, tensors[name])
        _expect(f"rows of '{name}' (tokens)", manifest.tokens, shape[0])
    _check_parts({name: spec for name, spec in tensors.items() if is_part(name)})
    for name in sample_names(manifest):
        _check_sample(name, tensors[name].shape)
    if manifest.examples is not None:
        _check_examples(tensors, sum(manifest.examples.counts))
        return
    classes = _check_head(tensors, [f"head.{index}" for index in range(hidden)] + ["head"])
    _expect("number of labels in the manifest", classes, len(manifest.labels))
    if manifest.threshold is not None:
        first = "head.0.weight" if hidden else "head.weight"
        _check_distance(tensors, classes, tensors[first].shape[1])


def feature_dim(names: Mapping[str, TensorSpec]) -> int:
    """Return the width of the feature that the head reads, of tensors that have been checked."""
    first = "head.0.weight" if hidden_layers(names) else "head.weight"
    return names[FEATURES if FEATURES in names else first].shape[1]


def _check_names(manifest: Manifest, tensors: Mapping[str, TensorSpec], hidden: int) -> None:
    if (hidden > 0) != (manifest.head == "mlp"):
        found = f"{hidden} hidden layers" if hidden else "no hidden layer 'head.0.weight'"
        raise InvalidTensors(
            f"head: expected the tensors of kind '{manifest.head}' as the manifest says, "
            f"found {found}"
        )
    expected = [f"prompts.{layer}" for layer in range(manifest.layers)]
    if manifest.head in INSTANT_KINDS:
        expected += [FEATURES, IDS]
    else:
        stems = [f"head.{index}" for index in range(hidden)] + ["head"]
        expected += [f"{stem}.{part}" for stem in stems for part in ("weight", "bias")]
        if manifest.threshold is not None:
            expected += [f"{PREFIX}{part}" for part in PARTS]
    of_bytes = {IDS, *sample_names(manifest)}
    expected += sample_names(manifest)
    for name in expected:
        if name not in tensors:
            raise InvalidTensors(f"tensors: expected '{name}', found none of that name")
    for name in sorted(name for name in set(tensors) - set(expected) if not is_part(name)):
        raise InvalidTensors(
            f"tensors: expected only those that the manifest describes, found {shown(name)} as well"
        )
    for name in expected:
        dtypes = ("U8",) if name in of_bytes else FLOATS
        if tensors[name].dtype not in dtypes:
            raise InvalidTensors(
                f"dtype of '{name}': expected one of {', '.join(dtypes)}, "
                f"found {tensors[name].dtype}"
            )


def _check_sample(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 1 or not 1 <= shape[0] <= samples.MAX_SAMPLE_BYTES:
        raise InvalidTensors(
            f"shape of '{name}': expected one size of 1 to {samples.MAX_SAMPLE_BYTES} bytes, "
            f"found {list(shape)}"
        )


def _check_examples(tensors: Mapping[str, TensorSpec], count: int) -> None:
    _expect(f"rows of '{FEATURES}' (examples)", count, _matrix(FEATURES, tensors[FEATURES])[0])
    _expect(f"shape of '{IDS}'", (count, ID_BYTES), tensors[IDS].shape)


def _check_head(tensors: Mapping[str, TensorSpec], stems: list[str]) -> int:
    """Check that each layer reads the width that the one before it writes.

    Returns:
        The width of the last output: the number of classes.
    """
    width = _matrix(f"{stems[0]}.weight", tensors[f"{stems[0]}.weight"])[1]
    for stem in stems:
        rows, columns = _matrix(f"{stem}.weight", tensors[f"{stem}.weight"])
        _expect(f"columns of '{stem}.weight'", width, columns)
        _expect(f"shape of '{stem}.bias'", (rows,), tensors[f"{stem}.bias"].shape)
        width = rows
    return width


def _check_distance(tensors: Mapping[str, TensorSpec], classes: int, width: int) -> None:
    directions, means, scale = (f"{PREFIX}{part}" for part in PARTS)
    _expect(f"columns of '{directions}'", width, _matrix(directions, tensors[directions])[1])
    _expect(f"shape of '{means}'", (classes, width), _matrix(means, tensors[means]))
    _expect(f"shape of '{scale}'", (1,), tensors[scale].shape)


def _matrix(name: str, spec: TensorSpec) -> tuple[int, int]:
    if len(spec.shape) != 2 or 0 in spec.shape:
        raise InvalidTensors(
            f"shape of '{name}': expected two sizes of at least 1, found {list(spec.shape)}"
        )
    return spec.shape[0], spec.shape[1]


def _expect(field: str, expected: object, found: object) -> None:
    if expected != found:
        raise InvalidTensors(f"{field}: expected {expected}, found {found}")


def _check_parts(tensors: Mapping[str, TensorSpec]) -> None:
    """Raise InvalidTensors at the first part of an unknown name, missing, or misshapen."""
    places: dict[str, dict[str, TensorSpec]] = defaultdict(dict)
    for name, spec in tensors.items():
        place, _, part = name.rpartition(".")
        _check_part_name(name)
        places[place][part] = spec
    for place, found in places.items():
        _check_place(place, KINDS[place.partition(".")[0]][1], found)


def _check_part_name(name: str) -> None:
    kind, layer, site, part = (*name.split("."), "", "", "")[:4]
    sites, parts = KINDS[kind]
    sound = layer.isdecimal() and layer == str(int(layer)) and int(layer) < MAX_LAYERS
    if not sound or site not in sites or part not in parts or name.count(".") != 3:
        raise InvalidTensors(
            f"tensors: expected names such as '{kind}.0.{sites[0]}.{next(iter(parts))}' with one "
            f"of the sites {', '.join(sites)} and of the parts {', '.join(parts)}, "
            f"found {shown(name)}"
        )


def _check_place(
    place: str, parts: Mapping[str, tuple[str, ...]], found: Mapping[str, TensorSpec]
) -> None:
    sizes: dict[str, int] = {}
    for part, symbols in parts.items():
        name = f"{place}.{part}"
        if part not in found:
            raise InvalidTensors(f"tensors: expected '{name}', found none of that name")
        shape = found[part].shape
        if len(shape) != len(symbols) or 0 in shape:
            raise InvalidTensors(
                f"shape of '{name}': expected sizes of at least 1 for {', '.join(symbols)}, "
                f"found {list(shape)}"
            )
        for symbol, size in zip(symbols, shape, strict=True):
            if sizes.setdefault(symbol, size) != size:
                raise InvalidTensors(
                    f"{symbol} of '{name}': expected {sizes[symbol]} as in the other parts, "
                    f"found {size}"
                )
