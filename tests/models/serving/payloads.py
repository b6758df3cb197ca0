"""Bodies that clients send to a scoring server, right ones and wrong ones, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Payload", "payloads"]

JSON = "application/json"


class Payload(NamedTuple):
    body: bytes
    kind: str = JSON


NUMBERS = [
    0,
    1,
    -1,
    2.5,
    1e25,
    10**25,
    2**53 + 1,
    2**63,
    -(2**63),
    1e308,
    float("nan"),
    float("inf"),
    -0.0,
    1e-320,
]
OTHERS = [
    None,
    True,
    False,
    "",
    "a",
    "1",
    "1.5",
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    [1, 2],
    [],
    {"a": 1},
    "é\u2028",
]
FIXED = [
    Payload(b""), Payload(b"{"), Payload(b"[]"), Payload(b"7"), Payload(b"null"), Payload(b"{}"), Payload(b"\xff\xfe"),
    Payload(b'{"dataframe_split": 1}'), Payload(b'{"dataframe_records": {}}'), Payload(b'{"dataframe_split": {}}'),
    Payload(b'{"instances": [1], "inputs": [1]}'), Payload(b'{"columns": ["c0"], "data": [[1]]}'),
    Payload(b'{"dataframe_split": {"columns": ["c0"], "data": [[1]], "more": 1}}'),
    Payload(b'{"messages": [{"role": "user", "content": "x"}]}'), Payload(b'{"prompt": "x"}'), Payload(b'{"input": "x"}'),
    Payload(b"c0,c1,c2\n1,2,3\n", "text/csv"), Payload(b"c0,c1,c2\n1,2\n", "text/csv"), Payload(b"", "text/csv"),
    Payload(b"c0,c0,c2\n1,2,3\n", "text/csv"), Payload(b"\xff", "text/csv"), Payload(b"c0,c1,c2\na,b,c\n", "text/csv"),
    Payload(b"no", "application/vnd.apache.parquet"), Payload(b"{}", "application/xml"), Payload(b"{}", "text/plain"),
    Payload(b"{}", "application/json; charset=latin-1"), Payload(b"{}", "application/json; charset=utf-8"),
    Payload(b"{}", "application/json; format=pandas-split"), Payload(b"{}", "application/json; a=b; charset=UTF-8"),
    Payload('{"dataframe_split": {"columns": ["c0"], "data": [["ü"]]}}'.encode("latin-1")),
]  # fmt: skip


def payloads(seed: int, count: int, names: list[str]) -> Iterator[Payload]:
    """The fixed ones, then as many that are made at random of a table with columns of these names."""
    yield from FIXED
    chance = random.Random(seed)
    for _ in range(count):
        yield Payload(json.dumps(_asked(chance, names)).encode())


def _asked(chance: random.Random, names: list[str]) -> dict[str, Any]:
    values = NUMBERS[: chance.choice([3, 4, len(NUMBERS)])] + (OTHERS if chance.random() < 0.3 else [])
    columns = list(names)
    if chance.random() < 0.2:
        chance.shuffle(columns)
    if chance.random() < 0.1:
        columns = columns[:-1]
    if chance.random() < 0.1:
        columns = [*columns, chance.choice(["more", names[0]])]
    rows = [[chance.choice(values) for _ in columns] for _ in range(chance.choice([0, 1, 1, 2, 3, 20]))]
    if rows and chance.random() < 0.1:
        rows[-1] = rows[-1][:-1]
    records = [dict(zip(columns, row, strict=False)) for row in rows]
    form = chance.randrange(6)
    found: dict[str, Any]
    if form == 0:
        found = {"dataframe_records": records}
    elif form == 1:
        found = {"instances": chance.choice([rows, records])}
    elif form == 2:
        by_name = {
            name: [row[at] if at < len(row) else None for row in rows] for at, name in enumerate(columns)
        }
        found = {"inputs": chance.choice([rows, by_name, records])}
    else:
        found = {"dataframe_split": {"columns": columns, "data": rows}}
        if chance.random() < 0.1:
            found["dataframe_split"]["index"] = list(range(5, 5 + len(rows)))
        if chance.random() < 0.05:
            del found["dataframe_split"]["columns"]
    if chance.random() < 0.1:
        found["params"] = chance.choice([{}, {"t": 1}, {"t": "x"}, None])
    return found
