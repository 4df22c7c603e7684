"""Served methods: initial values, training, and written tensors."""

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import METHODS
from facet_vision.training.methods.components.vpt import prompt_bound
from facet_vision.training.methods.method import Method
from facet_vision.training.recipe import Recipe, make_recipe

every_method = pytest.mark.parametrize("name", ["linear", "vpt-shallow", "vpt-deep"])


def _recipe(name: str, **given: object) -> Recipe:
    return make_recipe({"data": "x", "task": "x", "method": name} | given, METHODS[name].defaults)


def _method(name: str, tiny: Backbone, seed: int = 0, **given: object) -> Method:
    return METHODS[name](tiny, 3, _recipe(name, **given), torch.Generator().manual_seed(seed))


@every_method
def test_every_parameter_is_trained(name: str, tiny: Backbone, shades: TaskData) -> None:
    method = _method(name, tiny)
    batch = next(method.prepare(prepare(shades.train, tiny.preprocess)).batches([torch.arange(6)]))
    logits = method(batch)
    assert logits.shape == (6, 3)
    logits.square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.any() for parameter in method.parameters()
    )


@every_method
def test_backbone_stays_frozen(name: str, tiny: Backbone, shades: TaskData) -> None:
    method = _method(name, tiny)
    batch = next(method.prepare(prepare(shades.train, tiny.preprocess)).batches([torch.arange(6)]))
    method(batch).sum().backward()
    assert all(parameter.grad is None for parameter in tiny.model.parameters())
    assert not tiny.model.training


@every_method
def test_initial_values_come_from_the_generator_alone(name: str, tiny: Backbone) -> None:
    first, same, other = (_method(name, tiny, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_method
def test_written_tensors_are_copies(name: str, tiny: Backbone) -> None:
    method = _method(name, tiny)
    before = (*method.written_prompts(), *method.written_head().layers[0])
    copies = [tensor.clone() for tensor in before]
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(1)
    assert all(torch.equal(old, copy) for old, copy in zip(before, copies, strict=True))


@every_method
def test_defaults_make_a_recipe(name: str) -> None:
    assert _recipe(name).method == METHODS[name].name == name


def test_head_starts_as_in_the_paper(tiny: Backbone) -> None:
    method = METHODS["linear"](tiny, 400, _recipe("linear"), torch.Generator().manual_seed(0))
    assert method.head.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.03)
    assert not method.head.bias.any()


@pytest.mark.parametrize(("name", "layers"), [("linear", 0), ("vpt-shallow", 1), ("vpt-deep", 2)])
def test_number_of_prompts(name: str, layers: int, tiny: Backbone) -> None:
    prompts = _method(name, tiny, tokens=5).written_prompts()
    assert [tuple(prompt.shape) for prompt in prompts] == [(5, 32)] * layers


def test_prompts_start_uniform_within_the_patch_embedding_bound(tiny: Backbone) -> None:
    bound = (6 / (3 * 8 * 8 + 32)) ** 0.5
    assert prompt_bound(tiny) == pytest.approx(bound)
    values = torch.cat(_method("vpt-deep", tiny, tokens=100).written_prompts())
    assert values.abs().max() <= bound
    assert values.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_prompts_need_tokens(tiny: Backbone) -> None:
    with pytest.raises(TrainingError, match=r"^tokens: expected at least 1 for vpt-deep, found 0$"):
        _method("vpt-deep", tiny, tokens=0)


def test_linear_standardises_the_features_of_the_bare_backbone(
    tiny: Backbone, shades: TaskData
) -> None:
    images = prepare(shades.train, tiny.preprocess)
    method, rows = _method("linear", tiny), [torch.arange(30)]
    inputs = next(method.prepare(images).batches(rows))
    read = method.standardise(inputs)
    torch.testing.assert_close(read.mean(dim=0), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(read.std(dim=0), torch.ones(32), atol=1e-3, rtol=0)
    features = tiny.features(next(images.batches(rows)))
    torch.testing.assert_close(
        method.written_head()(features), method(inputs), atol=1e-3, rtol=1e-4
    )


def test_bfloat16_stays_close_to_float32_and_leaves_parameters_alone(
    tiny: Backbone, shades: TaskData
) -> None:
    batch = next(prepare(shades.train, tiny.preprocess).batches([torch.arange(6)]))
    exact, fast = (
        _method("vpt-deep", tiny, precision=precision) for precision in ("float32", "bfloat16")
    )
    expected, found = exact(batch), fast(batch)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05 * expected.abs().max()
    found.sum().backward()
    gradients = [each.grad for each in fast.parameters() if each.grad is not None]
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
