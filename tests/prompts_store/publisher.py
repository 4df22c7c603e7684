"""A publisher that is killed: `publisher.py FOLDER`, driven by test_kill.py over its streams.

Each line on stdin is a count and a time in seconds. For each, a child process is forked that
publishes and activates versions without pause and is killed with SIGKILL that time after that many
acknowledgements; then one line with the JSON list of what it had been told was stored, [task,
number, sha256], goes to stdout.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time

from facet_vision.prompts_store import open_store


def publish_forever(folder: str, acknowledged: int) -> None:
    store = open_store(folder)
    while True:
        task = random.choice(("flowers", "digits", f"new-{random.randrange(10**6)}"))
        data = random.randbytes(random.choice((100, 10_000, 1_000_000)))
        version = store.publish(task, data, by="publisher")
        line = json.dumps([task, version.number, hashlib.sha256(data).hexdigest()]) + "\n"
        os.write(acknowledged, line.encode())
        store.activate(task, version.number, by="publisher")


def run_and_kill(folder: str, count: int, seconds: float) -> list[list[str | int]]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        publish_forever(folder, writer)
    os.close(writer)
    with os.fdopen(reader) as lines:
        acknowledged = [json.loads(lines.readline()) for _ in range(count)]
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return acknowledged + [json.loads(line) for line in lines]


if __name__ == "__main__":
    for request in sys.stdin:
        count, seconds = request.split()
        print(json.dumps(run_and_kill(sys.argv[1], int(count), float(seconds))), flush=True)
