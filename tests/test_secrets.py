"""Secrets of 25 shapes in every place where one can stand: after the run they are in none that `proj` keeps or shows."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from runner import paths
from runner.snapshots import snapshot
from runner.tracking.store import Store
from tests.helpers import git, make_repository, make_tree, proj
from tests.reproduction.worlds import LOG
from tests.servers import Client

SHAPES = (
    "hunter22", "correct horse battery staple", "pa$$w0rd!&|;<>", "üñí-pässwörd-漢字", "quo\"te's`here", "back\\slash\\n\\u0041",
    "first line of it\nsecond line of it\n", "tab\tand\rreturn", "12345678901", "-0.12345678", "0x1F2e3D4c", "true-ish-false",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "c2VjcmV0LXNlY3JldA==",
    "0123456789abcdef0123456789abcdef", "%41%42%43%20%25", "{json: [1, \"two\"]}", "{{jinja}} ${shell} $(id)", "/etc/ssl/private/key.pem",
    "https://hooks.example.org/T000/B000/XXXXXXXX", "x" * 3000,
)  # fmt: skip
OTHERS = {  # credentials that nobody declared: in addresses
    "userinfo": "https://ada:{}@example.org/data.csv", "user": "https://{}@example.org/data.csv",
    "database": "postgresql://ada:{}@example.org/db", "s3": "s3://AKIA0000:{}@bucket/key",
    "aws": "https://b.s3.amazonaws.com/k?X-Amz-Credential=x&X-Amz-Signature={}", "azure": "https://a.blob.core.windows.net/c?sv=1&sig={}",
    "token": "https://example.org/x?token={}", "conda": "https://conda.example.org/t/{}/team",
}  # fmt: skip
PROGRAM = (
    LOG
    + r"""
import bz2, gzip, io, lzma, subprocess, sys, urllib.request, zipfile, zlib
secrets = sys.argv[1:26]
others = json.load(open("others.json"))
assert len(secrets) == 25
for process in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{process}/cmdline", "rb").read()
    except OSError:
        continue
    for secret in secrets:  # of the program itself it is the argument
        if secret.encode() in words and int(process) != os.getpid():
            print("IN PS:", process, words.split(b"\0")[0])
def upload(name, data):
    place = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow-artifacts/artifacts/0/{os.environ['PROJ_RUN_ID']}/artifacts/sent/{name}"
    head = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
    urllib.request.urlopen(urllib.request.Request(place, data, head, method="PUT")).read()
def tag(key, value):
    call("set-tag", {"key": key, "value": value})
for number, secret in enumerate(secrets):
    print("out", secret, "end", flush=True)
    print("err", repr(secret), json.dumps(secret), file=sys.stderr)
    from urllib.parse import quote, quote_plus
    from base64 import b64encode, urlsafe_b64encode
    print("Authorization: Basic", b64encode(f"user:{secret}".encode()).decode(), urlsafe_b64encode(secret.encode()).decode())
    for line in secret.splitlines():
        print("line", line, quote(line), file=sys.stderr, flush=True)
    tag(f"f{number}", b64encode(f"x:{secret}:y".encode()).decode())
    tag(f"a{number}", secret)
    tag(f"b{number}", "https://ada:%s@example.org/?q=%s" % (quote(secret, safe=""), quote_plus(secret)))
    tag(f"c{number}", json.dumps({"deep": [secret]}))
    call("log-parameter", {"key": f"p{number}", "value": f"<{secret}>"})
    call("log-parameter", {"key": f"p{number}", "value": f"<{secret}>"})  # again: it is the same
    call("log-batch", {"params": [{"key": f"q{number}", "value": secret}], "tags": [{"key": f"d{number}", "value": secret}],
                       "metrics": [{"key": f"m{number}", "value": number, "timestamp": 1, "step": 1234}]})
    call("log-inputs", {"datasets": [{"dataset": {"name": secret[:400], "digest": "d", "source_type": "http", "source": secret}}]})
    subprocess.run(["proj", "log", "param", f"r{number}={secret}"], check=True)
    if number % 5 == 0:
        subprocess.run(["proj", "log", "tag", f"e{number}={secret}"], check=True)
        subprocess.run(["proj", "note", os.environ["PROJ_RUN_ID"], "--append", f"note {secret}"], check=True)
        call("update", {"run_name": f"name {secret}"[:200]})
        subprocess.run(["proj", "experiments", "new", f"exp {number} {secret}"[:400], "-t", f"k={secret}"], check=True)
