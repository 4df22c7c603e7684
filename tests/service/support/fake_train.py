"""A stand-in for `facet train`: it reads the table, tells of three epochs, and writes a task file.

    python fake_train.py TABLE OUT REPORT SOURCE GATE

It waits after the first epoch for as long as there is no file GATE. A table with the label
"broken" makes it fail, one with "mute" makes it die without a word.
"""

import csv
import json
import os
import shutil
import sys
import time
from pathlib import Path


def main() -> None:
    table, out, report, source, gate = map(Path, sys.argv[1:])
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = sorted({row["label"] for row in rows})
    assert all((table.parent / row["image"]).is_file() for row in rows)
    if "mute" in labels:
        os._exit(7)
    tell(phase="reading")
    for done in range(1, 4):
        tell(phase="training", method="linear", done=done, total=3, loss=1 / done)
        while not gate.exists():
            time.sleep(0.02)
    if "broken" in labels:
        print("facet train: data: expected <b>sense</b>, found none", file=sys.stderr)
        raise SystemExit(1)
    shutil.copy(source, out)
    report.write_text(json.dumps(document(rows, labels)))


def document(rows: list[dict[str, str]], labels: list[str]) -> dict[str, object]:
    first = {"image": f"row 1, {rows[0]['image']}", "label": rows[0]["label"], "probability": 0.9}
    return {
        "task": "t",
        "method": "linear",
        "labels": labels,
        "metrics": {"accuracy": 0.5},
        "held_out_images": 2,
        "accuracy": 0.5,
        "interval": [0.1, 0.9],
        "size": 1,
        "confusion": [[1 for _ in labels] for _ in labels],
        "wrong": [first | {"predicted": labels[-1]}],
        "doubtful": [first | {"suggested": labels[-1]}],
        "curve": [{"epoch": 1, "loss": 0.5}],
    }


def tell(**facts: object) -> None:
    print(json.dumps(facts), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
