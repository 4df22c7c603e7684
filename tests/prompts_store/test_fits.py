"""Which backbone a task belongs to: by fingerprints of today's version and of the first."""

from typing import Any

import pytest

from facet_vision import backbone
from facet_vision.prompts_store import InvalidManifest, TaskFile, WrongBackbone, builtin
from facet_vision.prompts_store.fits import trusted
from tests.prompts_store.task_examples import (
    OLD,
    Facts,
    identity,
    manifest,
    of_first_release,
    task_file,
)

FIRST_VERSION: dict[str, Any] = {"fingerprint": "ab" * 32, "identity": None}


@pytest.mark.parametrize(
    ("part", "option", "value", "sentence"),
    [
        ("architecture", "blocks.*.mlp.act", "quick_gelu", "expected 'quick_gelu' .*found 'gelu'"),
        ("architecture", "blocks.*.attn.num_heads", 3, "expected 3 .*found 2"),
        ("architecture", "fc_norm", "layer_norm", "expected 'layer_norm' .*found None"),
        ("preprocessing", "crop_pct", 1.0, "expected 1.0 .*found 0.9"),
        ("preprocessing", "mean", [0.5, 0.5, 0.5], r"expected \[0.5, .* found \[0.5, 0.4"),
    ],
)
def test_the_option_that_differs_is_named(
    part: str, option: str, value: object, sentence: str
) -> None:
    ours = identity()
    ours[part] = ours[part] | {option: value}
    facts = Facts(fingerprint=f"v2:{'34' * 32}", identity=ours)
    with pytest.raises(WrongBackbone) as caught:
        task_file().check_fits(facts)
    assert f"fingerprint ({part}, {option}) of task 'flowers': " in str(caught.value)
    assert caught.match(sentence)


def test_a_fingerprint_decides_where_no_option_differs() -> None:
    with pytest.raises(WrongBackbone, match=r"^fingerprint of task 'flowers': expected v2:34"):
        task_file().check_fits(Facts(fingerprint=f"v2:{'34' * 32}"))


def test_an_old_file_fits_by_what_it_says() -> None:
    old = task_file(**FIRST_VERSION)
    old.check_fits(Facts())
    assert "identity" not in old.manifest.to_json()
    assert "activations, heads, crop" in (trusted(old.manifest) or "")
    assert trusted(task_file().manifest) is None


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (Facts(identity=identity(weights="cd" * 32)), r"fingerprint \(weights\) .*'small'"),
        (Facts(mean=(0.5, 0.5, 0.5)), "normalisation mean"),
        (Facts(input_size=(3, 64, 64)), "input size"),
    ],
)
def test_an_old_file_is_refused_by_what_it_says(facts: Facts, sentence: str) -> None:
    with pytest.raises(WrongBackbone, match=f"^{sentence}"):
        task_file(**FIRST_VERSION).check_fits(facts)


def test_a_migrated_file_states_the_rest() -> None:
    old = task_file(**FIRST_VERSION)
    assert old.migrated(Facts()).to_bytes() == task_file().to_bytes()
    with pytest.raises(WrongBackbone, match="input size"):
        old.migrated(Facts(input_size=(3, 64, 64)))


def test_fingerprint_and_identity_come_together() -> None:
    for fields in ({"identity": None}, {"fingerprint": "ab" * 32}):
        with pytest.raises(ValueError, match="begins with 'v2:' and only then"):
            manifest(**fields)
    text = manifest().to_json().replace('"crop_pct":0.9', '"crop_pct":1e999')
    with pytest.raises(InvalidManifest, match=r"identity.preprocessing.*finite"):
        type(manifest()).from_json(text)


def test_a_task_of_the_first_release_is_still_read() -> None:
    old, tiny = TaskFile.load(OLD), backbone.load("facet-tiny", device="cpu")
    assert old.to_bytes() == OLD.read_bytes()
    with pytest.raises(WrongBackbone, match=r"fingerprint \(weights\) of task 'digits'"):
        old.check_fits(tiny)  # the embedded weights have been trained again since
    bound = of_first_release(tiny)
    bound.check_fits(tiny)
    new = bound.migrated(tiny)
    new.check_fits(tiny)
    assert new.manifest.fingerprint == tiny.fingerprint
    assert new.manifest.identity is not None
    assert new.manifest.identity.model_dump() == tiny.identity
    assert {name: tensor.shape for name, tensor in new.tensors().items()} == {
        name: tensor.shape for name, tensor in old.tensors().items()
    }


def test_builtin_tasks_state_their_whole_backbone() -> None:
    tiny = backbone.load("facet-tiny", device="cpu")
    for name in builtin.names():
        file = TaskFile.from_bytes(builtin.read(name))
        file.check_fits(tiny)
        assert file.manifest.fingerprint == tiny.fingerprint
        assert file.manifest.identity is not None
        assert file.manifest.identity.model_dump() == tiny.identity
