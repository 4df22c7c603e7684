"""A task of a server in one line; the banner, `facet tasks` and the API use the same words."""

from collections.abc import Mapping
from typing import Any

from facet_vision.prompts_store.metrics import metric_words, ranked


def describe(task: Mapping[str, Any]) -> str:
    """Return what a `TaskSummary` document says, without the task's name."""
    state = str(task["state"])
    if state != "live":
        return f"{state}: {task['reason']}" if task.get("reason") else state
    parts = [f"version {task['live']} of {task['versions']}"]
    if task.get("method"):
        parts += [task["method"], f"{len(task['labels'])} labels"]
    main = next(iter(ranked(task.get("metrics") or {}, task.get("activation"))), None)
    if main is not None:
        parts.append(f"{metric_words(main)} {task['metrics'][main]:.3f}")
    return ", ".join(parts)
