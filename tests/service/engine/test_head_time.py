"""The heads' part of a batch is measured where they run, and what runs and waits is known."""

import threading
from time import sleep

import pytest
import torch

from facet_vision.service.engine.head_time import heads, measured


def test_what_heads_take_adds_up_in_its_own_thread_only() -> None:
    cpu = torch.device("cpu")
    with heads(cpu):
        pass  # nobody measures
    with measured() as time:
        for _ in range(2):
            with heads(cpu):
                sleep(0.01)
        other = threading.Thread(target=_head)
        other.start()
        other.join()
    assert 0.02 <= time.seconds < 0.35


def _head() -> None:
    with heads(torch.device("cpu")):
        sleep(0.4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_backbone_s_work_is_not_the_heads() -> None:
    device = torch.device("cuda")
    matrix = torch.randn(4096, 4096, device=device)
    with measured() as warm, heads(device):
        (matrix[:4] @ matrix).cpu()
    with measured() as time:
        for _ in range(100):  # still runs when the heads begin
            matrix = (matrix @ matrix).clamp(-1, 1)
        with heads(device):
            (matrix[:4] @ matrix).cpu()
    assert 0 < time.seconds < 0.02, (time.seconds, warm.seconds)
