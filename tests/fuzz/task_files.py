"""Mutated task files: sound ones of a few kinds, changed as a seed says, the same at every run."""

import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from tests.prompts_store.hostile import assemble, take_apart

Kind = Callable[[Random, bytes, bytes], bytes]

_DIGITS, _NESTED, _INFINITE, _SURROGATE = "<digits>", "<nested>", "<infinite>", "<surrogate>"
_TEXTS = {
    _DIGITS: "9" * 5000,
    _NESTED: "[" * 3000 + "]" * 3000,
    _INFINITE: "1e999",
    _SURROGATE: r'"\ud800"',
}
"""JSON that Python does not write, by what stands for it until the document is text."""

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1e308, 5e-324),
    *(2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64, 10**30, 10**400),
    *(float("nan"), float("inf"), _DIGITS, _NESTED, _INFINITE, _SURROGATE),
    *("", "x" * 10_000, "\0", "a\nb", "../../etc/passwd", "é" * 300, "\U0001f600", "1", "nan"),
    *([], {}, [[]], [0], [-1, 2**63], [1] * 2000, {"a": {"b": {}}}, {"": 0}, {"__proto__": 1}),
)
_DTYPES = ("F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "F4", "f32", "", "F32 ")
_NOT_FINITE = (
    struct.pack("<f", float("nan")),
    struct.pack("<f", float("inf")),
    struct.pack("<f", float("-inf")),
    struct.pack("<I", 0x7F800001),  # a signalling NaN
    struct.pack("<e", float("inf")),
    b"\xff" * 8,
)
_MAGIC = (b"PK\x03\x04", b"\x80\x04\x95", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GGUF", b"\x93NUMPY")


def mutated(sound: list[bytes], seed: int) -> tuple[str, bytes]:
    """A file that a seed makes of one of the sound ones, and the name of what was done to it."""
    random = Random(seed)
    kind = KINDS[seed % len(KINDS)]
    data, other = random.choice(sound), random.choice(sound)
    return kind.__name__, kind(random, data, other)


def header_value(random: Random, data: bytes, _: bytes) -> bytes:
    """A value in the header, at any depth, is another."""
    header, payload = take_apart(data)
    return assemble(_text(_replaced(random, header)), payload)


def manifest_value(random: Random, data: bytes, _: bytes) -> bytes:
    """A value in the manifest, at any depth, is another."""
    return _with_manifest(data, lambda text: _text(_replaced(random, json.loads(text))).decode())


def manifest_key(random: Random, data: bytes, _: bytes) -> bytes:
    """A field of the manifest is gone, doubled or called otherwise."""

    def change(text: str) -> str:
        fields = json.loads(text)
        name = random.choice(sorted(fields))
        value = json.dumps(fields[name])
        if random.random() < 0.4:
            return f'{text[:-1]}, "{name}": {value}}}'
        del fields[name]
        if random.random() < 0.5:
            fields[random.choice(("", "\0", name.upper(), name + " ", "x" * 500))] = 0
        return json.dumps(fields)

    return _with_manifest(data, change)


def header_key(random: Random, data: bytes, _: bytes) -> bytes:
    """A tensor is gone, doubled, or called otherwise."""
    header, payload = take_apart(data)
    name = random.choice(sorted(header))
    if random.random() < 0.4:
        text = json.dumps(header)
        return assemble(f"{text[:-1]}, {json.dumps(name)}: {json.dumps(header[name])}}}", payload)
    entry = header.pop(name)
    if random.random() < 0.7:
        header[random.choice(("", "head.9.weight", "prompts.-1", "__metadata__", "a" * 999))] = (
            entry
        )
    return assemble(header, payload)


def tensor_entry(random: Random, data: bytes, _: bytes) -> bytes:
    """A tensor has another dtype, shape or place."""
    header, payload = take_apart(data)
    entry = header[random.choice([name for name in sorted(header) if name != "__metadata__"])]
    field = random.choice(("dtype", "shape", "data_offsets"))
    if field == "dtype":
        entry[field] = random.choice(_DTYPES)
    else:
        numbers = entry[field] or [0]
        place = random.randrange(len(numbers))
        numbers[place] += random.choice((1, -1, 4, -4, 2**31, 2**62, 2**63, -(2**40), 10**300))
        random.shuffle(numbers)
        entry[field] = numbers * random.choice((1, 1, 1, 2, 500))
    return assemble(header, payload)


def header_length(random: Random, data: bytes, _: bytes) -> bytes:
    """The number that says how long the header is says something else."""
    length = int.from_bytes(data[:8], "little")
    wrong = (0, 1, length - 1, length + 1, length + 8, len(data), len(data) - 8, 2**20, 2**32)
    chosen = random.choice((*wrong, 2**63 - 1, 2**63, 2**64 - 1, random.randrange(2**64)))
    return chosen.to_bytes(8, "little") + data[8:]


def header_text(random: Random, data: bytes, _: bytes) -> bytes:
    """A number in the header's text is another text, or spaces follow."""
    header, payload = take_apart(data)
    text = json.dumps(header)
    places = [place for place, letter in enumerate(text) if letter.isdigit()]
    place = random.choice(places)
    numbers = ("9" * 4999, "-0", "1e5", "1e999", "NaN", "-Infinity", "0x1", "01", "+1", "1_0", "٣")
    put = random.choice((*numbers, " " * 2**20, "[" * 5000, "{", "\t\n", "\\", '"', "\x00"))
    return assemble((text[:place] + put + text[place + 1 :]).encode(), payload)


def truncated(random: Random, data: bytes, _: bytes) -> bytes:
    """The end is missing, or there is more after it."""
    if random.random() < 0.3:
        return data + random.randbytes(random.choice((1, 8, 4096)))
    return data[: max(1, random.randrange(len(data)))]


def flipped(random: Random, data: bytes, _: bytes) -> bytes:
    """A few bits anywhere are turned over."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16, 64))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def spliced(random: Random, data: bytes, other: bytes) -> bytes:
    """A piece of one file stands in another."""
    begin, end = sorted(random.sample(range(len(other)), 2))
    place = random.randrange(len(data))
    skip = random.choice((0, end - begin))
    return data[:place] + other[begin:end] + data[place + skip :]


def not_finite(random: Random, data: bytes, _: bytes) -> bytes:
    """Values of the tensors are NaN, infinite or as large as can be."""
    header, payload = take_apart(data)
    changed = bytearray(payload)
    for _ in range(random.choice((1, 1, 3, 50))):
        value = random.choice(_NOT_FINITE)
        place = random.randrange(0, len(changed), 2)
        changed[place : place + len(value)] = value
    return assemble(header, bytes(changed[: len(payload)]))


def foreign(random: Random, data: bytes, _: bytes) -> bytes:
    """Something else: another format's first bytes, nothing but noise, or one byte many times."""
    noise = random.randbytes(random.choice((1, 7, 8, 9, 64, 5000)))
    return random.choice((random.choice(_MAGIC) + data, noise, noise[:1] * 10_000, data[8:]))


KINDS: tuple[Kind, ...] = (
    *(header_value, manifest_value, manifest_key, header_key, tensor_entry, header_length),
    *(header_text, truncated, flipped, spliced, not_finite, foreign),
)


def _with_manifest(data: bytes, change: Callable[[str], str]) -> bytes:
    header, payload = take_apart(data)
    header["__metadata__"]["facet"] = change(header["__metadata__"]["facet"])
    return assemble(header, payload)


def _replaced(random: Random, document: Any) -> Any:
    """The document with another value at one place, chosen among all of its places."""
    places = list(_places(document))
    holder, key = random.choice(places)
    holder[key] = random.choice(_VALUES)
    return document


def _places(value: Any) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _text(document: Any) -> bytes:
    text = json.dumps(document)
    for name, put in _TEXTS.items():
        text = text.replace(json.dumps(name), put)
    return text.encode()
