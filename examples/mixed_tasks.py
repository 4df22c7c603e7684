"""One image, several tasks, one forward.

    python examples/mixed_tasks.py photo.png http://127.0.0.1:8000 digits letters

asks the named tasks, or every live one, about an image in a single request. The server decodes the
image once and computes all rows in one mixed batch.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import httpx


def main(image: Path, url: str, tasks: Sequence[str]) -> None:
    answer = httpx.post(
        f"{url}/v1/predict",
        files={"file": (image.name, image.read_bytes())},
        data={"tasks": list(tasks) or ["*"]},
        params={"top_k": 1},
        timeout=30,
    ).raise_for_status()
    for result in answer.json()["results"]:
        best = result["predictions"][0]
        value = best.get("probability", best.get("score"))
        print(f"{result['task']} (version {result['version']}): {best['label']} ({value:.2f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
