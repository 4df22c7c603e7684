"""Who is let in, and how a change of the file gets through."""

import hashlib
import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from facet_vision.service.access import ANYONE, Keyring
from facet_vision.service.access.key import identity_of
from facet_vision.service.access.source import parse
from facet_vision.service.errors import Unauthorized
from facet_vision.service.settings import Settings, SettingsError, read_settings
from tests.service.support.keys import NOW, Keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json")


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def refused(ring: Keyring, authorization: str | None) -> str:
    with pytest.raises(Unauthorized) as caught:
        ring.caller(authorization)
    return str(caught.value)


def test_without_keys_anyone_is_let_in() -> None:
    assert Keyring().caller(None) is ANYONE
    assert Keyring().key("") is None


def test_a_key_tells_who_shows_it(keys: Keys) -> None:
    shown = keys.add("ci", "publish", tasks=["team-*", "digits"])["Authorization"]
    caller = Keyring(keys.path).caller(shown)
    assert (caller.name, caller.scopes) == ("ci", {"publish"})
    assert [caller.sees(task) for task in ("team-a", "digits", "digits2", "tea")] == [
        *(True, True, False, False)
    ]
    assert Keyring(keys.path).caller(shown.replace("Bearer", "bearer")) == caller


def test_the_file_holds_the_hash_and_not_the_secret(keys: Keys) -> None:
    keys.add("ci")
    text, written = keys.texts["ci"], keys.path.read_text()
    assert text.split("_", 2)[2] not in written
    assert hashlib.sha256(text.encode()).hexdigest() in written
    assert len(text.split("_", 2)[2]) == 43  # 256 bits in base64
    assert keys.path.stat().st_mode & 0o777 == 0o600


def test_whatever_else_is_shown_is_refused_alike(keys: Keys) -> None:
    for name in ("ci", "revoked", "expired"):
        keys.add(name)
    keys.revoke("revoked")
    keys.expire("expired")
    ring = Keyring(keys.path, now=lambda: NOW + timedelta(days=2))
    text = keys.texts["ci"]
    wrong = [
        *(keys.texts["revoked"], keys.texts["expired"]),
        *(text[:-1], text + "A", text.upper(), "", "facet", "facet__", "é" * 40),
        f"facet_{'0' * 12}_{text.split('_', 2)[2]}",
    ]
    assert len({refused(ring, f"Bearer {each}") for each in wrong}) == 1
    assert "none" in refused(ring, None)
    assert "another scheme" in refused(ring, f"Basic {text}")
    assert "another scheme" in refused(ring, text)
    assert ring.caller(f"Bearer {text}").name == "ci"


def test_a_change_of_the_file_counts_within_a_second(keys: Keys) -> None:
    shown = keys.add("ci")["Authorization"]
    clock = Clock()
    ring = Keyring(keys.path, clock=clock)
    keys.revoke("ci")
    later = keys.add("new")["Authorization"]
    assert ring.caller(shown).name == "ci"  # the file is not looked at for each request
    clock.seconds = 1.0
    refused(ring, shown)
    assert ring.caller(later).name == "new"
    with pytest.raises(Unauthorized):
        ring.key("ci")


@pytest.mark.parametrize("broken", ["{", '{"keys": [{"id": "SECRET"}]}', '{"other": 1}', None])
def test_a_broken_file_leaves_the_last_good_keys(
    keys: Keys, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    shown = keys.add("ci")["Authorization"]
    clock = Clock()
    ring = Keyring(keys.path, clock=clock)
    caplog.set_level(logging.DEBUG)
    if broken is None:
        keys.path.unlink()
    else:
        keys.path.write_text(broken)
    for seconds in range(1, 5):
        clock.seconds = seconds
        assert ring.caller(shown).name == "ci"
    (line,) = [each for each in caplog.messages if "stay in force" in each]
    assert "SECRET" not in line
    keys.add("mended")
    clock.seconds = 6
    assert ring.caller(keys.shown("mended")["Authorization"]).name == "mended"


def test_a_file_that_others_can_read_is_warned_of(
    keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    Keyring(keys.path)
    assert not caplog.messages
    keys.path.chmod(0o644)
    Keyring(keys.path)
    assert "chmod 600" in caplog.messages[0]
    assert "644" in caplog.messages[0]


def test_the_variable_holds_what_the_file_holds(keys: Keys) -> None:
    shown = keys.add("ci")["Authorization"]
    settings = Settings(keys=keys.path.read_text())
    assert settings.has_keys
    assert Keyring.of(settings).caller(shown).name == "ci"


def test_a_start_with_bad_keys_is_refused_in_one_sentence(keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.json: expected a file of keys"):
        Keyring.of(Settings(keys_file=tmp_path / "nowhere.json"))
    with pytest.raises(SettingsError, match="FACET_KEYS: expected keys") as caught:
        Keyring.of(Settings(keys='{"keys": "SECRET"}'))
    assert "SECRET" not in str(caught.value)
    with pytest.raises(SettingsError, match="found both"):
        read_settings({"keys_file": keys.path, "keys": "{}"}, {})


@pytest.mark.parametrize("field", ["id", "name"])
def test_no_two_keys_share_an_id_or_a_name(keys: Keys, field: str) -> None:
    keys.add("one")
    keys.add("two")
    document = json.loads(keys.path.read_text())
    document["keys"][1][field] = document["keys"][0][field]
    with pytest.raises(ValueError, match=f"another {field}"):
        parse(json.dumps(document), "file")


def test_with_keys_the_server_may_listen_beyond_loopback(keys: Keys) -> None:
    with pytest.raises(SettingsError, match="no keys are configured"):
        read_settings({"host": "0.0.0.0"}, {})
    assert read_settings({"host": "0.0.0.0", "keys_file": keys.path}, {}).has_keys
    assert read_settings({"host": "0.0.0.0", "keys": "{}"}, {}).has_keys


def test_the_id_of_a_text() -> None:
    assert identity_of("facet_0123_ab_cd") == "0123"
    assert identity_of("other_0123_abcd") == ""
