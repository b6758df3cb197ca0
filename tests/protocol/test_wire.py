"""Raw bytes against the endpoint: what is not plainly HTTP is refused, and nothing of it is done."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import time
from typing import NamedTuple

import pytest

from runner.protocol.wire import Joined
from runner.tracking import experiments
from tests.helpers import examples
from tests.servers import World

CREATE = b"/api/2.0/mlflow/experiments/create"
GREETING = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def names(world: World) -> set[str]:
    return {each.name for each in experiments.listing(world.store.root)} - {"Default"}


def request(world: World, name: str, *fields: bytes, body: bytes = b"", start: bytes = b"") -> bytes:
    """A request that makes an experiment. `fields` without their line ends; Host and length unless they tell them."""
    body = body or json.dumps({"name": name}).encode()
    lines = [
        start or b"POST " + CREATE + b" HTTP/1.1",
        b"Authorization: Bearer " + world.endpoint.token.encode(),
    ]
    lines += [b"Content-Type: application/json", *fields]
    told = b"\n".join(fields).lower()
    if b"host" not in told:
        lines.append(b"Host: localhost")
    if b"transfer-encoding" not in told and b"content-length" not in told:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(name: str, line: bytes = b"%x", end: bytes = b"0\r\n\r\n") -> bytes:
    data = json.dumps({"name": name}).encode()
    return (line % len(data) if b"%" in line else line) + b"\r\n" + data + b"\r\n" + end


def converse(world: World, data: bytes, half_close: bool = False, cut: int = 0) -> bytes:
    """All that the server answers until it closes. TimeoutError when it does not."""
    with socket.create_connection(("127.0.0.1", world.endpoint.port), timeout=5) as link:
        found = b""
        try:
            if cut:
                link.sendall(data[:cut])
                time.sleep(0.002)
            link.sendall(data[cut:])
            if half_close:
                link.shutdown(socket.SHUT_WR)
            while piece := link.recv(65536):
                found += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # reset: it was closed while we still sent
        return found


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)]


TE = b"Transfer-Encoding:"
PLAIN = TE + b" chunked"
# what is wrong -> (fields, body), of a request that would make the experiment "one"; the body may hide another
WRONG: dict[str, tuple[tuple[bytes, ...], bytes]] = {
    "vertical tab before chunked": ((TE + b"\x0bchunked",), chunked("one")),
    "no-break space before chunked": ((TE + b"\xa0chunked",), chunked("one")),
    "next line before chunked": ((TE + b"\x85chunked",), chunked("one")),
    "form feed after chunked": ((TE + b" chunked\x0c",), chunked("one")),
    "hexadecimal prefix of a chunk": ((PLAIN,), chunked("one", b"0x%x")),
    "sign of a chunk": ((PLAIN,), chunked("one", b"+%x")),
    "space before a chunk": ((PLAIN,), chunked("one", b" %x")),
    "underscore in a chunk": ((PLAIN,), chunked("one", b"0_%x")),
    "space after a chunk": ((PLAIN,), chunked("one", b"%x ")),
    "control character in an extension": ((PLAIN,), chunked("one", b"%x;a\x01")),
    "line feed in an extension": ((PLAIN,), chunked("one", b"%x;a\nb")),
    "no size of a chunk": ((PLAIN,), chunked("one", b";a")),
    "chunk of 2^68": ((PLAIN,), chunked("one", b"f" * 17)),
    "line feed alone after a chunk": ((PLAIN,), b'e\n{"name":"one"}\n0\n\n'),
    "more data than the chunk says": ((PLAIN,), b'd\r\n{"name":"one"}\r\n0\r\n\r\n'),
    "field in a trailer without name": ((PLAIN,), chunked("one", end=b"0\r\n: b\r\n\r\n")),
    "length in a trailer": ((PLAIN,), chunked("one", end=b"0\r\nContent-Length: 3\r\n\r\n")),
    "endless trailers": ((PLAIN,), chunked("one", end=b"0\r\n" + b"A: b\r\n" * 20_000)),
    "endless field in a trailer": ((PLAIN,), chunked("one", end=b"0\r\nA: " + b"b" * 100_000)),
    "endless extension": ((PLAIN,), chunked("one", b"%x;" + b"a" * 100_000)),
    "endless size": ((PLAIN,), chunked("one", b"0" * 100_000 + b"%x")),
    "another coding": ((TE + b" gzip, chunked",), chunked("one")),
    "coding that ends in chunked": ((TE + b" xchunked",), chunked("one")),
    "quoted coding": ((TE + b' "chunked"',), chunked("one")),
    "coding with a comma": ((TE + b" ,chunked",), chunked("one")),
    "chunked twice": ((PLAIN, PLAIN), chunked("one")),
    "identity": ((TE + b" identity",), chunked("one")),
    "empty coding": ((TE,), chunked("one")),
    "folded coding": ((TE + b"\r\n chunked",), chunked("one")),
    "length and coding": ((PLAIN, b"Content-Length: 14"), chunked("one")),
    "coding and length": ((b"Content-Length: 14", PLAIN), chunked("one")),
    "two lengths": ((b"Content-Length: 14", b"Content-Length: 14"), b""),
    "list of lengths": ((b"Content-Length: 14, 14",), b""),
    "sign of a length": ((b"Content-Length: +14",), b""),
    "hexadecimal length": ((b"Content-Length: 0xe",), b""),
    "space in a length": ((b"Content-Length: 1 4",), b""),
    "length of 2^64": ((b"Content-Length: 18446744073709551630",), b""),
    "bare CR in a field": ((b"X: a\rb",), b""),
    "bare CR between fields": ((b"X: a\rTransfer-Encoding: chunked",), b""),
    "bare LF between fields": ((b"X: a\nY: b",), b""),
    "NUL in a field": ((b"X: a\0b",), b""),
    "space before the colon": ((b"X : a",), b""),
    "no-break space in a name": ((b"X\xa0: a",), b""),
    "no colon": ((b"X",), b""),
    "no name": ((b": a",), b""),
    "folded field": ((b"X: a\r\n b",), b""),
    "empty Host": ((b"Host:",), b""),
    "two Hosts": ((b"Host: localhost", b"Host: localhost"), b""),
    "space in Host": ((b"Host: local host",), b""),
    "two tokens": ((b"Authorization: Bearer x",), b""),
}
STARTS = [
    b"POST %s HTTP/1.1\r", b"POST %s HTTP/1.1\n", b"POST %s HTTP/1.1 ", b"POST %s HTTP/1.2", b"POST %s HTTP/2.0",
    b"POST %s HTTP/0.9", b"POST %s http/1.1", b"POST %s HTTP/1.1, 1.1", b"POST %s HTTPS/1.1", b"POST %s RTSP/1.0",
    b"POST %s", b"post %s HTTP/1.1", b"POST\t%s\tHTTP/1.1", b"POST\xa0%s HTTP/1.1", b" POST %s HTTP/1.1",
    b"POST %s x HTTP/1.1", b"POST  %s HTTP/1.1", b"POST %s  HTTP/1.1", b"POST %s#x HTTP/1.1", b"CONNECT %s HTTP/1.1", b"BREW %s HTTP/1.1", b"POST x%s HTTP/1.1",
    *(b"POST %s?" + bytes([each]) + b" HTTP/1.1" for each in (*range(1, 32), 127, 128, 133, 160, 255)),
]  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_malformed_fields_and_bodies(world: World, what: str) -> None:
    fields, body = WRONG[what]
    check_refused(world, request(world, "one", *fields, body=body))


@pytest.mark.parametrize("start", STARTS, ids=repr)
def test_malformed_first_lines(world: World, start: bytes) -> None:
    check_refused(world, request(world, "one", start=start.replace(b"%s", CREATE)))


def test_no_host(world: World) -> None:
    check_refused(world, request(world, "one").replace(b"Host: localhost\r\n", b""))


def test_chunks_in_http_1_0(world: World) -> None:
    start = b"POST " + CREATE + b" HTTP/1.0"
    check_refused(world, request(world, "one", PLAIN, body=chunked("one"), start=start))


def check_refused(world: World, data: bytes) -> None:
    """Also in pieces, and whatever comes after it."""
    for tail in (b"", request(world, "two")):
        answer = converse(world, data + tail)
        assert statuses(answer) in ([400], [431]), answer
        assert b"\r\nconnection: close\r\n" in answer.lower()
        assert b'"error_code"' in answer
    assert names(world) == set()
    fine = converse(world, request(world, "fine") + data)  # what was right before it is done, and told first
    assert statuses(fine) in ([200, 400], [200, 431]), fine
    assert names(world) == {"fine"}
    assert world.client.call("GET", "/health").status == 200


def test_a_body_behind_an_upgrade_is_a_body(world: World) -> None:
    """Java's own client asks for h2c with each first request. What it sends must not be taken for another request."""
    inner = request(world, "smuggled")
    fields = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAB")
    outer = request(world, "", *fields, body=json.dumps({"name": "java", "x": inner.decode()}).encode())
    head, _, body = outer.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", world.endpoint.port), timeout=5) as link:
        for piece in (head + b"\r\n\r\n", body[:30], inner[:0], body[30:], GREETING):
            link.sendall(piece)
        assert statuses(link.makefile("rb").read()) == [200, 200]
    assert names(world) == {"java"}
    data = request(world, "", *fields, PLAIN, body=chunked("chunked")) + GREETING
    assert statuses(converse(world, data)) == [200, 200]
    assert names(world) == {"java", "chunked"}


