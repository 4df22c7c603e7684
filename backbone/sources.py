"""Names of backbones that say where they come from: timm's registry, its hub, or a folder.

* `NAME` or `timm/NAME`: an architecture of timm's registry, with or without a pretrained tag.
* `hf-hub:OWNER/NAME` (`@REVISION`): a repository of the Hugging Face hub in timm's form.
* `local-dir:FOLDER`: a folder in that form, a `config.json` beside the weights.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timm.models import (
    is_model,
    is_model_pretrained,
    load_model_config_from_hf,
    load_state_dict_from_hf,
)

from .checkpoints import read
from .errors import BackboneError

HUB = "hf-hub:"
FOLDER = "local-dir:"
TIMM = "timm/"

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")


@dataclass(frozen=True)
class Source:
    """Where a backbone comes from.

    Attributes:
        timm_name: what `timm.create_model` is called with.
        architecture: the model of timm's registry that it is.
    """

    timm_name: str
    architecture: str
    hub_file: str | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether the weights are no release of timm's registry, so what they are is unchecked."""
        return self.timm_name.startswith((HUB, FOLDER))

    def weights(self) -> Mapping[str, Any]:
        """Read the tensors of a foreign source.

        Raises:
            BackboneError: there are none.
        """
        if self.timm_name.startswith(FOLDER):
            return read(_weight_file(Path(self.timm_name.removeprefix(FOLDER))))
        chosen = {"filename": self.hub_file} if self.hub_file else {}
        return load_state_dict_from_hf(
            self.timm_name.removeprefix(HUB), weights_only=True, **chosen
        )


def find(name: str) -> Source:
    """Find out which architecture a name means.

    Raises:
        BackboneError: its configuration cannot be had, or names no architecture of timm.
    """
    timm_name = _timm_name(name)
    try:
        if timm_name.startswith(FOLDER):
            path = Path(timm_name.removeprefix(FOLDER)) / "config.json"
            config = json.loads(path.read_text(encoding="utf-8"))
            return Source(timm_name, config["architecture"])
        if timm_name.startswith(HUB):
            config, architecture, _ = load_model_config_from_hf(timm_name.removeprefix(HUB))
            return Source(timm_name, architecture, config.get("hf_hub_filename"))
    except (KeyError, TypeError) as error:
        raise BackboneError(
            f"backbone {name!r}: expected a config.json that names an architecture of timm, found "
            "none; name that architecture instead, and the weights as its checkpoint"
        ) from error
    except Exception as error:  # the hub and the file system raise many kinds
        raise BackboneError(
            f"backbone {name!r}: its config.json cannot be read here ({_line(error)})"
        ) from error
    return Source(timm_name, timm_name.partition(".")[0])


def _timm_name(name: str) -> str:
    """Return timm's name: of `timm/NAME` the registry's where it has one, else the hub's."""
    kind, colon, place = name.partition(":")
    if colon and kind.lower().replace("_", "-") + colon in (HUB, FOLDER):
        return f"{kind.lower().replace('_', '-')}:{place}"
    if not name.startswith(TIMM):
        return name
    known = name.removeprefix(TIMM)
    architecture, _, tag = known.partition(".")
    in_registry = is_model_pretrained(known) if tag else is_model(architecture)
    return known if in_registry else HUB + name


def _weight_file(folder: Path) -> Path:
    """Find the one weight file of a folder in timm's form.

    Raises:
        BackboneError: there is none, or several of which none has the usual name.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    found = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise BackboneError(
            f"backbone {FOLDER}{folder}: expected {WEIGHT_FILES[0]} or one other weight file, "
            f"found {names}"
        )
    return found[0]


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