for name, url in others.items():
    tag(f"u-{name}", url)
    tag(f"v-{name}", f"see {url}, or {url}")
    call("log-parameter", {"key": f"w-{name}", "value": url})
    call("log-parameter", {"key": f"w-{name}", "value": url})
    call("log-inputs", {"datasets": [{"dataset": {"name": name, "digest": "d", "source_type": "http", "source": json.dumps({"url": url})}}]})
    subprocess.run(["proj", "log", "tag", f"x-{name}={url}"], check=True)
open("out.txt", "w").write("fine")
os.makedirs("made")
large = os.urandom(3_000_000)
for number, secret in enumerate(secrets):
    raw = secret.encode()
    border = large[: (1 << 20) - len(raw) // 2] + raw + large  # where one block ends
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("fine", large[:1000])
        packed.writestr("inside", b"x" * 1000 + raw)
    for name, data in (("plain", b"x" + raw + b"y"), ("border", border), ("base64", b64encode(b"user:" + raw)),
                       ("json", json.dumps({"k": [secret]}).encode()), ("url", quote(secret, safe="").encode()),
                       ("zip", archive.getvalue()), ("gz", gzip.compress(border[-len(large) - 100:])),
                       ("xz", lzma.compress(raw * 3)), ("bz2", bz2.compress(raw)), ("z", zlib.compress(raw))):
        if number % 5 and name in ("border", "gz"):
            continue
        open(f"made/{number}.{name}", "wb").write(data)
        upload(f"{number}.{name}", data)
    subprocess.run(["proj", "log", "artifact", f"made/{number}.plain", "--path", "logged"], check=True)
open("made/good.bin", "wb").write(large)
upload("good.bin", large)
"""
)


def kept(*folders: str) -> Iterator[tuple[str, bytes]]:
    """All that is in these folders, but for the snapshots of the project's own files."""
    for folder in folders:
        for top, names, files in os.walk(folder):
            names[:] = [name for name in names if name != "snapshots.git"]
            for name in files:
                path = os.path.join(top, name)
                yield path, os.fsencode(path)
                with open(path, "rb") as file:
                    yield path, file.read()


def spelt(secret: str) -> set[bytes]:
    """How it could be found again."""
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1],
             json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(json.dumps(secret))[3:-3]}  # fmt: skip
    if "\n" in secret:
        texts |= {line for line in secret.splitlines() if len(line) > 8 and not line.startswith("-----")}
    encoded = set()
    for before in range(
        3
    ):  # in base64, also in the middle of more: but for the edges, in which others have a part
        text64 = base64.b64encode(b"x" * before + secret.encode()).rstrip(b"=")[4 if before else 0 : -2]
        encoded |= {text64, text64.translate(bytes.maketrans(b"+/", b"-_"))}
    return {text.encode() for text in texts if len(text) > 3} | {each for each in encoded if len(each) > 5}


def hits(pieces: Iterator[tuple[str, bytes]], secrets: dict[str, str]) -> list[tuple[str, str]]:
    wanted = {name: spelt(secret) for name, secret in secrets.items()}
    return sorted(
        {
            (where, name)
            for where, data in pieces
            for name, texts in wanted.items()
            if any(text in data for text in texts)
        }
    )


