"""What the protocol's client sees of a server that begins to shut down."""

import pytest
from fastapi import FastAPI

pytest.importorskip("tritonclient", reason="the extra dev is not installed")


def test_a_server_that_drains_is_live_and_not_ready(app: FastAPI, url: str) -> None:
    from tritonclient.http import InferenceServerClient

    client = InferenceServerClient(url.removeprefix("http://"))
    assert (client.is_server_live(), client.is_server_ready()) == (True, True)
    app.state.components.drain()
    assert (client.is_server_live(), client.is_server_ready()) == (True, False)
    client.close()
