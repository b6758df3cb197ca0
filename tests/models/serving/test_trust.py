"""Nothing of a model is loaded that is not what was looked at, registered and signed: loading it may run code."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from typing import NamedTuple

import pytest

from runner import paths
from runner.models import mlmodel
from runner.tracking import artifacts, registry
from runner.tracking.registry.sources import StatedSource, resolve
from runner.tracking.store import Store
from tests.cli.records import make_run
from tests.helpers import proj
from tests.models.serving.serving import Serve, make_orders, serve

__all__ = ["serve"]  # a fixture
LOCAL = ("--env-manager", "local", "-p", "0")


class Credit(NamedTuple):
    """credit/1: signed by a trusted key; when it is loaded, it makes the file `loaded`."""

    store: Store
    run_id: str
    loaded: str
    key: str

    @property
    def record(self) -> str:
        return self.store.run_directory(self.run_id)


@pytest.fixture
def credit(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Credit:
    key, trusted, loaded = (f"{tmp_path}/{name}" for name in ("key", "allowed_signers", "loaded"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open(f"{key}.pub") as file, open(trusted, "w") as written:
        written.write(f'team@example.org namespaces="proj-model" {file.read()}')
    monkeypatch.setenv("PROJ_ALLOWED_SIGNERS", trusted)
    run_id, store = make_run("one"), Store(paths.store())
    with open(os.path.join(store.run_directory(run_id), "environment.lock"), "w") as file:
        file.write("tiny==1.0\n")
    with tempfile.TemporaryDirectory() as folder, store.open_run(run_id) as writer:
        artifacts.put(writer, make_orders(os.path.join(folder, "model"), f"touches:{loaded}"))
    version = resolve(store, lambda each: f"mlflow-artifacts:/{each}", StatedSource(f"runs:/{run_id}/model"))
    for name in ("credit", "unsigned"):
        registry.create(store.root, name)
        registry.register(store.root, name, version)
    assert proj("models", "sign", "credit/1", "--key", key).code == 0
    return Credit(store, run_id, loaded, key)


def test_what_is_signed_is_loaded(credit: Credit, serve: Serve) -> None:
    served = serve("--signed", model="credit/1").wait_until_ready()
    assert os.path.exists(credit.loaded)
    served.end()
    run = credit.store.read(credit.store.resolve("last"))
    assert run.sections["source"]["signed_by"] == ["team@example.org"]
    done = proj("serve", "unsigned/1", "--signed", *LOCAL)
    assert (done.code, "has no signature of a key in" in done.err) == (2, True)
    done = proj("serve", os.path.join(credit.record, "artifacts/model"), "--signed", *LOCAL)
    assert (done.code, "only versions of registered models" in done.err) == (2, True)


FLIPPED = [
    ("artifacts/model/orders", b"touches", "are not those that were registered"),
    ("environment.lock", b"tiny", "environment.lock of the run"),
    ("events.jsonl", b'"name":"one"', "events.jsonl of the run"),
]


@pytest.mark.parametrize(("file", "part", "said"), FLIPPED)
def test_a_flipped_byte_is_refused(credit: Credit, file: str, part: bytes, said: str) -> None:
    with open(os.path.join(credit.record, file), "r+b") as opened:
        at = opened.read().index(part) + len(part) - 2
        opened.seek(at)
        byte = opened.read(1)[0] ^ 1
        opened.seek(at)
        opened.write(bytes([byte]))
    done = proj("serve", "credit/1", *LOCAL)
    assert (done.code, said in done.err) == (125, True), done.err
    assert not os.path.exists(credit.loaded)
    assert [run.name for run in credit.store.search("").runs if run.kind == "serve"] == []
    verified = proj("models", "verify", "credit/1")
    assert (verified.code, "not" in verified.out or said in verified.out) == (1, True)


def test_a_signature_of_a_stranger_is_as_none(credit: Credit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJ_ALLOWED_SIGNERS", f"{credit.key}.none")
    done = proj("serve", "credit/1", "--signed", *LOCAL)
    assert (done.code, "has no signature of a key in" in done.err) == (2, True)
    assert not os.path.exists(credit.loaded)


def test_files_that_change_under_a_server_are_not_loaded_by_the_next_worker(
    serve: Serve, tmp_path: object
) -> None:
    folder, loaded = f"{tmp_path}/other", f"{tmp_path}/loaded"
    served = serve(model=make_orders(folder, "")).wait_until_ready()
    make_orders(folder, f"touches:{loaded}")
    assert served.ask(kill=1).status == 503
    deadline = time.monotonic() + 20
    while b"are not those" not in (answer := served.call("GET", "/ping")).body:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    assert answer.status == 503
    assert not os.path.exists(loaded)


def test_code_of_a_model_is_not_compiled_into_it(serve: Serve, tmp_path: object) -> None:
    folder = make_orders(f"{tmp_path}/other", "imports", **{"code/helper.py": "x = 1"})
    before = mlmodel.read(folder).digest
    serve(model=folder, PYTHONDONTWRITEBYTECODE="").wait_until_ready()
    assert os.listdir(os.path.join(folder, "code")) == ["helper.py"]
    assert mlmodel.read(folder).digest == before