@pytest.mark.parametrize("kind", [b"websocket", b"h2c", b"x"])
def test_an_upgrade_of_a_connection_that_is_to_end(world: World, kind: bytes) -> None:
    """The parser takes nothing more after such a head: the client would wait for its answer without end."""
    fields = (b"Connection: Upgrade, close", b"Upgrade: " + kind)
    assert statuses(converse(world, request(world, "one", *fields))) == [200]
    assert statuses(converse(world, request(world, "two", b"Connection: close", *fields) + GREETING)) == [200]
    assert names(world) == {"one", "two"}


def test_fields_of_a_trailer_change_nothing(world: World) -> None:
    data = request(
        world, "", PLAIN, body=chunked("one", end=b"0\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n")
    )
    assert statuses(converse(world, data + GREETING)) == [200, 200]


def test_nothing_after_a_request_that_closes_is_done(world: World) -> None:
    data = request(world, "one", b"Connection: close") + request(world, "two")
    assert statuses(converse(world, data)) == [200]
    assert names(world) == {"one"}


# ---- a fuzz over raw bytes, judged by the grammar of RFC 9112

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
# a recipient may take several spaces for one, and skips empty lines before a request (sections 2.2 and 3)
FIRST = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|TRACE) +((?:/|https?://)[!\"$-~]*) +HTTP/(1\.[01])"
)
SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:;[\t -~]*)?\r\n")  # an extension may say what it likes in its line
ONCE = (b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization")


class Judged(NamedTuple):
    whole: list[tuple[bytes, bytes]]  # (target, body) of requests before the first that is none
    rest: str  # "": there is nothing more; "incomplete"; "malformed"


def judge(data: bytes) -> Judged:
    whole: list[tuple[bytes, bytes]] = []
    closing = False
    while data := data.lstrip(b"\r\n"):  # empty lines before a request are skipped (section 2.2)
        if closing:
            return Judged(whole, "")
        head, end, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        start = FIRST.fullmatch(first)
        fields = [FIELD.fullmatch(line) for line in lines]
        if start is None or not all(fields):
            return Judged(whole, "malformed" if end else "incomplete")
        if not end:
            return Judged(whole, "incomplete")
        pairs = [(field[1].lower(), field[2]) for field in fields if field]
        given = dict(pairs)
        version, host, coding = start[3], given.get(b"host"), given.get(b"transfer-encoding")
        length = given.get(b"content-length", b"0")
        if (
            any([name for name, _ in pairs].count(name) > 1 for name in ONCE)
            or not re.fullmatch(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*", host or b"")
            or (version == b"1.1" and not host)
            or (coding is not None and (version == b"1.0" or b"content-length" in given or coding.lower() != b"chunked"))
            or not re.fullmatch(rb"\d{1,19}", length)
        ):  # fmt: skip
            return Judged(whole, "malformed")
        if coding is None:
            body, data = rest[: int(length)], rest[int(length) :]
            if len(body) < int(length):
                return Judged(whole, "incomplete")
        else:
            taken = unchunk(rest)
            if isinstance(taken, str):
                return Judged(whole, taken)
            body, data = taken
        options = [each.strip().lower() for each in given.get(b"connection", b"").split(b",")]
        closing = version == b"1.0" or b"close" in options
        whole.append((start[2], body))
    return Judged(whole, "")


def unchunk(data: bytes) -> tuple[bytes, bytes] | str:
    body = b""
    while True:
        size = SIZE.match(data)
        if size is None:
            line, end, _ = data.partition(b"\r\n")
            return "malformed" if end or re.search(rb"[^0-9A-Fa-f]", line) else "incomplete"
        count, data = int(size[1], 16), data[size.end() :]
        if not count:
            break
        if len(data) < count + 2:
            return "malformed" if data[count : count + 1] not in (b"", b"\r") else "incomplete"
        if data[count : count + 2] != b"\r\n":
            return "malformed"
        body, data = body + data[:count], data[count + 2 :]
    while not data.startswith(b"\r\n"):
        line, end, data = data.partition(b"\r\n")
        field = FIELD.fullmatch(line)
        if field is None or field[1].lower() in (b"content-length", b"transfer-encoding"):
            return "malformed" if end else "incomplete"
    return body, data[2:]


PIECES = [
    *(bytes([each]) for each in (0, 1, 8, 9, 10, 11, 12, 13, 27, 31, 32, 34, 35, 44, 48, 58, 59, 127, 128, 133, 160, 255)),
    b"\r\n", b"\n\n", b"\r\r\n", b"\r\n ", b"\r\n\r\n", b"0x", b"+", b"-", b"_", b"1", b"00", b"0\r\n\r\n", b"chunked",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: [::1]\r\n", b"Connection: close\r\n", b"HTTP/1.0",
    b"HTTP/1.1", b";a=b", b";a", b"GET / HTTP/1.1\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"%00", b"..", b"//", b"?",
]  # fmt: skip


def mutated(dice: random.Random, data: bytes) -> bytes:
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        place, piece = dice.randrange(len(data)), dice.choice(PIECES)
        kind = dice.randrange(4)
        if kind == 0:
            data = data[:place] + piece + data[place:]
        elif kind == 1:
            data = data[:place] + piece + data[place + len(piece) :]
        elif kind == 2:
            data = data[:place] + data[place + dice.randrange(1, 4) :]
        else:  # beside a line end, where it matters most
            ends = [found.start() for found in re.finditer(rb"\r\n|: |;", data)]
            place = dice.choice(ends) + dice.randrange(3)
            data = data[:place] + piece + data[place:]
    return data


class Written(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.pieces.append(b"closed")


def test_the_head_of_a_response_goes_with_its_body_unless_that_is_not_there() -> None:
    async def sent(*pieces: bytes, pause: bool = False) -> list[bytes]:
        transport = Written()
        joined = Joined(transport, asyncio.get_running_loop())
        for piece in pieces:
            joined.write(piece)
            if pause:
                await asyncio.sleep(0)
        joined.close()
        await asyncio.sleep(0)
        return transport.pieces

    large = b"x" * 100_000
    assert asyncio.run(sent(b"head", b"body", b"more")) == [b"headbody", b"more", b"closed"]
    assert asyncio.run(sent(b"head", large)) == [b"head", large, b"closed"]
    assert asyncio.run(sent(b"head", b"body", pause=True)) == [b"head", b"body", b"closed"]
    assert asyncio.run(sent(b"head")) == [b"head", b"closed"]


@pytest.mark.timeout(120)
def test_mutated_requests(world: World) -> None:
    """What the grammar allows may be done; nothing else is, and what is malformed ends the connection."""
    dice = random.Random(int(os.environ.get("PROJ_FUZZ_SEED", "1")))
    count = refused = 0
    while count < (4000 if "PROJ_FUZZ_SEED" in os.environ else examples(400)):  # by fuzz.sh
        count += 1
        refused += check_mutated(world, dice)
    assert refused > count / 4


def check_mutated(world: World, dice: random.Random) -> bool:
    """Whether the request was malformed."""
    given = [f"{dice.getrandbits(64):016x}" for _ in range(3)]
    data = b"".join(
        request(world, name)
        if dice.random() < 0.5
        else request(world, "", PLAIN, body=chunked(name, dice.choice((b"%x", b"0%X;a", b'%x;a="b"'))))
        for name in given
    )
    data = mutated(dice, data) + GREETING
    judged = judge(data)
    cut = dice.choice((0, dice.randrange(len(data))))
    answer = converse(world, data, judged.rest == "incomplete", cut)
    allowed = set()
    for _, body in judged.whole:
        try:
            allowed.add(json.loads(body)["name"])
        except (ValueError, TypeError, KeyError):
            pass
    made = {name for name in given if experiments.find(world.store.root, experiments.id_of(name))}
    assert made <= allowed, (data, judged)
    assert len(statuses(answer)) <= len(judged.whole) + 1, (data, answer, judged)
    if judged.rest == "malformed":
        assert statuses(answer)[-1] >= 400, (data, answer, judged)
    return judged.rest == "malformed"
