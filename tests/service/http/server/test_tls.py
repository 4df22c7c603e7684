"""TLS: a certificate that is renewed while the server runs, and clients that must show one."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from facet_vision.service.http.server.tls import Certificate
from facet_vision.service.settings import Settings, SettingsError, read_settings
from tests.service.support.app import ask, small_backbone, task_file, upload
from tests.service.support.processes import Server, small_server


class Files:
    """A server's certificate and key, and an authority that clients know."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.cert_pem.bytes())
        self.issue()

    def issue(self, *, other_key: bool = False) -> None:
        made = self.authority.issue_cert("127.0.0.1")
        spare = self.authority.issue_cert("127.0.0.1") if other_key else made
        self.certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        self.key.write_bytes(spare.private_key_pem.bytes())

    def client_context(self, *, shows: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if shows:
            self.authority.issue_cert("client@example.org").configure_cert(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def server(files: Files, tmp_path: Path) -> Iterator[Server]:
    given = {"tls_cert": files.certificate, "tls_key": files.key, "tls_client_ca": files.ca}
    with small_server(tmp_path / "store", **given) as server:
        yield server


def serial(server: Server, context: ssl.SSLContext) -> int:
    with context.wrap_socket(server.connect(), server_hostname="127.0.0.1") as connection:
        found = connection.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)


def test_a_server_speaks_tls_and_takes_a_renewed_certificate(server: Server, files: Files) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    context = files.client_context()
    with server.client(verify=context) as client:
        assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
        assert ask(client, "pets").status_code == 200
        before = serial(server, context)
        files.issue()
        end = time.monotonic() + 10
        while serial(server, context) == before and time.monotonic() < end:
            time.sleep(0.2)
        assert serial(server, context) != before
        assert ask(client, "pets").status_code == 200  # the old connection goes on
    with (
        pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)),
        server.client(verify=files.client_context(shows=False)) as stranger,
    ):
        stranger.get("/livez")


def certificate(files: Files) -> Certificate:
    made = Certificate.of(Settings(tls_cert=files.certificate, tls_key=files.key))
    assert made is not None
    return made


def handshake(context: ssl.SSLContext, files: Files) -> None:
    """Shake hands in memory; raises where the server's certificate and key do not fit."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = context.wrap_bio(to_server, to_client, server_side=True)
    asking = files.client_context().wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    done = set()
    while len(done) < 2:
        for side in (asking, serving):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("what", ["none", "no PEM", "another key"])
def test_a_bad_renewal_leaves_the_former_certificate(
    files: Files, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = certificate(files)
    if what == "none":
        files.key.unlink()
    elif what == "no PEM":
        files.certificate.write_text("no certificate")
    else:
        files.issue(other_key=True)
    made.renew()
    made.renew()
    (line,) = caplog.messages
    assert "the former one stays" in line
    handshake(made.context, files)
    files.issue()
    made.renew()
    handshake(made.context, files)


def test_a_start_with_bad_files_is_refused_in_one_sentence(files: Files) -> None:
    files.issue(other_key=True)
    with pytest.raises(SettingsError, match="that belong together"):
        certificate(files)
    with pytest.raises(SettingsError, match="tls_key: expected it beside tls_cert"):
        read_settings({"tls_key": files.key}, {})
    assert Certificate.of(Settings()) is None