@pytest.mark.slow
def test_25_secrets_are_nowhere(tmp_path: object) -> None:
    secrets = {f"s{number}": shape for number, shape in enumerate(SHAPES)}
    assert len(secrets) == 25
    undeclared = {name: f"Und3clared-{name}-Cred3ntial" for name in OTHERS}
    urls = {name: form.format(undeclared[name]) for name, form in OTHERS.items()}
    names = " ".join(f"{{{name}}}" for name in secrets)
    given = "".join(f"      {name}: {{type: string, secret: true}}\n" for name in secrets)
    given += "".join(
        f"      u_{name}: {{type: uri, default: {json.dumps(url)}}}\n" for name, url in urls.items()
    )
    mlproject = (
        f"name: secretive\nentry_points:\n  main:\n    parameters:\n{given}      plain: {{type: string}}\n"
        f"    inputs: {json.dumps(list(urls.values()))}\n    outputs: [out.txt, made]\n    command: python3 log.py {names}\n"
    )
    project = make_repository(
        f"{tmp_path}/p", {"MLproject": mlproject, "log.py": PROGRAM, "others.json": json.dumps(urls)}
    )
    with open(f"{tmp_path}/values.json", "w", encoding="utf-8") as file:
        json.dump(secrets, file)
    tags = [word for name, url in urls.items() for word in ("-t", f"y-{name}={url}")]
    words = ["--params-file", f"{tmp_path}/values.json", "-P", f"plain={urls['userinfo']}", *tags]
    done = proj(
        "run",
        project,
        *words,
        "--run-name",
        f"run {urls['token']}",
        MLFLOW_EXPERIMENT_NAME=f"exp {SHAPES[3]}",
    )
    assert done.code == 0, done.err
    assert "IN PS" not in done.out
    again = proj("run", project, *words, "--dry-run", "--json")
    assert proj("bundle", "last", "-o", f"{tmp_path}/run.zip", "--no-packages").code == 0
    everything = {**secrets, **undeclared}
    assert hits(kept(paths.home()), everything) == []
    with zipfile.ZipFile(f"{tmp_path}/run.zip") as archive:
        members = ((name, archive.read(name)) for name in archive.namelist() if not name.startswith("code/"))
        assert hits(members, everything) == []
    shown = [(" ".join(line), proj(*line)) for line in (["runs", "--csv"], ["show", "last", "--json"], ["show", "last"], ["logs", "last"],
             ["experiments", "--json"], ["export", "--json"], ["diff", "last", "last"])]  # fmt: skip
    pieces = iter([("run", (done.out + done.err).encode()), ("plan", (again.out + again.err).encode()),
                   *((name, (each.out + each.err).encode()) for name, each in shown)])  # fmt: skip
    assert hits(pieces, everything) == []
    # it was all there, only masked
    run = Store(paths.store()).read(Store(paths.store()).resolve("last"))
    assert run.params["p0"] == "<****>"
    assert run.params["w-userinfo"] == run.tags["y-userinfo"] == "https://example.org/data.csv"
    assert run.params["u_aws"] == "https://b.s3.amazonaws.com/k?X-Amz-Credential=***&X-Amz-Signature=***"
    assert len(run.metrics) == 25
    # files that hold none are kept, the others are named
    assert {name for name in run.artifacts if "good" in name or name == "out.txt"} == {
        "out.txt", "made/good.bin", "sent/good.bin"
    }  # fmt: skip
    assert len(run.artifacts) == 3
    assert run.tags["proj.withheld.made/3.plain"] == "withheld: it holds the value of the secret S3"
    assert run.tags["proj.withheld.sent/5.border"] == "withheld: it holds the value of the secret S5"
    assert run.tags["proj.withheld.made/7.zip"] == "withheld: it holds the value of the secret S7"
    assert run.tags["proj.withheld.sent/8.z"] == "withheld: it holds the value of the secret S8"
    assert run.tags["proj.withheld.logged/7.plain"] == "withheld: it holds the value of the secret S7"
    assert "was not kept: withheld: it holds the value of the secret" in done.err


def unpacked(store: str) -> Iterator[tuple[str, bytes]]:
    """Every object of the snapshots."""
    folder = os.path.join(store, "snapshots.git")
    listed = git(folder, "cat-file", "--batch-check=%(objectname)", "--batch-all-objects")
    for name in listed.split():
        done = subprocess.run(["git", "-C", folder, "cat-file", "-p", name], capture_output=True, check=True)
        yield f"object {name}", done.stdout


@pytest.mark.parametrize("with_git", [True, False])
def test_what_a_run_left_is_in_no_later_snapshot(with_git: bool, tmp_path: object) -> None:
    """Neither as it is nor compressed; what is committed, or says the secret itself as a default, is kept."""
    program = (
        "import gzip, sys\nopen('left.txt', 'w').write(f'<{sys.argv[1]}>')\n"
        "gzip.open('left.gz', 'w').write(sys.argv[1].encode() * 100)\nopen('fine.txt', 'w').write('x')\n"
    )
    parameters = "{key: {type: string, secret: true}, usual: {secret: true, default: changeit}}"
    mlproject = (
        f"entry_points:\n  main: {{parameters: {parameters}, command: 'python3 a.py {{key}} {{usual}}'}}\n"
    )
    make = make_repository if with_git else make_tree
    project = make(f"{tmp_path}/p", {"MLproject": mlproject, "a.py": program})
    secret = "correct-horse-battery"
    for _ in range(2):
        done = proj("run", project, "-P", f"key={secret}")
        assert done.code == 0, done.err
    assert "left.txt is not in the snapshot of the code: it holds the value of the secret KEY" in done.err
    assert "MLproject is not" not in done.err
    assert proj("bundle", "last", "-o", f"{tmp_path}/run.zip", "--no-packages").code == 0
    store = Store(paths.store())
    run = store.read(store.resolve("last"))
    assert {each["path"] for each in run.sections["code"]["left_out"]} == {"left.txt", "left.gz"}
    assert {each.path for each in snapshot.files(store.root, run.sections["code"]["tree"])} == {
        "MLproject", "a.py", "fine.txt"
    }  # fmt: skip
    assert hits(unpacked(store.root), {"key": secret}) == []
    assert hits(kept(paths.home()), {"key": secret}) == []
    with zipfile.ZipFile(f"{tmp_path}/run.zip") as archive:
        assert hits(((name, archive.read(name)) for name in archive.namelist()), {"key": secret}) == []


