"""Text that UTF-8 cannot encode, in every field of every endpoint: an answer that can be decoded, and none of ours at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from runner.protocol.fields import EnumKind
from runner.protocol.route import Route
from runner.protocol.table import endpoints
from tests.helpers import some
from tests.servers import World

SURROGATES = [chr(code) for code in range(0xD800, 0xE000)]
PIECES = ["a" + "-".join(SURROGATES[first : first + 128]) for first in range(0, 2048, 128)]
LONE = re.compile("[\ud800-\udfff]")
BYTES = ("%FF", "%ED%A0%80", "%C0%AF", "%F8%88%80%80%80", "%80%00", "a%FE%FFb")


def filled(kind: Any, name: str, text: str, world: World) -> Any:
    """A value of this kind with `text` wherever a text may be."""
    if name in ("run_id", "run_uuid", "source_run_id"):
        return world.run_id
    if name in ("experiment_id", "experiment_ids"):
        return "0" if kind == "string" else ["0"]
    if kind == "string":
        return text
    if isinstance(kind, EnumKind):
        return kind.names[0]
    if isinstance(kind, list):
        return [filled(kind[0], "", text, world)]
    if isinstance(kind, dict):
        return {key: filled(of, key, text, world) for key, of in kind.items()}
    return {"bool": True, "double": 1.5}.get(kind, 1)


def shorter(text: str) -> Iterator[str]:
    yield text
    yield text[:9]  # where a key or a name is not so long


@pytest.mark.parametrize(
    "endpoint", some(endpoints(), 24), ids=lambda each: f"{each[1].method} {each[1].path}"
)
def test_surrogates_in_every_field(world: World, endpoint: tuple[str, Route]) -> None:
    path, route = endpoint
    client = world.client
    if "{model_id}" in path:
        model = client.ok("logged-models", {"experiment_id": "0", "tags": [{"key": "k", "value": "v"}]})
        path = path.replace("{model_id}", model["model"]["info"]["model_id"])
    for number, piece in enumerate(PIECES):
        for text in shorter(piece):
            here = path.replace("{tag_key}", f"a{quote(text[:9], errors='surrogatepass')}")
            here = here.replace("{path*}", f"0/{world.run_id}/artifacts/{BYTES[number % len(BYTES)]}")
            body = {name: filled(kind, name, text, world) for name, kind in route.message.items()}
            if route.method == "GET":
                raw = "&".join(
                    f"{key}={quote(str(value), errors='surrogatepass')}" for key, value in body.items()
                )
                also = "&".join(f"{key}={BYTES[number % len(BYTES)]}" for key in body)
                answers = [client.call("GET", f"{here}?{raw}"), client.call("GET", f"{here}?{also}")]
            else:
                answers = [
                    client.call(
                        route.method, here, json.dumps(body).encode(), {"Content-Type": "application/json"}
                    )
                ]
            for answer in answers:
                assert answer.status < 500, (body, answer)
                found = answer.body.decode()
                assert not LONE.search(json.dumps(json.loads(found), ensure_ascii=False)), (body, answer)
    assert client.post("runs/search", {"experiment_ids": ["0"], "run_view_type": "ALL"}).status == 200
    for run in world.store.search(view="all").runs:
        repr(run).encode()
    assert world.store.problems() == []
