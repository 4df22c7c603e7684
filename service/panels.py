"""Where `facet serve --help` shows a setting."""

from pydantic import JsonValue

NETWORK: dict[str, JsonValue] = {"panel": "Network"}
ACCESS: dict[str, JsonValue] = {"panel": "Access"}
BACKBONE: dict[str, JsonValue] = {"panel": "Backbone"}
TASKS: dict[str, JsonValue] = {"panel": "Tasks"}
LOAD: dict[str, JsonValue] = {"panel": "Load"}
LIMITS: dict[str, JsonValue] = {"panel": "Limits"}
TRAININGS: dict[str, JsonValue] = {"panel": "Trainings"}
WATCHING: dict[str, JsonValue] = {"panel": "Watching"}
