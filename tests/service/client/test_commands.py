"""The commands that call a server, against a live one in this process."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.cli import app
from facet_vision.prompts_store import Head, TaskFile
from facet_vision.service.banner import FIRST_TASKS, banner
from facet_vision.service.client.client import Client
from facet_vision.service.client.words import describe
from tests.service.support.app import DEPTH, numbered, png, small_backbone, task_file, upload


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def pets(url: str, small: Backbone) -> str:
    """A server that has the task pets, whose answer is dog."""
    with Client(url) as client:
        client.publish("pets", task_file(small, "pets", layers=DEPTH, bias=[0.0, 2.0]).to_bytes())
    return url


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with images and what lies beside them."""
    root = tmp_path / "photos"
    for name in ("b/2.png", "a/1.png", "a/10.PNG", "__MACOSX/a/._1.png", ".hidden/3.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png())
    (root / "a" / "Thumbs.db").write_bytes(b"thumbs")
    (root / "a" / "notes.txt").write_text("notes")
    return root


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    return result.exit_code, result.output


def outputs(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_push_predict_tasks(url: str, small: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "pets.safetensors"
    task_file(small, "pets", layers=DEPTH, bias=[0.0, 2.0]).save(file)
    images = [tmp_path / "a.png", tmp_path / "b.png"]
    for image in images:
        image.write_bytes(png())
    assert run("tasks", url) == (0, f"no tasks yet: facet push FILE --to {url}\n")
    assert run("push", file, "--to", url) == (0, f"pets version 1 is live at {url}\n")
    task_file(small, "pets", layers=DEPTH, bias=[0.0, 3.0]).save(file)
    stored = run("push", file, "--server", url, "--no-activate")
    assert stored == (0, f"pets version 2 is stored, not live at {url}\n")
    status, output = run("predict", url, "pets", *images, "--top-k", "2")
    assert status == 0
    assert output.splitlines() == [f"{image}: dog 0.881, cat 0.119" for image in images]
    assert run("tasks", url) == (0, "pets  version 1 of 2, vpt-deep, 2 labels, accuracy 0.500\n")


def test_json_is_what_the_server_says(pets: str, small: Backbone, tmp_path: Path) -> None:
    image, file = tmp_path / "a.png", tmp_path / "t"
    image.write_bytes(png())
    with Client(pets) as client:
        code, output = run("tasks", pets, "--json")
        assert (code, json.loads(output)) == (0, client.tasks().document())
        shown = client.task("pets").document()
        document = json.loads(run("versions", "pets", "--server", pets, "--json")[1])
        assert document["stored"] == shown["stored"]
        assert document["history"] == shown["history"]
        assert (document["live"], document["state"]) == (1, "live")
    (line,) = run("predict", pets, "pets", image, "--json")[1].splitlines()
    answer = json.loads(line)
    assert (answer["file"], answer["task"], answer["version"]) == (str(image), "pets", 1)
    assert answer["predictions"][0]["label"] == "dog"
    task_file(small, "more").save(file)
    made = json.loads(run("push", file, "--to", pets, "--json")[1])
    assert (made["task"], made["version"], made["live"]) == ("more", 1, True)


def test_folders_and_quoted_patterns(pets: str, photos: Path) -> None:
    def asked(*images: object) -> list[str]:
        code, output = run("predict", pets, "pets", *images)
        assert code == 0, output
        return [
            Path(line.partition(": ")[0]).relative_to(photos).as_posix()
            for line in output.splitlines()
        ]

    assert asked(photos) == ["a/1.png", "a/10.PNG", "b/2.png"]
    assert asked(photos / "b", photos / "a" / "1.png") == ["b/2.png", "a/1.png"]
    assert asked(f"{photos}/a/*.png") == ["a/1.png"]
    assert asked(f"{photos}/**/*.png") == ["a/1.png", "b/2.png"]
    assert asked(f"{photos}/[ab]") == ["a/1.png", "a/10.PNG", "b/2.png"]


def test_many_images_go_in_several_requests_and_keep_their_order(pets: str, tmp_path: Path) -> None:
    names = [f"{number:02}.png" for number in range(70)]
    for name in names:
        (tmp_path / name).write_bytes(png())
    code, output = run("predict", pets, "pets", *(tmp_path / name for name in reversed(names)))
    assert code == 0
    assert [Path(line.partition(":")[0]).name for line in output.splitlines()] == names[::-1]


def test_a_damaged_image_is_named_and_the_others_are_answered(pets: str, tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.png" for number in range(40)]
    for image in images:
        image.write_bytes(png())
    images[17].write_bytes(png()[:60])
    images[35].write_bytes(b"no image")
    images[36].unlink()
    images[36].mkdir()
    (images[36] / "inner.png").write_bytes(png())
    images[38].chmod(0)
    code, stdout, stderr = outputs("predict", pets, "pets", *images)
    assert code == 4
    shown = [Path(line.partition(": ")[0]) for line in stdout.splitlines()]
    bad = {images[17], images[35]} | (set() if _root() else {images[38]})
    expected = [image if image != images[36] else image / "inner.png" for image in images]
    assert shown == [image for image in expected if image not in bad]
    first, second = stderr.splitlines()[:2]
    assert first.startswith(f"facet predict: {images[17]}: image: expected ")
    assert second.startswith(f"facet predict: {images[35]}: image: expected one of JPEG, ")
    assert len(stderr.splitlines()) == len(bad)


def _root() -> bool:
    import os

    return os.geteuid() == 0


def test_with_json_a_damaged_image_is_a_line_in_its_place(pets: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(png())
    bad.write_bytes(b"no image")
    code, stdout, stderr = outputs("predict", pets, "pets", good, bad, good, "--json")
    assert (code, stderr) == (4, "")
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert [line["file"] for line in lines] == [str(good), str(bad), str(good)]
    assert ["error" in line for line in lines] == [False, True, False]
    assert set(lines[1]) == {"file", "error"}
    assert outputs("predict", pets, "pets", bad, "--json")[0] == 1


def test_commands_fail_in_one_sentence(
    url: str, nobody: str, small: Backbone, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.safetensors"
    foreign = tmp_path / "foreign.safetensors"
    image = tmp_path / "a.png"
    wrong.write_bytes(b"not a task file")
    task_file(small_backbone(seed=1), "pets").save(foreign)
    image.write_bytes(png())
    with Client(url) as client:
        client.publish("known", numbered(small, "known", 1), activate=False)
    for arguments, code, words in (
        (["push", wrong, "--to", url], 1, "facet push: "),
        (["push", foreign, "--to", url], 1, "fingerprint"),
        (["predict", url, "nobody", image], 1, "nobody"),
        (
            ["predict", url, "known", tmp_path / "none.png"],
            2,
            "expected a file or folder, found no",
        ),
        (["predict", url, "known", f"{tmp_path}/*.jpg"], 2, "expected files that match, found no"),
        (["versions", "nobody", "--server", url], 1, "nobody"),
        (["activate", "known", 7, "--server", url], 1, "expected a published one"),
        (["rollback", "known", "--server", url], 1, "expected a version that was live before"),
        (["download", "known", "--server", url], 1, "a live version, found it unpublished"),
        (["retire", "known", "--server", url], 1, "known"),
        (["delete", "known", 7, "--server", url], 1, "expected a published one"),
        (["tasks", nobody], 3, "found none that answers"),
        (["predict", nobody, "known", image], 3, "found none that answers"),
        (["versions", "known", "--server", nobody], 3, "found none that answers"),
    ):
        status, output = run(*arguments)
        assert status == code, output
        assert words in output
        assert "Traceback" not in output
        assert len(output.strip().splitlines()) == 1


def test_versions_and_which_of_them_is_live(url: str, small: Backbone, tmp_path: Path) -> None:
    at = ("--server", url)
    data = {number: numbered(small, "counter", number) for number in (1, 2, 3)}
    with Client(url) as client:
        for file in data.values():
            client.publish("counter", file)
    code, output = run("versions", "counter", *at)
    assert code == 0
    lines = output.splitlines()
    assert lines[0].startswith("counter  version 3 of 3, ")
    assert [line.split()[:2] for line in lines[1:]] == [["version", str(n)] for n in (1, 2, 3)]
    assert [" live " in line for line in lines[1:]] == [False, False, True]
    assert run("rollback", "counter", *at) == (0, f"counter version 2 is live at {url}\n")
    assert run("rollback", "counter", *at) == (0, f"counter version 3 is live at {url}\n")
    assert run("activate", "counter", 1, *at) == (0, f"counter version 1 is live at {url}\n")
    assert run("rollback", "counter", *at) == (0, f"counter version 3 is live at {url}\n")
    code, output = run("retire", "counter", *at)
    assert (code, output.startswith(f"counter is retired at {url}; facet rollback ")) == (0, True)
    assert run("versions", "counter", *at)[1].splitlines()[0] == "counter  retired"
    assert run("tasks", url)[1] == "counter  retired\n"
    assert run("rollback", "counter", *at) == (0, f"counter version 3 is live at {url}\n")
    assert run("delete", "counter", 1, "--to", url) == (
        0,
        f"counter version 1 is deleted at {url}\n",
    )
    code, output = run("delete", "counter", 3, *at)
    assert (code, "expected one that is not live to delete, found 3" in output) == (1, True)
    assert [line.split()[1] for line in run("versions", "counter", *at)[1].splitlines()[1:]] == [
        "2",
        "3",
    ]
    for arguments, number in (([], 3), (["2"], 2)):
        out = tmp_path / f"{number}"
        code, output = run("download", "counter", *arguments, "--out", out, *at)
        assert (code, out.read_bytes()) == (0, data[number])
        assert output.endswith(f"version {number} of counter\n")


def test_the_banner_describes_what_is_served(client: TestClient, small: Backbone) -> None:
    def text() -> str:
        return client.portal.call(banner, client.app.state.components, "http://x")  # type: ignore

    assert "facet push TASK.safetensors --to http://x" in text()
    upload(client, task_file(small, "pets"))
    assert "serves 1 tasks on small (cpu, float32, plain) at http://x" in text()
    assert "pets  version 1 of 1, linear, 2 labels, accuracy 0.500" in text()
    for number in range(FIRST_TASKS + 1):
        upload(client, task_file(small, f"more-{number:02}"))
    assert f"serves a store of {FIRST_TASKS + 2} tasks on small" in text()
    assert "more-19" in text()
    assert "more-20" not in text()
    assert "  and 2 more\n" in text()


def test_the_banner_says_what_was_resampled(
    client: TestClient, small: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text() -> str:
        return client.portal.call(banner, client.app.state.components, "http://x")  # type: ignore

    assert "resampled" not in text()
    monkeypatch.setattr(small, "resampled", "positions 14x14 -> 24x24 resampled")
    assert text().splitlines()[1] == "  positions 14x14 -> 24x24 resampled"


def test_banner_list_and_api_use_the_same_words(client: TestClient, small: Backbone) -> None:
    """Of every state that a task can have, and its main metric first."""
    example = task_file(small, "tags")
    metrics = {"held_out_images": 8.0, "macro_f1": 0.25, "mean_average_precision": 0.75}
    changes = {"activation": "sigmoid", "metrics": metrics}
    manifest = example.manifest.model_copy(update=changes)
    upload(client, TaskFile(manifest, example.prompts, Head(example.head.layers)))
    for name in ("gone", "waiting"):
        activate = "true" if name == "gone" else "false"
        data = task_file(small, name).to_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        path = f"/v1/tasks/{name}/versions?activate={activate}"
        assert client.post(path, content=data, headers=headers).status_code == 201
    client.delete("/v1/tasks/gone")
    documents = client.get("/v1/tasks").json()["tasks"]
    states = {task["task"]: task["state"] for task in documents}
    assert states == {"gone": "retired", "tags": "live", "waiting": "unpublished"}
    (tags,) = [task for task in documents if task["task"] == "tags"]
    assert list(tags["metrics"]) == ["mean_average_precision", "macro_f1", "held_out_images"]
    shown = client.portal.call(banner, client.app.state.components, "http://x")  # type: ignore
    assert [describe(task) for task in documents] == [
        "retired",
        "version 1 of 1, linear, 2 labels, mean average precision 0.750",
        "unpublished",
    ]
    for task in documents:
        assert f"  {task['task']:<7}  {describe(task)}\n" in shown


HEAVY = {"torch", "timm", "fastapi", "numpy", "PIL"}


def test_the_commands_need_no_torch(
    pets: str, photos: Path, tmp_path: Path, small: Backbone
) -> None:
    file = tmp_path / "t"
    task_file(small, "more").save(file)
    for arguments in (
        ["tasks", pets],
        ["predict", pets, "pets", photos],
        ["push", file, "--to", pets],
        ["versions", "pets", "--server", pets],
        ["download", "pets", "--server", pets, "--out", tmp_path / "copy"],
    ):
        code = (
            "import atexit, json, sys\n"
            "atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.__stdout__))\n"
            "from facet_vision.cli import app\n"
            f"app({[str(each) for each in arguments]!r})"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert not HEAVY & set(json.loads(done.stdout.splitlines()[-1]))
