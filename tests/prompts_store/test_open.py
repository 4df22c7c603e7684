"""Which locations can be opened, and what is said about those that cannot."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from facet_vision.prompts_store import StoreError, StoreUnavailable, open_store


def test_folder_by_path_text_or_url(tmp_path: Path) -> None:
    open_store(tmp_path / "a store").publish("flowers", b"one", by="ada")
    assert open_store(str(tmp_path / "a store")).tasks() == ["flowers"]
    assert open_store((tmp_path / "a store").as_uri()).tasks() == ["flowers"]


def test_memory_stores_are_apart() -> None:
    open_store("memory:").publish("flowers", b"one", by="ada")
    assert open_store("memory:").tasks() == []


def test_s3_by_environment(s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3["endpoint"])
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "facet")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "facet")
    store = open_store("s3://bucket/by/environment")
    store.check_reachable()  # while there is nothing yet
    store.publish("flowers", b"one", by="ada")
    store.check_reachable()
    assert open_store("s3://bucket/by", **s3).tasks() == []
    assert open_store("s3://bucket/by/environment", **s3).read("flowers", 1) == b"one"


def test_a_bucket_that_is_not_there_is_unavailable(s3: dict[str, Any]) -> None:
    store = open_store("s3://nowhere", **s3)
    publish = partial(store.publish, "flowers", b"one", by="ada")
    for call in (store.check_reachable, store.tasks, publish, partial(store.state, "flowers")):
        with pytest.raises(StoreUnavailable, match="404") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_an_unreachable_server_is_unavailable(s3: dict[str, Any]) -> None:
    options = s3 | {"endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 0}}
    with pytest.raises(StoreUnavailable, match="storage of '/'"):
        open_store("s3://bucket", **options).tasks()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="file"):
        open_store(tmp_path / "file")


@pytest.mark.parametrize(
    ("location", "options", "sentence"),
    [
        (
            "ftp://host/x",
            {},
            "store: expected a folder, memory:, s3://, gs:// or az://, found 'ftp://host/x'",
        ),
        ("https://host/x", {}, "store: expected a folder"),
        (
            "memory:",
            {"endpoint": "x"},
            "store options: expected none for 'memory:', found endpoint",
        ),
        ("s3://bucket", {"colour": "red"}, "storage of 's3://bucket': .*colour"),
    ],
)
def test_unknown_locations_and_options_are_errors(
    location: str, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(StoreError, match=sentence):
        open_store(location, **options)
