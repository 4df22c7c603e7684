"""Settings: variables, flags, and what is refused."""

import pytest
import torch

from facet_vision.backbone import has_bfloat16
from facet_vision.backbone.execution import packed
from facet_vision.service.http.app import load_backbone
from facet_vision.service.settings import Settings, SettingsError, check_exposure, read_settings


def test_flags_win_over_variables_and_variables_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACET_PORT", "9000")
    monkeypatch.setenv("FACET_MAX_BATCH", "8")
    settings = read_settings({"port": 9001, "host": None})
    assert (settings.port, settings.max_batch, settings.host) == (9001, 8, "127.0.0.1")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": 70000}, ["port", "65535", "70000"]),
        ({"max_batch": 0}, ["max_batch", "0"]),
        ({"dtype": "int8"}, ["dtype", "int8", "float32"]),
        ({"colour": "red"}, ["colour", "red"]),
    ],
)
def test_a_bad_value_is_one_sentence(flags: dict[str, object], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(flags)
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["device_budget", "host_budget"])
def test_budgets_are_bytes_in_any_unit_and_by_default_as_the_machine_has(name: str) -> None:
    for text, expected in (
        ("0", 0),
        ("1500", 1500),
        ("2KB", 2000),
        ("20KiB", 20 * 1024),
        ("1.5 GiB", 3 * 2**29),
    ):
        assert (
            getattr(
                read_settings(environ={f"FACET_{name.upper()}": text}, flags={name: text}), name
            )
            == expected
        )
    assert getattr(Settings(), name) is None
    for bad in ("lots", "-1", "5 bananas"):
        with pytest.raises(SettingsError, match=name):
            read_settings({name: bad})


def test_an_unknown_variable_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="found FACET_PROT"):
        read_settings(environ={"FACET_PROT": "1"})


def test_variables_that_kubernetes_adds_for_a_service_are_none_of_ours() -> None:
    read_settings(
        environ={"FACET_SERVICE_HOST": "10.0.0.1", "FACET_PORT_8000_TCP": "tcp://10.0.0.1:8000"}
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "facet.example"])
def test_beyond_loopback_somebody_must_say_so(host: str) -> None:
    with pytest.raises(SettingsError, match="no keys are configured"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, trust_network=True))


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("execution", ["plain", "packed"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_precision_and_execution_are_those_of_the_settings(dtype: str, execution: str) -> None:
    if execution == "packed" and not packed.available(getattr(torch, dtype)):
        pytest.skip(f"oneDNN cannot pack {dtype} on this processor")
    net = load_backbone(read_settings({"device": "cpu", "dtype": dtype, "execution": execution}))
    assert (str(net.dtype), net.execution) == (f"torch.{dtype}", execution)


def test_precision_is_by_default_what_the_processor_multiplies_in() -> None:
    net = load_backbone(read_settings({"device": "cpu"}))
    assert net.dtype == (torch.bfloat16 if has_bfloat16(torch.device("cpu")) else torch.float32)
