"""The settings of an adapter: how strong each pair is, and what would be more than pairs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facet_vision.common.flags import first_fault
from facet_vision.prompts_store.errors import NotATaskFile, shown
from facet_vision.prompts_store.header import load_json
from facet_vision.training.errors import ExchangeError

FILE = "adapter_config.json"

SAYS_NOTHING = frozenset(
    {
        *("auto_mapping", "task_type", "revision", "inference_mode", "runtime_config"),
        # which layers were chosen: the names of the tensors tell
        *("exclude_modules", "layers_to_transform", "layers_pattern"),
        # for the training alone
        *("lora_dropout", "ensure_weight_tying", "lora_bias"),
        # of variants that others switch on: `init_lora_weights`, `megatron_config`, `use_qalora`
        *("loftq_config", "eva_config", "corda_config", "lora_ga_config"),
        *("megatron_core", "qalora_group_size"),
    }
)
"""Settings that do not change what the saved tensors mean; any other one must be off."""

CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that take something out of the base's weights, which the file does not hold."""

Rank = Annotated[int, Field(ge=1)]
Alpha = Annotated[float, Field(allow_inf_nan=False)]


class AdapterConfig(BaseModel):
    """The settings that count.

    `r` and `lora_alpha` hold for modules that `rank_pattern` and `alpha_pattern` do not name.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    peft_type: Literal["LORA"]
    peft_version: str | None = None
    base_model_name_or_path: str | None = None
    r: Rank
    lora_alpha: Alpha
    rank_pattern: dict[str, Rank] = {}
    alpha_pattern: dict[str, Alpha] = {}
    use_rslora: bool = False
    bias: Literal["none", "lora_only", "all"] = "none"
    target_modules: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    init_lora_weights: bool | str | None = True

    @classmethod
    def read(cls, folder: Path) -> AdapterConfig:
        """Read the settings of an adapter's folder.

        Raises:
            ExchangeError: they are not there, or say what no task file can hold.
        """
        path = folder / FILE
        if not path.is_file():
            raise ExchangeError(f"{FILE}: expected one in {folder}, found none")
        try:
            fields = load_json(path.read_bytes(), FILE, NotATaskFile)
            if not isinstance(fields, dict):
                raise ExchangeError(f"{FILE}: expected a JSON object, found {shown(fields)}")
            config = cls.model_validate(fields)
        except NotATaskFile as error:
            raise ExchangeError(str(error)) from None
        except ValidationError as error:
            raise ExchangeError(f"{FILE}, {first_fault(error)}") from None
        config._check()
        return config

    def rank(self, module: str) -> int:
        """Return the rank of the pair of a module of the base, by its name there."""
        return _by_pattern(self.rank_pattern, module, self.r)

    def scale(self, module: str) -> float:
        """Return by what its product is multiplied: alpha / r, or alpha / sqrt(r).

        The second is rsLoRA (Kalajdzievski 2023, arXiv 2312.03732).
        """
        alpha, rank = _by_pattern(self.alpha_pattern, module, self.lora_alpha), self.rank(module)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)

    def _check(self) -> None:
        for name, value in (self.model_extra or {}).items():
            if value and name not in SAYS_NOTHING:
                raise ExchangeError(
                    f"{FILE}, {name[:80]}: expected none, for a task file holds low-rank pairs "
                    f"alone, found {shown(value)}"
                )
        start = str(self.init_lora_weights).lower()
        if start.startswith(CHANGE_THE_BASE):
            raise ExchangeError(
                f"{FILE}, init_lora_weights: expected one that leaves the base as it is, found "
                f"{shown(self.init_lora_weights)}; save the adapter anew with "
                "path_initial_model_for_weight_conversion"
            )


def _by_pattern(patterns: Mapping[str, Any], module: str, default: Any) -> Any:
    """Return the value of the first pattern that the end of a name matches, as PEFT chooses it."""
    for pattern, value in patterns.items():
        try:
            found = re.match(rf"(.*\.)?({pattern})$", module)
        except re.error as error:
            raise ExchangeError(
                f"{FILE}, pattern: expected a regular expression, found {shown(pattern)} ({error})"
            ) from None
        if found:
            return value
    return default
