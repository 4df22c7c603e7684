"""One image, several tasks, one forward.

    python examples/mixed_tasks.py photo.png http://127.0.0.1:8000 digits letters

asks the named tasks, or every live one, about an image in a single request. The server decodes the
image once and computes all rows in one mixed batch.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import facet_vision as facet


def main(image: Path, url: str, tasks: Sequence[str]) -> None:
    with facet.Client(url) as client:
        for answer in client.predict(tasks or "*", image, top_k=1):
            best = answer.best
            print(f"{answer.task} (version {answer.version}): {best.label} ({best.value:.2f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
