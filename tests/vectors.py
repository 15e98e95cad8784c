"""Checks docs/vectors/ with a MessagePack library that is not the server's: `pip install msgpack`, then `python3 tests/vectors.py`.

Of every message the bytes must be those of its JSON form, and the library must write the same. The server's own tests hold the
same files against its codec and against docs/PROTOCOL.md.
"""

import json
from pathlib import Path

import msgpack

VECTORS = Path(__file__).parent.parent / "docs" / "vectors"

FILES = ("version_1.json", "version_2.json")


def read(vector):
    """The objects of a message, text as text however it is encoded."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(bytes.fromhex(vector["hex"]))
    objects = list(unpacker)
    if vector["framing"] == "array":
        (objects,) = objects
    return [text.decode() if isinstance(text, bytes) else text for text in objects]


def write(vector):
    if vector["framing"] == "array":
        return msgpack.packb(vector["message"])
    return b"".join(map(msgpack.packb, vector["message"]))


def check(path):
    vectors = json.loads(path.read_text(encoding="utf-8"))
    names = set()
    for kind, of_kind in vectors.items():
        for vector in of_kind:
            what = f"{path.name}: {kind}: {vector['name']}, {vector['framing']}"
            assert (kind, vector["name"], vector["framing"]) not in names, f"{what}: is there twice"
            names.add((kind, vector["name"], vector["framing"]))
            assert bytes.fromhex(vector["hex"]).hex() == vector["hex"], f"{what}: no plain hexadecimal"
            # What is refused need not be MessagePack.
            if kind != "refused":
                assert read(vector) == vector["message"], f"{what}: the bytes say {read(vector)}"
            # What is accepted is written otherwise.
            if kind not in ("refused", "accepted"):
                assert write(vector).hex() == vector["hex"], f"{what}: written as {write(vector).hex()}"
    print(f"{path.name}: {len(names)} vectors")


for file in FILES:
    check(VECTORS / file)
