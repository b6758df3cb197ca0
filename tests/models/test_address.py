"""Every way in which people name a model leads to the same folder, by the real stores, archives, servers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner import paths
from runner.errors import InputError, ProjError, StoreError
from runner.models import mlmodel
from runner.models.address import Located, located
from runner.reproduction.bundle import archive
from runner.sources import folders
from runner.tracking import artifacts, events, models, registry
from runner.tracking.registry import change
from runner.tracking.registry.sources import StatedSource, resolve
from runner.tracking.store import Store
from runner.values import Silent
from tests.cli.records import make_run
from tests.helpers import make_repository, make_tree
from tests.models.folders import make_model
from tests.models.folders import mlmodel as text_of_mlmodel
from tests.servers import Start


@contextmanager
def at(text: str, server: str = "") -> Iterator[Located]:
    with Store(paths.store()) as store:

        def run(ref: str) -> object:
            return store.read(store.resolve(ref))

        with located(store, text, run, Silent(), server) as found:  # type: ignore[arg-type]
            yield found


def digest(text: str, server: str = "") -> str:
    with at(text, server) as found:
        return mlmodel.read(found.folder).digest


def keep(store: Store, run_id: str, *names: str) -> None:
    with tempfile.TemporaryDirectory() as folder, store.open_run(run_id) as writer:
        for name in names:
            make_model(os.path.join(folder, name))
            artifacts.put(writer, os.path.join(folder, name))


def log_model(store: Store, run_id: str, name: str) -> str:
    """As MLflow 3 does."""
    model = models.create(store.root, "0", name, run_id=run_id)
    make_model(os.path.join(models.directory(store.root, model.model_id), "artifacts"))
    models.append(store.root, model.model_id, events.update(status="LOGGED_MODEL_READY"))
    with store.open_run(run_id) as writer:
        writer.append(events.model_link("model-output", model.model_id))
    return model.model_id


@pytest.fixture
def whole(tmp_path: object) -> str:
    """The digest of the model that all addresses lead to."""
    return mlmodel.read(make_model(os.path.join(str(tmp_path), "plain"))).digest


def test_folders_archives_and_repositories(
    tmp_path: object, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = str(tmp_path)
    folder = os.path.join(top, "plain")
    shutil.make_archive(os.path.join(top, "packed"), "gztar", top, "plain")
    shutil.make_archive(os.path.join(top, "flat"), "zip", folder)
    repository = make_repository(
        os.path.join(top, "repository"), {"README": "x", "models/one/MLmodel": text_of_mlmodel()}
    )
    shutil.copytree(folder, os.path.join(repository, "models/one"), dirs_exist_ok=True)
    monkeypatch.chdir(top)
    for text in (
        folder,
        "plain",
        "./plain",
        f"file://{folder}",
        "packed.tar.gz",
        "packed.tar.gz#plain",  # as it stands in the archive
        "flat.zip",
        "repository#models",
    ):
        assert digest(text) == whole, text
    with at("repository") as found:
        assert found.address.endswith("/repository")
    with at("flat.zip") as found:
        fetched = found.folder
    assert not os.path.exists(fetched)
    assert not os.listdir(paths.scratch("checkouts"))


def test_a_repository_elsewhere_is_named_by_its_commit(tmp_path: object) -> None:
    repository = make_repository(os.path.join(str(tmp_path), "r"), {"m/MLmodel": text_of_mlmodel()})
    with at(f"file://{repository}#m") as found:
        assert (os.path.basename(found.folder), len(found.address.rpartition("@")[2])) == ("m", 40)


def test_objects_at_a_url(tmp_path: object, whole: str) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(
        os.path.join(str(tmp_path), "plain") + "/", "/models/plain", recursive=True
    )  # which all tests of a process share
    assert digest("memory://models/plain") == whole
    with pytest.raises(ProjError, match="nothing at"):
        digest("memory://models/none")


def test_the_model_of_a_run(whole: str) -> None:
    with Store(paths.store()) as store:
        run_id = make_run("one")
        keep(store, run_id, "model")
        for text in (
            "one",
            "one:model",
            "last",
            "last:model",
            f"runs:/{run_id}/model",
            f"{run_id[:20]}:model",
        ):
            assert digest(text) == whole, text
        with at("last") as found:
            assert (found.address, found.run_id) == (f"runs:/{run_id}/model", run_id)
        keep(store, run_id, "other")
        with pytest.raises(InputError, match="has 2 models"):
            digest("last")
        assert digest("last:other") == whole
        with pytest.raises(StoreError, match="does not exist"):
            digest("last:none")


def test_the_last_run_is_not_one_that_served_the_model(whole: str) -> None:
    with Store(paths.store()) as store:
        keep(store, make_run("one"), "model")
        for _ in range(2):
            make_run("front", kind="serve")
        assert digest("last") == digest("last:model") == whole
        with pytest.raises(InputError, match="has no model"):
            digest("last~1")


def test_a_logged_model(whole: str) -> None:
    with Store(paths.store()) as store:
        run_id = make_run("one")
        first, last = (log_model(store, run_id, "model") for _ in range(2))
        for text in (f"models:/{first}", first):
            with at(text) as found:
                assert (found.model_id, found.run_id) == (first, run_id)
        assert digest(first) == whole
        with at(f"runs:/{run_id}/model") as found:  # MLflow's clients call it so
            assert found.model_id == last
        models.append(store.root, last, {"type": "deleted"})
        with at("one") as found:
            assert found.model_id == first
        with pytest.raises(StoreError, match="not found"):
            digest(last)


def register(store: Store, source: str) -> None:
    version = resolve(store, lambda each: f"mlflow-artifacts:/{each}", StatedSource(source))
    registry.create(store.root, "credit")
    registry.register(store.root, "credit", version)


@pytest.fixture
def credit() -> Iterator[Store]:
    """credit/1 of a run's artifact, credit/2 of a logged model, @champion -> 1, Production -> 2."""
    with Store(paths.store()) as store:
        run_id = make_run("one")
        keep(store, run_id, "model")
        register(store, f"runs:/{run_id}/model")
        register(store, f"models:/{log_model(store, run_id, 'other')}")
        change.set_alias(store.root, "credit", "champion", 1, "me")
        change.transition(store.root, "credit", 2, "Production", False, "me")
        yield store


