"""docs/clients.md runs as it stands, but for the address and the task."""

import re
from pathlib import Path

import pytest

from tests.service.http.protocols.conftest import Live

ROOT = Path(__file__).parents[4]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "clients.md").read_text(), re.MULTILINE | re.DOTALL
)


SHOWN = {
    "tritonclient": r"\[b'\w+'\] \[\[(b'0\.\d+:\d:\w+'\s*)+\]\]\n",
    "openai": r"pets 2 32\n\['backbone', 'pets'\]\n",
    "huggingface_hub": r"(\w+ 0\.\d+\n){2}",
}


@pytest.mark.parametrize(("block", "module"), list(zip(BLOCKS, SHOWN, strict=True)), ids=SHOWN)
def test_a_block_of_the_page_runs(
    alone: Live,
    block: str,
    module: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip(module)
    monkeypatch.chdir(ROOT)
    here = block.replace("http://127.0.0.1:8000", alone.url)
    here = here.replace("127.0.0.1:8000", alone.url.removeprefix("http://"))
    here = (
        here.replace('infer("digits"', 'infer("pets"')
        .replace('model="digits"', 'model="pets"')
        .replace("/hf/digits", "/hf/pets")
    )
    names: dict[str, object] = {}
    exec(here, names)
    assert re.fullmatch(SHOWN[module], capsys.readouterr().out)
    if module == "openai":
        names["client"].close()  # type: ignore[attr-defined]
