"""Files that a `facet train` of this server reads and writes.

<id>/<run>/images/<image>       the images, by their ids
<id>/<run>/table.csv            their labels
<id>/<run>/run/                 what it continues from
<id>/<run>/report.json          what it reports
<id>/<run>/task.safetensors     what it makes
"""

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from facet_vision.prompts_store import durable

from .record import Image, Training

_ROW = re.compile(r"row (\d+)\b")


class Workplace:
    """A folder for what runs; in it a folder for each training, and in that one for each run.

    Args:
        folder: that outlives the server; None for a temporary one.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def desk(self, training: Training) -> "Desk":
        """Return the files of a training's run."""
        return Desk(self._root() / training.id / str(training.run))

    def clear(self, id: str) -> None:
        """Remove the files of a training."""
        shutil.rmtree(self._root() / id, ignore_errors=True)

    def ids(self) -> list[str]:
        """Return which trainings have files."""
        root = self._root()
        return [path.name for path in root.iterdir()] if root.is_dir() else []

    def close(self) -> None:
        """Remove a temporary folder."""
        if self._temporary:
            self._temporary.cleanup()

    def _root(self) -> Path:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="facet-trainings-")
            self._folder = Path(self._temporary.name)
        return self._folder


class Desk:
    """The files of one run.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.table = folder / "table.csv"
        self.run = folder / "run"
        self.report = folder / "report.json"
        self.task = folder / "task.safetensors"
        self._images = folder / "images"

    def lay_out(self, images: Mapping[str, Image], read: Callable[[Image], bytes]) -> None:
        """Write images and table, as far as an earlier process has not.

        Args:
            images: by id.
            read: returns the bytes of one.
        """
        self._images.mkdir(parents=True, exist_ok=True, mode=0o700)
        for id, image in images.items():
            path = self._images / id
            if not path.exists():
                durable.replace(path, read(image))
        durable.replace(self.table, self._rows(images).encode())

    def _rows(self, images: Mapping[str, Image]) -> str:
        text = io.StringIO()
        rows = csv.writer(text, quoting=csv.QUOTE_ALL)
        rows.writerow(("image", "label"))
        rows.writerows((f"{self._images.name}/{id}", image.label) for id, image in images.items())
        return text.getvalue()

    def result(self, images: Mapping[str, Image], seconds: float) -> dict[str, Any]:
        """Return what came of the run, with the ids of images in place of their rows."""
        found: dict[str, Any] = json.loads(self.report.read_text())
        ids = list(images)
        for kind in ("wrong", "doubtful"):
            for each in found[kind]:
                row = _ROW.match(each["image"])
                assert row is not None, each
                each["image"] = ids[int(row[1]) - 1]
        del found["task"]
        return found | {"seconds": round(seconds, 1)}
