"""From a folder of labelled images to an endpoint.

    python examples/folder_to_endpoint.py photos pets http://127.0.0.1:8000

trains the task `pets` on `photos/<label>/<image>`, uploads it to a running server, and asks the
server about the first image of each label.
"""

import sys
from pathlib import Path

import facet_vision as facet


def main(folder: Path, name: str, url: str) -> None:
    backbone = facet.load("facet-tiny")
    recipe = facet.new_recipe(data=str(folder), task=name, epochs=20)
    task = facet.train_task(backbone, facet.read_data(recipe), recipe)
    assert isinstance(task, facet.TaskFile)  # vpt-deep, the default method, can be served
    print(f"{name}: accuracy {task.manifest.metrics['accuracy']:.3f} on held-out images")

    images = [min(label.iterdir()) for label in sorted(folder.iterdir()) if label.is_dir()]
    with facet.Client(url) as client:
        published = client.publish(name, task.to_bytes())
        print(f"{name} version {published.version} is live")
        for answer in client.predict(name, images, top_k=1):
            print(f"{images[answer.image]}: {answer.best.label} ({answer.best.value:.2f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