def test_a_server_answers_without_secrets(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.running import endpoint as endpoints
    from runner.text.secrets import Secrets

    secrets = {f"s{number}": shape for number, shape in enumerate(SHAPES)}
    store = Store(os.path.join(str(tmp_path), "store"))
    writer = store.create_run(
        "0", secrets=Secrets(secrets.values()), sections={"supervisor": {"pid": os.getpid()}}
    )
    endpoint = endpoints.bind()
    endpoint.accept(store.root, writer.run_id, Secrets(secrets.values()))
    client = Client(endpoint.port, endpoint.token)
    answers = []
    for name, secret in secrets.items():
        child = client.new_run(run_name=f"n{secret}"[:200], tags=[{"key": "k", "value": secret}])
        made = client.ok(
            "experiments/create", {"name": f"x{name} {secret}"[:400], "tags": [{"key": "k", "value": secret}]}
        )
        assert client.post("experiments/create", {"name": f"x{name} {secret}"[:400]}).status == 400
        for path, body in (
            ("runs/set-tag", {"run_id": child, "key": "t", "value": f"a{secret}"}),
            ("runs/log-parameter", {"run_id": child, "key": name, "value": secret}),
            ("runs/log-parameter", {"run_id": child, "key": name, "value": "another"}),
            ("experiments/set-experiment-tag", {"experiment_id": made["experiment_id"], "key": "t", "value": secret}),
            ("logged-models", {"experiment_id": "0", "name": f"model-{name}", "tags": [{"key": "k", "value": secret}],
                               "params": [{"key": "k", "value": secret}]}),
            ("runs/search", {"experiment_ids": ["0"], "filter": f"params.{name} = '{quote(secret)}'"}),
            ("runs/set-tag", {"run_id": child, "key": f"\x01{secret}", "value": ""}),
        ):  # fmt: skip
            answers.append((path, client.post(path, body).body))
        answers += [
            ("get", client.get("runs/get", run_id=child).body),
            ("experiment", client.get("experiments/get", **made).body),
        ]
        assert (
            client.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{child}/artifacts/a.txt", b"x").status
            == 200
        )
    answers.append(("search", client.post("runs/search", {"experiment_ids": ["0"]}).body))
    client.link.close()
    endpoint.close()
    writer.close()
    assert hits(iter(answers), secrets) == []
    assert hits(kept(store.root), secrets) == []


def test_a_secret_of_the_run_around_is_masked_in_the_run_inside(tmp_path: object) -> None:
    inner = make_repository(
        f"{tmp_path}/inner",
        {"MLproject": "entry_points:\n  main: {parameters: {key: {type: string}}, command: 'echo {key}'}\n"},
    )
    outer = make_repository(f"{tmp_path}/outer", {"MLproject":
        "entry_points:\n  main:\n    parameters: {key: {type: string, secret: true}}\n"
        f"    command: 'proj run {inner} -P key={{key}}x -t k={{key}}'\n"})  # fmt: skip
    done = proj("run", outer, "-P", "key=hunter22hunter22")
    assert done.code == 0, done.err
    assert len(Store(paths.store()).search().runs) == 2
    assert hits(kept(paths.home()), {"key": "hunter22hunter22"}) == []


def test_a_short_secret_is_refused_before_anything_is_kept(tmp_path: object) -> None:
    project = make_repository(
        f"{tmp_path}/p",
        {"MLproject": "entry_points:\n  main: {parameters: {key: {secret: true}}, command: 'echo {key}'}\n"},
    )
    done = proj("run", project, "-P", "key=abc")
    assert done.code == 2
    assert "a secret needs 4 characters" in done.err
    assert "secret: true" in done.err
    assert not os.path.exists(os.path.join(paths.store(), "runs"))
