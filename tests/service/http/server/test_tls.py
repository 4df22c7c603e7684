"""TLS: certificates and issuers that change while the server runs, and who must show one."""

import ssl
import time
from collections.abc import Callable, Iterator
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
        self.authority = self.of_clients = trustme.CA()
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.ca, self.client_ca = folder / "ca.pem", folder / "client-ca.pem"
        for path in (self.ca, self.client_ca):
            path.write_bytes(self.authority.cert_pem.bytes())
        self.issue()

    def issue(self, *, other_key: bool = False) -> None:
        made = self.authority.issue_cert("127.0.0.1")
        spare = self.authority.issue_cert("127.0.0.1") if other_key else made
        self.certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        self.key.write_bytes(spare.private_key_pem.bytes())

    def take_clients_of_another_authority(self) -> None:
        self.of_clients = trustme.CA()
        self.client_ca.write_bytes(self.of_clients.cert_pem.bytes())

    def client_context(self, *, shows: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if shows:
            self.of_clients.issue_cert("client@example.org").configure_cert(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def server(files: Files, tmp_path: Path) -> Iterator[Server]:
    given = {"tls_cert": files.certificate, "tls_key": files.key, "tls_client_ca": files.client_ca}
    with small_server(tmp_path / "store", **given) as server:
        yield server


def serial(server: Server, context: ssl.SSLContext) -> int:
    with context.wrap_socket(server.connect(), server_hostname="127.0.0.1") as connection:
        found = connection.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)


def is_answered(server: Server, context: ssl.SSLContext) -> bool:
    try:
        with server.client(verify=context) as client:
            return client.get("/livez").status_code == 200
    except (httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError):
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_server_speaks_tls_and_takes_renewed_files(server: Server, files: Files) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    context = files.client_context()
    with server.client(verify=context) as client:
        assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
        assert ask(client, "pets").status_code == 200
        before = serial(server, context)
        files.issue()
        wait_until(lambda: serial(server, context) != before)
        assert ask(client, "pets").status_code == 200  # the old connection goes on
    assert not is_answered(server, files.client_context(shows=False))
    assert is_answered(server, context)
    files.take_clients_of_another_authority()
    wait_until(lambda: is_answered(server, files.client_context()))
    assert not is_answered(server, context)


@pytest.fixture
def made(files: Files) -> Certificate:
    settings = Settings(
        tls_cert=files.certificate, tls_key=files.key, tls_client_ca=files.client_ca
    )
    made = Certificate.of(settings)
    assert made is not None
    return made


def handshake(
    made: Certificate, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLObject:
    """Shake hands in memory, and return the client's side; raises where either refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = made.context.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1", session=session)
    done = set()
    while len(done) < 2:
        for side in (asking, serving):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    return asking


@pytest.mark.parametrize("what", ["no key", "no PEM", "another key", "no issuers"])
def test_a_bad_renewal_leaves_what_was_there(
    made: Certificate, files: Files, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    if what == "no key":
        files.key.unlink()
    elif what == "no PEM":
        files.certificate.write_text("no certificate")
    elif what == "another key":
        files.issue(other_key=True)
    else:
        files.client_ca.write_text("")
    made.renew()
    made.renew()
    (line,) = caplog.messages
    assert "the former ones stay" in line
    handshake(made, files.client_context())
    files.issue()
    files.take_clients_of_another_authority()
    made.renew()
    handshake(made, files.client_context())


def test_a_session_of_a_former_issuer_is_not_resumed(made: Certificate, files: Files) -> None:
    client = files.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # whose sessions need no further message
    session = handshake(made, client).session
    assert handshake(made, client, session).session_reused
    files.take_clients_of_another_authority()
    made.renew()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, client, session)


def test_a_start_with_bad_files_is_refused_in_one_sentence(files: Files) -> None:
    files.issue(other_key=True)
    with pytest.raises(SettingsError, match="that belong together"):
        Certificate.of(Settings(tls_cert=files.certificate, tls_key=files.key))
    with pytest.raises(SettingsError, match="tls_key: expected it beside tls_cert"):
        read_settings({"tls_key": files.key}, {})
    assert Certificate.of(Settings()) is None