NAMED = [
    ("models:/credit/1", 1), ("credit/1", 1), ("models:/credit@champion", 1), ("credit@champion", 1),
    ("models:/credit/latest", 2), ("credit/latest", 2), ("models:/credit/Production", 2), ("credit/production", 2),
]  # fmt: skip


def test_registered_models(credit: Store, whole: str) -> None:
    for text, number in NAMED:
        with at(text) as found:
            assert (found.address, found.number) == (f"models:/credit/{number}", number), text
            assert mlmodel.read(found.folder).digest == whole
    for text in ("credit/9", "credit@none", "none/1", "models:/none/1", "credit/Staging"):
        with pytest.raises(InputError):
            digest(text)


def test_a_version_whose_files_changed_is_refused(credit: Store) -> None:
    with at("credit/1") as found:
        make_tree(found.folder, {"model.pkl": "other"})
    with pytest.raises(StoreError, match="not those that were registered"):
        digest("credit/1")
    assert digest("credit/2")


def test_a_server(credit: Store, whole: str, start: Start, tmp_path: object) -> None:
    """The same addresses, of another record: nothing of it is in this store."""
    server = start()
    shutil.copytree(credit.root, server.store, dirs_exist_ok=True)
    run_id, model_id = credit.resolve("one"), registry.get(credit.root, "credit").versions[2].model_id
    shutil.rmtree(credit.root)
    os.makedirs(credit.root)
    for text, number in NAMED:
        with at(text, server.url) as found:
            assert (found.address, found.number) == (f"{server.url}#models:/credit/{number}", number), text
            assert mlmodel.read(found.folder).digest == whole
    for text in (f"runs:/{run_id}/model", f"runs:/{run_id}/other", f"models:/{model_id}"):
        assert digest(text, server.url) == whole, text
    for text in (
        "models:/credit/9",
        "models:/none/1",
        "models:/credit/Odd",
        f"runs:/{run_id}/none",
        "runs:/x/y",
        "last",
    ):
        with pytest.raises(ProjError):
            digest(text, server.url)
    assert not os.listdir(paths.scratch("checkouts"))


def test_a_bundle(tmp_path: object, whole: str) -> None:
    top = str(tmp_path)
    members = {}
    for folder, _, names in os.walk(os.path.join(top, "plain")):
        members |= {
            f"run/artifacts/model/{name}": archive.Member(path=os.path.join(folder, name)) for name in names
        }
    archive.write(os.path.join(top, "bundle.zip"), members)
    assert digest(os.path.join(top, "bundle.zip")) == whole
    assert digest(os.path.join(top, "bundle.zip") + "#model") == whole
    for inside in ("none", "../../run"):
        with pytest.raises(InputError):
            digest(os.path.join(top, f"bundle.zip#{inside}"))
    assert not os.listdir(paths.scratch("checkouts"))


def test_what_is_no_model(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, {"data/a.csv": "1", "file": "x"})
    monkeypatch.chdir(str(tmp_path))
    for text, said in (
        ("./none", "there is no model at"),
        ("data", "no model of MLflow's format"),
        ("./data", "no model of MLflow's format"),
        ("nobody", "no run is called"),
        ("models:/m-" + "0" * 32, "not found"),
        ("file", "there is no such folder"),
    ):
        with pytest.raises(ProjError, match=said):
            digest(text)


def test_hints_lead_to_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be typed next is an address that finds it, or a command that there is."""
    monkeypatch.chdir(tmp_path)
    with Store(paths.store()) as store:
        run_id = make_run("two")
        keep(store, run_id, "a", "b")
        register(store, f"runs:/{run_id}/a")
    with pytest.raises(InputError, match="has 2 models") as many:
        digest("two")
    assert digest(many.value.hint.split()[0])
    with pytest.raises(InputError, match="which version") as which:
        digest("credit")
    assert digest(which.value.hint.split(",")[0])
    with pytest.raises(InputError, match="credit has no alias 'none'"):
        digest("credit@none")
    make_run("none")
    with pytest.raises(InputError, match="has no model") as none:
        digest("none")
    assert "proj artifacts ls" in none.value.hint


def test_a_place_stays_one_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_model(tmp_path / "credit" / "7")
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    monkeypatch.setattr(Silent, "note", lambda _, text: told.append(text))
    server = "http://127.0.0.1:1"
    for text in ("./credit/7", folder):
        assert digest(text, server) == mlmodel.read(folder).digest
        assert told.pop() == f"--from is not used: {text} is a place of its own, and in no record"
    with pytest.raises(
        ProjError, match="cannot be reached"
    ) as away:  # a folder of that name is not what is meant
        digest("credit/7", server)
    assert "sync" not in away.value.hint


def test_several_models_in_a_folder_are_named(tmp_path: object) -> None:
    for name in ("one", "two"):
        make_model(os.path.join(str(tmp_path), name))
    with pytest.raises(InputError, match="has 2 models:\n  one\n  two"):
        digest(str(tmp_path))
    assert digest(f"{tmp_path}#two")
    assert not os.path.isdir(paths.scratch("checkouts")) or not folders.contents(paths.scratch("checkouts"))
