"""Publishes until it is killed: `publisher.py FOLDER`, driven by test_kill.py over stdin and stdout.

Each line on stdin is a time in seconds. For each, a child process is forked that publishes and activates
versions without pause and is killed with SIGKILL after that time; then one line with the JSON list of what
it had been told was stored, [task, number, sha256], goes to stdout.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time

from prompts_store import open_store


def publish_forever(folder: str, acknowledged: int) -> None:
    store = open_store(folder)
    while True:
        task = random.choice(("flowers", "digits", f"new-{random.randrange(10**6)}"))
        data = random.randbytes(random.choice((100, 10_000, 1_000_000)))
        version = store.publish(task, data, by="publisher")
        line = json.dumps([task, version.number, hashlib.sha256(data).hexdigest()]) + "\n"
        os.write(acknowledged, line.encode())
        store.activate(task, version.number, by="publisher")


def run_and_kill(folder: str, seconds: float) -> list[str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        publish_forever(folder, writer)
    os.close(writer)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reader) as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    for request in sys.stdin:
        print(json.dumps(run_and_kill(sys.argv[1], float(request))), flush=True)
