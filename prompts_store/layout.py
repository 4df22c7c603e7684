"""The tensors and shapes that a manifest demands of its task file."""

from collections.abc import Iterable, Mapping

from .confidence.threshold import PARTS, PREFIX
from .errors import InvalidTensors, shown
from .header import TensorSpec
from .manifest import Manifest


def hidden_layers(names: Iterable[str]) -> int:
    """Count the hidden layers of the head: head.0, head.1, … up to the first gap."""
    present = set(names)
    count = 0
    while f"head.{count}.weight" in present:
        count += 1
    return count


def check_specs(manifest: Manifest, tensors: Mapping[str, TensorSpec]) -> None:
    """Raise InvalidTensors at the first missing, unknown or misshapen tensor."""
    hidden = hidden_layers(tensors)
    _check_names(manifest, tensors, hidden)
    for layer in range(manifest.layers):
        name = f"prompts.{layer}"
        shape = _matrix(name, tensors[name])
        _expect(f"rows of '{name}' (tokens)", manifest.tokens, shape[0])
    classes = _check_head(tensors, [f"head.{index}" for index in range(hidden)] + ["head"])
    _expect("number of labels in the manifest", classes, len(manifest.labels))
    if manifest.threshold is not None:
        first = "head.0.weight" if hidden else "head.weight"
        _check_distance(tensors, classes, tensors[first].shape[1])


def _check_names(manifest: Manifest, tensors: Mapping[str, TensorSpec], hidden: int) -> None:
    if (hidden > 0) != (manifest.head == "mlp"):
        found = f"{hidden} hidden layers" if hidden else "no hidden layer 'head.0.weight'"
        raise InvalidTensors(
            f"head: expected the tensors of kind '{manifest.head}' as the manifest says, "
            f"found {found}"
        )
    stems = [f"head.{index}" for index in range(hidden)] + ["head"]
    expected = [f"prompts.{layer}" for layer in range(manifest.layers)]
    expected += [f"{stem}.{part}" for stem in stems for part in ("weight", "bias")]
    if manifest.threshold is not None:
        expected += [f"{PREFIX}{part}" for part in PARTS]
    for name in expected:
        if name not in tensors:
            raise InvalidTensors(f"tensors: expected '{name}', found none of that name")
    for name in sorted(set(tensors) - set(expected)):
        raise InvalidTensors(
            f"tensors: expected only those that the manifest describes, found {shown(name)} as well"
        )


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
