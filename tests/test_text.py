"""Names, spans of time, sizes, and addresses without what is secret in them."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from runner.backends.capture import Mask
from runner.errors import InputError
from runner.text import units
from runner.text.credentials import Credentials, cleaned, redact, split, without
from runner.text.names import canonical
from runner.text.secrets import Secrets, around
from runner.text.uri import path_of
from runner.tracking.log import encode

# ---- names


@given(st.text(st.characters(codec="ascii"), max_size=30) | st.text("aB-_.", max_size=12))
def test_a_distribution_is_called_as_packaging_calls_it(name: str) -> None:
    assert canonical(name) == canonicalize_name(name)


# ---- spans of time


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("2w", 1_209_600),
     ("1y", 31_536_000), ("1h30m", 5400), ("1h 30m", 5400), (" 2 d ", 172_800), ("0m", 0), (".5h", 1800)],
)  # fmt: skip
def test_spans_of_time(text: str, expected: float) -> None:
    assert units.seconds(text, "--wait") == expected


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("smhdw")), min_size=1, max_size=4))
def test_a_span_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    whole = sum(number * units.SECONDS[unit] for number, unit in parts)
    text = "".join(f"{number}{unit}" for number, unit in parts)
    if whole <= units.LONGEST:
        assert units.seconds(text, "x") == whole


@given(st.text(max_size=10) | st.from_regex(r"[0-9.]{0,6}[a-z ]{0,3}[0-9e+-]{0,3}", fullmatch=True))
def test_no_text_is_a_span_by_accident(text: str) -> None:
    try:
        assert 0 <= units.seconds(text, "--wait") <= units.LONGEST
    except InputError:
        pass


@pytest.mark.parametrize("text", ["", "h", "-1", "1x", "1h30", "1e3", "nan", "inf", "9" * 400, "1M", "٣d"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(InputError, match=r"--wait .* is not a time"):
        units.seconds(text, "--wait")


@given(st.floats(0, 1e9))
def test_durations_are_short_and_true(length: float) -> None:
    text = units.duration(length)
    number, unit = re.match(r"([\d.]+) (\w+)", text).groups()  # type: ignore[union-attr]
    size = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}[unit]
    assert abs(float(number) * size - length) <= size
    assert float(number) * size < {"ms": 1, "s": 60, "min": 3600, "h": 1e10}[unit]


@given(st.integers(0, 10**11))
def test_a_moment_is_told_by_its_distance(past: int) -> None:
    now = time.time()
    text = units.ago(int(now * 1000) - past, now)
    assert re.fullmatch(r"\d{1,2} (s|min|h|d) ago|\d{4}-\d\d-\d\d", text)


@given(st.integers())
def test_any_number_can_be_shown_as_a_moment(moment: int) -> None:
    """A store may come from anywhere."""
    assert units.ago(moment)
    assert units.local_time(moment)
    assert units.iso(moment)


# ---- sizes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500", 500), ("500B", 500), ("1kB", 1000), ("1K", 1000), ("500MB", 500_000_000), ("2G", 2 * 10**9),
     ("1.5GiB", 1610612736), ("1Ki", 1024), ("1 tb", 10**12), ("0", 0)],
)  # fmt: skip
def test_sizes(text: str, expected: int) -> None:
    assert units.byte_count(text, "--max-size") == expected


@pytest.mark.parametrize("text", ["", "big", "1X", "-1", "1e9", "iB", "1iB", "k", "1 2", "9" * 400])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match=r"--max-size .* is not a size"):
        units.byte_count(text, "--max-size")


@given(st.integers(0, 10**14))
def test_a_size_that_is_shown_can_be_given(count: int) -> None:
    assert abs(units.byte_count(units.size(count), "x") - count) <= count * 0.006


# ---- credentials

SECRET = "s3cr3tW0rd"
PLACES = (
    "https://ada:{}@host/r",
    "https://{}@host/r",
    "https://ada:{}@host:8080/r?x=1#top",
    "git+https://ada:{}@host/r.git@main",
    "ssh://git:{}@host/r",
    "sftp://ada:{}@host/r",
    "postgresql+psycopg2://ada:{}@host/db?sslmode=require",
    "s3://AKIA:{}@bucket/key",
    "mongodb+srv://ada:{}@host/db",
    "https://ada:{}/x@host/r",
    "https://ada:{}#x@host/r",
    "https://bucket.s3.amazonaws.com/key?X-Amz-Date=1&X-Amz-Signature={}&X-Amz-Expires=9",
    "https://bucket.s3.amazonaws.com/key?X-Amz-Credential={}%2F2026",
    "https://bucket.s3.amazonaws.com/key?AWSAccessKeyId={}&Expires=1",
    "https://storage.googleapis.com/b/o?X-Goog-Signature={}",
    "https://account.blob.core.windows.net/c?sv=2024&se=2030&sig={}",
    "https://host/file?token={}",
    "https://host/file?access_token={}&x=1",
    "https://host/file#access_token={}",
    "https://host/file?private_token={}",
    "https://maps.example.org/x?key={}" + "0" * 20,
    "https://host/login?next=https://ada:{}@inner/x",
    "jdbc:sqlserver://host;user=ada;password={};encrypt=true",
    "https://conda.example.org/t/{}/channel/linux-64",
    "simplecache::https://ada:{}@host/r",
)
CONTEXTS = (
    "{}",
    "fatal: unable to access '{}': no",
    "see {}, and <{}> (or {})",
    '{{"url": "{}"}}',
    '{{"source": "{{\\"url\\": \\"{}\\"}}"}}',
    "a\n{}\nb",
    "https://other/x,{}",
)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("place", PLACES)
def test_credentials_are_found_wherever_they_stand(place: str, context: str) -> None:
    text = context.replace("{{", "{").replace("}}", "}").replace("{}", place.format(SECRET))
    line = encode({"type": "tag", "key": text, "value": [{text: text}], "time": 1})
    for shown in (redact(text), json.dumps(cleaned([text, {text: text}])), line.decode()):
        assert SECRET not in shown
        assert place.partition("://")[0].rpartition(":")[2] in shown
    if context.startswith("{"):
        assert json.loads(redact(text)) if context != "{}" else True


@pytest.mark.parametrize(
    "text",
    [
        "https://host/x@y?z=a@b",
        "https://host:8080/p?sigma=0.1&design=2&keyboard=1&key=data.csv&author=ada&monkey=1",
        "ssh://git@host/r",
        "git@host:o/r.git",
        "sftp://ada@host/folder",
        "abfss://container@account.dfs.core.windows.net/x",
        "wasbs://container@account.blob.core.windows.net/x",
        "hdfs://ada@namenode:8020/x",
        "postgresql://ada@host/db",
        "docker://python:3.11@sha256:0123",
        "http://[::1]:5000/x@y",
        "http://{host}:{port}/x@y",
        "https://discuss.example.org/t/how-to-do-it/1234",
        "pkg @ https://host/p.whl#sha256=0123",
        "file:///data/a@b.csv",
        "sqlite:////data/a@b.db",
        "models:/name@champion",
        "ada@example.org wrote a == b",
    ],
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert encode({"type": "x", "value": text, "time": 1}) == encode(
        {"type": "x", "time": 1, "value": text}
    ).replace(b'"time":1,"value"', b'"value"').replace(b"}\n", b',"time":1}\n')
    assert json.loads(encode({"type": "x", "value": text}))["value"] == text


URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["https", "ssh", "s3", "git+https", "x"]),
    st.text("ab:@%é", max_size=8),
    st.sampled_from(["", "host", "host:80", "[::1]"]),
    st.text("/?#&=;@:tsig ab", max_size=12),
)


@given(URLS | st.text("ab:/@?=&#\"'\\ t", max_size=30))
def test_what_is_without_credentials_stays_as_it_is(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert len(once) <= len(text) + 3 * text.count("=")


@given(st.text(max_size=40))
def test_a_text_without_an_address_is_not_touched(text: str) -> None:
    if "://" not in text:
        assert redact(text) == text


def test_long_texts_take_no_time() -> None:
    began = time.perf_counter()
    for text in ("a" * 10**6 + "://@=", "://" * 10**5 + "@=", "http://" + "a:" * 10**5 + "@=",
                 "http://h?" + "&a" * 10**5 + "=", "a://b@" * 10**5, "http://h/t/" * 10**4 + "="):  # fmt: skip
        redact(text)
        redact("x " + text)
    assert time.perf_counter() - began < 10


def test_an_address_is_split_into_itself_and_its_credentials() -> None:
    assert split("https://u:p@w@host/x?token=1") == ("https://host/x?token=1", Credentials("u", "p@w"))
    assert split("ssh://git:pw@h/x") == ("ssh://git@h/x", Credentials("", "pw"))
    assert without("https://u:p@h/x?token=1") == "https://h/x?token=***"


# ---- secrets of a run

SHAPES = (
    "hunter22", "pa ss=word&x", "üñí-pässwörd", 'quo"te\'s', "back\\slash\\n", "line one of it\nline two of it",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n", "1234567", "0.123456", "{xyz}",
    "$(id)", "a%2Fb+c/d==", "main", "param", "tag\tged", "****x", "漢字漢字",
)  # fmt: skip


@pytest.mark.parametrize("secret", SHAPES)
def test_a_secret_is_in_no_event(secret: str) -> None:
    from urllib.parse import quote, quote_plus

    secrets = Secrets([secret, "another one"])
    texts = [secret, f"x{secret}y", quote(secret, safe=""), quote_plus(secret), json.dumps({"a": secret}),
             json.dumps({"a": secret}, ensure_ascii=False), f"https://ada:{quote(secret)}@h/", f"run\n{secret}\n"]  # fmt: skip
    for text in texts:
        for event in (
            {"type": "param", "key": text, "value": text},
            {"type": "tag", "key": "k", "value": text},
            {"type": "input", "path": text, "more": [{"a": [text]}]},
            {"type": "command", "variables": {text: text}},
        ):
            line = encode({**event, "time": 1}, secrets)
            found = json.loads(line)
            assert found["type"] == event["type"]
            words = json.dumps(
                {key: value for key, value in found.items() if key != "type"}, ensure_ascii=False
            )
            words = words.replace('"variables"', "").replace('"time"', "")
            assert not any(
                shape in words for shape in (json.dumps(secret)[1:-1], quote(secret, safe=""), secret)
            )


def test_a_secret_that_is_a_number_or_a_word_of_ours_breaks_no_event() -> None:
    secrets = Secrets(["1234", "metric", "abcd", "RUNNING"])
    event = {"type": "metric", "key": "metric", "value": 1234.0, "timestamp": 1234, "step": 1234, "time": 1}
    assert json.loads(encode(event, secrets)) == {**event, "key": "****"}
    assert json.loads(encode({"type": "param", "key": "x", "value": 1234}, secrets))["value"] == "****"
    run_id = "0123abcd" * 4
    start = {"type": "start", "run_id": run_id, "status": "RUNNING", "time": 1}
    assert json.loads(encode(start, secrets)) == start


def test_without_secrets_nothing_is_looked_for() -> None:
    assert not Secrets([])
    assert not Secrets(["", "a"])
    assert around({"PATH": "/bin"}) is None
    assert around({"PROJ_SECRET_X": "hunter22"}) is not None


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    st.text("abc", max_size=20),
    st.data(),
)
def test_output_is_masked_however_it_is_cut(secrets: list[str], text: str, data: st.DataObject) -> None:
    """Also where secrets begin with each other, or overlap."""
    whole = Mask([secret.encode() for secret in secrets])
    expected = whole.feed(text.encode()) + whole.rest()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    mask = Mask([secret.encode() for secret in secrets])
    found = b"".join(mask.feed(piece.encode()) for piece in pieces) + mask.rest()
    assert found == expected
    assert not any(secret.encode() in part for part in found.split(b"****") for secret in secrets)


def test_no_text_is_a_command_to_github_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runner takes a line for one that begins with `::`, behind spaces too, or has `##[` anywhere."""
    from runner.text.terminal import json_printable, printable

    texts = (
        "::add-mask::x",
        " \t::error file=a::b",
        "a ##[add-mask]x",
        "a\n  ::error::x",
        "a\r::stop-commands::b",
        "##[x]",
    )
    for text in texts:
        assert printable(text, lines=True) == text.translate({13: "\\r"})
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for text in texts:
        for line in printable(text, lines=True).splitlines():
            assert not line.lstrip().startswith("::")
            assert "##[" not in line
        said = json.dumps({"k": text}, ensure_ascii=False)
        assert "##[" not in json_printable(said)
        assert json.loads(json_printable(said)) == {"k": text}
    assert printable("std::vector, a::b ## [c]") == "std::vector, a::b ## [c]"


def test_the_path_of_a_uri() -> None:
    assert path_of("file:///a%20b") == "/a b"
    with pytest.raises(InputError, match="no address"):
        path_of("file://[x")


def test_an_address_to_notify_that_is_none() -> None:
    """It is a warning, without the token that is in it."""
    from runner.running.notify import _post

    for address in ("http://[::1/secret", "http://127.0.0.1:secret/", "http://127.0.0.1:9/a secret"):
        assert "secret" not in _post(address, "{}", 1)
        assert _post(address, "{}", 1)
