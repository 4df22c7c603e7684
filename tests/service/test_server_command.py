"""`facet serve` as a person types it."""

import signal
import socket
import sys
from pathlib import Path

import timm
import typer
from safetensors.torch import save_file
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.service.client.client import Client
from facet_vision.service.command import serve
from tests.service.support.app import ask, task_file, upload
from tests.service.support.processes import command

FACET = str(Path(sys.executable).parent / "facet")


cli = typer.Typer()
cli.command()(serve)


def refused(*arguments: str, code: int = 1, **variables: str) -> str:
    """The one line with which `facet serve` refuses to start."""
    result = CliRunner().invoke(cli, list(arguments), env=variables)
    assert result.exit_code == code
    (line,) = result.output.strip().splitlines()
    assert line.startswith("facet serve: ")
    return line


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    store = ["--store", str(tmp_path)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        taken = refused("--port", str(port), *store)
        assert taken == f"facet serve: port {port} is already in use on 127.0.0.1"
    assert "no keys are configured" in refused("--host", "0.0.0.0", code=2)
    assert "FACET_PROT" in refused(FACET_PROT="1", code=2)
    assert "cannot be used on 192.0.2.1" in refused(
        "--host", "192.0.2.1", "--trust-network", "--port", "0", *store
    )
    assert "port" in refused("--port", "70000", code=2)
    assert "device_budget" in refused("--device-budget", "lots", code=2)
    assert "host_budget" in refused("--host-budget", "5 bananas", code=2)
    assert "resnet50" in refused("--backbone", "resnet50", "--port", "0", *store)
    assert "missing.bin" in refused("--checkpoint", "missing.bin", "--port", "0", *store)
    (tmp_path / "file").write_text("not a folder")
    assert "file" in refused("--store", str(tmp_path / "file"), "--port", "0")


def test_the_embedded_backbone_from_first_start_to_ctrl_c(tmp_path: Path) -> None:
    """Random weights in the place of the shipped ones: this is about serving."""
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("facet_tiny").state_dict(), weights)
    on = backbone.load("facet-tiny", checkpoint=weights, device="cpu")
    arguments = ["--port", "0", "--store", str(tmp_path / "store"), "--checkpoint", str(weights)]
    arguments += ["--dtype", "float32", "--execution", "packed"]
    with command(FACET, "serve", *arguments, device="cpu") as server, server.client() as client:
        assert client.get("/readyz").json() == {"status": "ready"}
        lines = client.get("/metrics").text.splitlines()
        (info,) = [line for line in lines if line.startswith("facet_backbone_info")]
        assert 'dtype="float32"' in info
        assert 'execution="packed"' in info
        assert f'fingerprint="{on.fingerprint}"' in info
        file = task_file(on, "pets", layers=8, tokens=4)
        assert upload(client, file).status_code == 201
        assert ask(client, "pets").status_code == 200
        with Client(server.url) as facet:
            assert facet.tasks().backbone == "facet-tiny"
        assert server.stop(signal.SIGINT) == 0
