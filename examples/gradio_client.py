"""A page of Gradio's on a Facet server: drop an image, see what a task makes of it.

    pip install gradio
    python examples/gradio_client.py http://127.0.0.1:8000

Facet does not need Gradio: its own console is at / of the server.
"""

import sys
from pathlib import Path

import gradio

import facet_vision as facet


def main(url: str) -> None:
    with facet.Client(url) as client:
        tasks = [task.task for task in client.tasks().tasks if task.state == "live"]

        def answer(task: str, image: str) -> dict[str, float]:
            (result,) = client.predict(task, Path(image))
            return {each.label: each.value for each in result.predictions}

        shown = [gradio.Dropdown(tasks, label="Task"), gradio.Image(type="filepath")]
        gradio.Interface(answer, shown, gradio.Label()).launch()


if __name__ == "__main__":
    main(sys.argv[1])
