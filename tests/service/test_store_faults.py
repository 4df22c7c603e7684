"""A store behind a network that fails: S3 through a proxy that delays, cuts and truncates.

Whatever the network does, what was acknowledged is stored, and no answer comes from anything but a
whole file that somebody uploaded.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.prompts_store.s3 import FAULTS, FaultyProxy, s3_server
from tests.service.support.app import ask, numbered, upload

REFUSED = (503, 504)
"""What a server may answer while its store is away."""


@contextmanager
def faulty_store(prefix: str) -> Iterator[tuple[Any, dict[str, Any], FaultyProxy]]:
    """A function that opens the store through the proxy, options to open it without, the proxy."""
    with s3_server() as direct:
        proxy = FaultyProxy(direct["endpoint"], share=0.0, latest=0.6)
        backoff = {
            "init_backoff": timedelta(milliseconds=5),
            "max_backoff": timedelta(milliseconds=20),
            "base": 2,
        }
        through = direct | {
            "endpoint": proxy.endpoint,
            "client_options": {"allow_http": True, "timeout": timedelta(milliseconds=400)},
            "retry_config": {
                "max_retries": 1,
                "backoff": backoff,
                "retry_timeout": timedelta(seconds=1),
            },
        }
        try:
            yield lambda: open_store(f"s3://bucket/{prefix}", **through), direct, proxy
        finally:
            proxy.close()


class Uploader:
    """Uploads versions of one task, asks for it, and remembers what it was told."""

    def __init__(self, client: TestClient, task: str, small: Backbone) -> None:
        self.client = client
        self.task = task
        self.small = small
        self.dice = random.Random(task)
        self.sent: dict[bytes, int] = {}
        self.acknowledged: dict[int, bytes] = {}
        self.statuses: Counter[int] = Counter()

    def run(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            which = self.dice.choices((self.upload, self.ask, self.change), (3, 6, 1))
            which[0]()

    def upload(self) -> None:
        number = len(self.sent) % 64
        data = numbered(self.small, self.task, number, description=f"upload {len(self.sent)}")
        self.sent[data] = number
        made = self.note(upload(self.client, data))
        if made.status_code in (200, 201):  # 200: a try before had been stored, unheard
            assert self.acknowledged.setdefault(made.json()["version"], data) == data

    def ask(self) -> None:
        """Every answer is of a version that was sent, and says what that one says."""
        answered = self.note(ask(self.client, self.task, top_k=1))
        if answered.status_code == 200:
            (result,) = answered.json()["results"]
            label = result["predictions"][0]["label"]
            assert label in {f"v{number}" for number in self.sent.values()}
            data = self.acknowledged.get(result["version"])
            assert data is None or label == f"v{self.sent[data]}"
        else:
            assert answered.status_code == 404 or answered.status_code in REFUSED, answered.text

    def change(self) -> None:
        """Roll back, download, or retire."""
        version = self.dice.choice([*self.acknowledged, 1])
        url = f"/v1/tasks/{self.task}"
        which = self.dice.randrange(5)
        if which == 0:
            self.note(self.client.delete(url))
        elif which < 3:
            self.note(self.client.put(f"{url}/live", json={"version": version}))
        else:
            got = self.note(self.client.get(f"{url}/versions/{version}"))
            assert got.status_code != 200 or got.content in self.sent
            shown = self.note(self.client.get(url))
            if shown.status_code == 200:
                document = shown.json()
                assert ("live" in document) == (document["state"] == "live") or (
                    document["state"] == "unavailable"
                )

    def note(self, response: Any) -> Any:
        self.statuses[response.status_code] += 1
        assert response.status_code in (200, 201, 204, 404, 409, *REFUSED), response.text
        return response

    def check(self, store: Store) -> None:
        """All that was acknowledged is stored, and all that is stored was sent as it is."""
        state = store.state(self.task)
        stored = {each.number: store.read(self.task, each.number) for each in state.versions}
        assert self.acknowledged.items() <= stored.items()
        assert set(stored.values()) <= set(self.sent)
        assert state.live is None or state.live in stored


@pytest.mark.parametrize(
    "seconds", [2, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(300)])]
)
def test_faults_of_the_network(small: Backbone, tmp_path: Path, seconds: int) -> None:
    settings = Settings(device_budget=1, store_poll_seconds=0.2)  # every answer needs a load
    with faulty_store(tmp_path.name) as (through, direct, proxy):
        app = create_app(settings, store=through(), backbone=small)
        with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
            uploaders = [Uploader(client, f"task-{number}", small) for number in range(4)]
            proxy.share = 0.3
            with ThreadPoolExecutor() as pool:
                until = monotonic() + seconds

                def is_over() -> bool:
                    told = sum((each.statuses for each in uploaders), Counter[int]())
                    seen = proxy.counts.keys() >= FAULTS and told[201] and told[503]
                    return bool(seen) and monotonic() > until

                runs = [pool.submit(each.run, is_over) for each in uploaders]
                for run in runs:
                    run.result()
            proxy.share = 0.0
            for each in uploaders:  # the network is well again: so is the server
                made = upload(client, numbered(small, each.task, 63, description="last"))
                assert made.status_code == 201, made.text
                assert (
                    ask(client, each.task, top_k=1).json()["results"][0]["version"]
                    == (made.json()["version"])
                )
                each.sent[numbered(small, each.task, 63, description="last")] = 63
        fresh = open_store(f"s3://bucket/{tmp_path.name}", **direct)
        for each in uploaders:
            each.check(fresh)
        statuses = sum((each.statuses for each in uploaders), Counter[int]())
        acknowledged = sum(len(each.acknowledged) for each in uploaders)
        print(f"{seconds} s: {acknowledged} acknowledged; {dict(proxy.counts)}; {dict(statuses)}")
