"""Short runs of the pretraining loop, with the real parts in small sizes."""

import json
from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import load_file

from facet_vision.training.fitting.state_file import load_state, save_state
from facet_vision.training.pretrain.config import PretrainConfig
from facet_vision.training.pretrain.images import seeded
from facet_vision.training.pretrain.loop import Worker, run
from facet_vision.training.pretrain.model import Pretraining, draw_visible
from facet_vision.training.pretrain.optimizers import schedule
from facet_vision.training.pretrain.pool import ensure_pool
from facet_vision.training.pretrain.progress import NoProgress


@pytest.fixture
def config(tmp_path):
    return PretrainConfig(
        folder=tmp_path / "run",
        steps=4,
        batch=4,
        workers=1,
        model=(("embed_dim", 32), ("depth", 2), ("num_heads", 2)),
        pool=20,
        classes_per_kind=2,
        variants=2,
        patch_drop_until=0.5,
        save_every=2,
        probe_every=0,
        log_every=2,
    )


class Stopped(Exception):
    pass


class StopsAfter(NoProgress):
    """Interrupts the run that reports to it, as a kill would."""

    def __init__(self, steps):
        self.left = steps

    def advance(self, amount):
        self.left -= amount
        if not self.left:
            raise Stopped


def _entries(config):
    return [json.loads(line) for line in (config.folder / "log.jsonl").read_text().splitlines()]


def test_resumed_run_ends_with_the_same_weights(config, tmp_path):
    whole = run(config, show_progress=False)
    broken = replace(config, folder=tmp_path / "broken")
    broken.folder.mkdir()
    pool = ensure_pool(broken, 0, lambda: None, StopsAfter(10**6).advance)
    with pytest.raises(Stopped):
        Worker(0, broken, pool).train(StopsAfter(3))
    assert load_state(broken.folder / "state.pt")["step"] == 2
    resumed = run(broken, show_progress=False)
    first, second = load_file(whole), load_file(resumed)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_export_loads_into_timm_strictly(config):
    weights = load_file(run(replace(config, steps=2), show_progress=False))
    model = timm.create_model("facet_tiny", num_classes=0, **dict(config.model))
    model.load_state_dict(weights, strict=True)
    assert {value.dtype for value in weights.values()} == {torch.float16, torch.int64}


def test_log_holds_losses_speed_and_probes(config):
    run(replace(config, steps=2, probe_every=2), show_progress=False)
    step, probe = _entries(config)
    assert step["step"] == 2
    losses = {"shape", "surface", "background", "dense", "total"}
    assert losses | {"accuracy", "images_per_second"} <= step.keys()
    assert probe["probes"].keys() == {"digits", "unseen_shapes"}


def test_folder_of_another_run_is_refused(config):
    run(replace(config, steps=2), show_progress=False)
    with pytest.raises(ValueError, match="expects the settings"):
        run(replace(config, rate=1.0), show_progress=False)


def test_a_sibling_is_exported_under_its_name(config):
    config = replace(config, steps=2, architecture="facet-nano", model=(("depth", 1),))
    weights = run(config, show_progress=False)
    assert weights.name == "facet_nano.safetensors"
    assert load_file(weights)["cls_token"].shape == (1, 1, 96)
    with pytest.raises(ValueError, match=r"expects the settings .*'facet-nano'"):
        run(replace(config, architecture="facet-small"), show_progress=False)


def test_a_run_from_before_there_were_siblings_is_resumed(config):
    run(replace(config, steps=2), show_progress=False)
    path = config.folder / "state.pt"
    state = load_state(path)
    assert state["settings"].pop("architecture") == "facet-tiny"
    save_state(path, state)
    run(config, show_progress=False)
    assert load_state(path)["step"] == 4


def test_two_workers_finish_together(config):
    weights = run(replace(config, steps=2, workers=2, batch=2), show_progress=False)
    assert all(value.isfinite().all() for value in load_file(weights).values())


def test_tokens_equal_those_of_timm(config):
    model = Pretraining(config).eval()
    images = torch.randn(2, 3, 48, 48, generator=seeded(7))
    torch.testing.assert_close(
        model.tokens(images), model.vit.forward_features(images), atol=1e-5, rtol=1e-5
    )


def test_dense_targets_lie_under_their_patches(config):
    model = Pretraining(config)
    foreground = torch.zeros(1, 24, 24)
    foreground[0, 4:8, 8:12] = 1.0  # patch in row 1, column 2
    cells = model._cells(foreground, None)
    assert cells.shape == (1, 36, 16)
    assert cells[0, 1 * 6 + 2].eq(1).all()
    assert cells.sum() == 16


def test_visible_patches_are_distinct():
    visible = draw_visible(3, 36, 0.5, seeded(8))
    assert visible.shape == (3, 18)
    assert all(len(set(row.tolist())) == 18 for row in visible)
    assert draw_visible(3, 36, 1.0, seeded(8)) is None


def test_schedule_warms_up_and_falls(config):
    config = replace(config, steps=100, warmup=0.1)
    shares = [schedule(step, config) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == pytest.approx(1.0)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] < 0.02
