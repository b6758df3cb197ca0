"""A bundle is all that a run needs: with no network, an empty cache and another store it gives the same."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from typing import Any
from urllib.parse import quote

import pytest

from runner import __version__, paths
from runner.environments.python import uv
from tests.environments.packages import make_wheel, package
from tests.helpers import make_repository, make_tree, proj
from tests.reproduction.worlds import DETERMINISTIC, LOG, MLPROJECT, TRAIN, ran, reproduced, result, store

FILES = {
    "MLproject": "python_env: env.yaml\nentry_points:\n  main:\n    inputs: [data.csv]\n    outputs: [out.json]\n    command: python train.py\n",
    "env.yaml": "dependencies: [factor]\n",
    "train.py": (
        "import factor, json\nfrom log import log\nvalue = factor.VALUE * len(open('data.csv').read())\n"
        "log('score', value)\njson.dump({'value': value}, open('out.json', 'w'))\n"
    ),
    "log.py": LOG,
    ".gitignore": "data.csv\nout.json\n",
    "run.sh*": "#!/bin/sh\n",
}


def bundle(run_id: str, path: object, *arguments: str) -> dict[str, Any]:
    done = proj("bundle", run_id, "-o", str(path), "--json", *arguments)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def packed(tmp_path: object, index: str) -> str:
    """A bundle of a run with packages and an input that git ignores; nothing else of it is left on the machine."""
    project = make_repository(f"{tmp_path}/demo", FILES)
    make_tree(project, {"data.csv": "1,2,3\n", "new.txt": "untracked"})
    os.symlink("new.txt", f"{project}/link")
    run = ran(project)
    found = bundle(run.run_id, f"{tmp_path}/run.zip")
    assert found["lacking"] == []
    return str(found["path"])


@pytest.fixture
def any_bundle(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """The same, made once, for tests that only look into the file."""
    kept = os.path.join(str(tmp_path_factory.getbasetemp()), "any-bundle.zip")
    if not os.path.exists(kept):
        shutil.copyfile(request.getfixturevalue("packed"), kept)
    return kept


def forget(tmp_path: object, index: str) -> None:
    for folder in (index, paths.home(), f"{tmp_path}/demo", f"{tmp_path}/uv-cache"):
        shutil.rmtree(folder)


@pytest.mark.slow
def test_without_network_cache_and_store(
    packed: str, tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And packed a second time, it is the same file."""
    run_id = os.listdir(os.path.join(paths.store(), "runs"))[0]
    proj("reproduce", run_id)  # what comes later is not part of the run
    bundle(run_id, f"{tmp_path}/again.zip")
    with open(packed, "rb") as one, open(f"{tmp_path}/again.zip", "rb") as two:
        assert one.read() == two.read()
    forget(tmp_path, index)
    monkeypatch.setenv("UV_CACHE_DIR", f"{tmp_path}/empty-cache")
    argv = [sys.executable, "-m", "runner", "reproduce", packed, "--offline", "--json"]
    if os.geteuid() == 0 and shutil.which("unshare"):
        # a network namespace of its own: the loopback has to be switched on for the endpoint of the run
        argv = ["unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh", *argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["verdict"] == "identical", done.stdout + done.stderr
    assert result(verdict, "score") == result(verdict, "out.json") == "identical"
    assert done.returncode == 0
    assert store().read(verdict["run_id"]).metrics["score"].value == 6


def tampered(path: str, target: str, change: Any) -> str:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(info, data)
        if extra := change("", b""):
            new.writestr("code/evil.py", extra)
    return target


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda name, data: data + b"#" if name == "code/train.py" else data, "code/train.py"),
        (lambda name, data: None if name == "code/log.py" else data, "code/log.py"),
        (lambda name, data: data if name else b"evil", "code/evil.py"),
    ],
    ids=["changed", "removed", "added"],
)
def test_a_tampered_bundle_is_refused(any_bundle: str, tmp_path: object, change: Any, named: str) -> None:
    shutil.rmtree(paths.store(), ignore_errors=True)
    done = proj("reproduce", tampered(any_bundle, f"{tmp_path}/bad.zip", change))
    assert done.code == 2
    assert named in done.err
    assert "refused" in done.err
    assert not os.path.exists(os.path.join(paths.store(), "runs"))


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil-of-proj", "code/../../evil", "code//x"])
def test_members_cannot_escape(tmp_path: object, name: str) -> None:
    from hashlib import sha256

    path = f"{tmp_path}/bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
        archive.writestr("manifest-sha256.txt", f"{sha256(b'x').hexdigest()}  {name}\n")
    done = proj("reproduce", path)
    assert done.code == 2
    assert "leads out" in done.err
    assert not os.path.exists(f"{tmp_path}/evil")
    assert not os.path.exists("/tmp/evil-of-proj")


@pytest.mark.parametrize("content", [b"", b"PK\3\4 not a zip", None])
def test_what_is_no_bundle(tmp_path: object, content: bytes | None) -> None:
    path = f"{tmp_path}/bad.zip"
    if content is not None:
        make_tree(tmp_path, {"bad.zip": content})
    done = proj("reproduce", path)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_large_input_is_left_out_and_named(tmp_path: object) -> None:
    files = {
        **DETERMINISTIC,
        "MLproject": MLPROJECT.replace("    outputs", "    inputs: [big.bin]\n    outputs"),
    }
    project = make_repository(f"{tmp_path}/demo", {**files, ".gitignore": "big.bin\n"})
    make_tree(project, {"big.bin": b"x" * 5000})
    run = ran(project)
    found = bundle(run.run_id, f"{tmp_path}/small.zip", "--max-input", "1k")
    assert any("big.bin" in each for each in found["lacking"])
    with zipfile.ZipFile(f"{tmp_path}/small.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith("inputs/")]


def test_a_page_to_read(tmp_path: object) -> None:
    project = make_tree(f"{tmp_path}/demo", {**DETERMINISTIC, "train.py": TRAIN + "# <script>\n"})
    run = ran(project, "--run-name", "<b>bold</b>")
    bundle(run.run_id, f"{tmp_path}/run.zip")
    with zipfile.ZipFile(f"{tmp_path}/run.zip") as archive:
        page = archive.read("ro-crate-preview.html").decode()
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    assert "loss" in page
    assert "code/train.py" in page


@pytest.mark.slow
def test_it_can_be_made_again_by_hand(tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its page and pip alone: its packages, what the project itself is built with, its inputs, empty folders."""
    make_wheel(index, "helper", "1.0")
    wheel = {"files": {"pkg/__init__.py": "src/pkg/__init__.py"}, "scripts": "pkg-run = pkg:main\n"}
    code = "import os, factor\ndef main():\n    print(factor.VALUE, open('d.csv').read(), os.listdir('empty'), file=open('out.txt', 'w'))\n"
    files = {**package(wheel, "factor"), "src/pkg/__init__.py": code, ".gitignore": "d.csv\nout.txt\n"}
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["helper"]')
    files["packer.py"] = f"import helper\n{files['packer.py']}"
    files["MLproject"] = (
        "entry_points:\n  main:\n    inputs: [d.csv]\n    outputs: [out.txt]\n    command: pkg-run\n"
    )
    project = make_repository(f"{tmp_path}/demo", files)
    make_tree(project, {"d.csv": "1"})
    os.mkdir(f"{project}/empty")
    run = ran(project)
    assert bundle(run.run_id, f"{tmp_path}/run.zip")["lacking"] == []
    forget(tmp_path, index)
    monkeypatch.setenv("UV_CACHE_DIR", f"{tmp_path}/empty-cache")
    assert reproduced(f"{tmp_path}/run.zip", "--offline")["verdict"] == "identical"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", f"{tmp_path}/run.zip", f"{tmp_path}/hand"], check=True
    )
    with open(f"{tmp_path}/hand/README.md") as file:
        recipe = file.read().partition("## By hand")[2]
    script = "\n".join(line[4:] for line in recipe.splitlines() if line.startswith("    "))
    monkeypatch.setenv(
        "PATH", f"{os.path.dirname(os.path.realpath(sys.executable))}{os.pathsep}{os.environ['PATH']}"
    )
    subprocess.run(["bash", "-ec", script], cwd=f"{tmp_path}/hand", check=True, capture_output=True)
    with open(f"{tmp_path}/hand/code/out.txt") as file:
        assert file.read() == "1 1 []\n"


def test_the_proj_that_packed_it_is_in_it(any_bundle: str, tmp_path: object) -> None:
    with zipfile.ZipFile(any_bundle) as archive:
        (name,) = (each for each in archive.namelist() if each.startswith("proj/"))
        archive.extract(name, str(tmp_path))
    argv = [
        uv.executable(),
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        f"{tmp_path}/site",
    ]
    subprocess.run([*argv, f"{tmp_path}/{name}"], check=True)
    show = [sys.executable, "-S", "-c", "import runner; print(runner.__file__, runner.__version__)"]
    done = subprocess.run(
        show, env={"PYTHONPATH": f"{tmp_path}/site"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}/site/runner/__init__.py {__version__}\n"


def test_a_run_without_a_snapshot_cannot_be_packed(tmp_path: object) -> None:
    with store().create_run(kind="client") as writer:
        writer.end("FINISHED")
    done = proj("bundle", writer.run_id, "-o", f"{tmp_path}/run.zip")
    assert done.code == 125
    assert "snapshot" in done.err


def test_it_is_a_workflow_run_crate(any_bundle: str, tmp_path: object) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    with zipfile.ZipFile(any_bundle) as archive:
        archive.extractall(f"{tmp_path}/crate")
    crate = rocrate.ROCrate(f"{tmp_path}/crate")
    assert crate.mainEntity.id == "code/MLproject"
    (action,) = crate.get_by_type("CreateAction")
    assert action["instrument"].id == "code/MLproject"
    assert {each["name"] for each in action["result"]} == {"out.json", "score"}
    ids = {each.id for each in crate.get_entities()}
    with open(f"{tmp_path}/crate/ro-crate-metadata.json") as file:
        graph = json.load(file)["@graph"]
    for entity in graph:
        for value in entity.values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict) and not each["@id"].startswith("http"):
                    assert each["@id"] in ids, each
    by_id = {each["@id"]: each for each in graph}
    with open(f"{tmp_path}/crate/manifest-sha256.txt") as file:
        known = dict(reversed(line.rstrip("\n").split("  ")) for line in file)
    for name, digest in known.items():
        if name not in ("ro-crate-metadata.json", "ro-crate-preview.html") and not name.endswith("/"):
            assert by_id[quote(name)]["sha256"] == digest
    programs = {
        each["name"]: each["softwareVersion"] for each in graph if each["@type"] == "SoftwareApplication"
    }
    assert programs == {"Python": platform.python_version(), "factor": "1.0", "proj-runner": __version__}
    assert by_id["#result-score"]["value"] == 6
    assert [by_id[each["@id"]]["@type"] for each in listed(by_id[action.id]["object"])] == ["File"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["workflow-run-crate", "process-run-crate"])
def test_the_validator_of_ro_crates_accepts_it(any_bundle: str, tmp_path: object, profile: str) -> None:
    pytest.importorskip("rocrate_validator")
    with zipfile.ZipFile(any_bundle) as archive:
        archive.extractall(f"{tmp_path}/crate")
    script = os.path.join(os.path.dirname(__file__), "validate_crate.py")
    argv = [sys.executable, script, f"{tmp_path}/crate", profile]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    name = f"{tmp_path}/crate/ro-crate-metadata.json"
    with open(name) as file:
        crate = json.load(file)
    (action,) = (each for each in crate["@graph"] if each["@type"] == "CreateAction")
    del action["instrument"]
    with open(name, "w") as file:  # a test that cannot fail tells nothing
        json.dump(crate, file)
    assert subprocess.run(argv, capture_output=True, check=False, timeout=100).returncode == 1


@pytest.mark.slow
def test_the_steps_of_a_run_come_along(tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the packages that it had, though newer ones are out."""
    files = {
        "MLproject": (
            "entry_points:\n  main: {command: proj run . -e step}\n"
            "  step:\n    environment: env.yaml\n    command: python step.py\n"
        ),
        "env.yaml": "dependencies: [factor]\n",
        "step.py": "import factor\nfrom log import log\nlog('score', factor.VALUE)\n",
        "log.py": LOG,
    }
    run = ran(make_tree(f"{tmp_path}/demo", files))
    make_wheel(index, "factor", "2.0", modules={"factor.py": "VALUE = 2\n"})
    proj("run", f"{tmp_path}/demo", "--refresh", "-e", "step")  # what a step would take by itself now
    assert result(reproduced(run), "step: score") == "identical"
    bundle(run.run_id, f"{tmp_path}/steps.zip")
    forget(tmp_path, index)
    monkeypatch.setenv("UV_CACHE_DIR", f"{tmp_path}/empty-cache")
    verdict = reproduced(f"{tmp_path}/steps.zip", "--offline")
    assert verdict["verdict"] == "identical", verdict
    assert result(verdict, "step: score") == "identical"


def test_files_may_have_any_names(tmp_path: object) -> None:
    """What a ZIP, or a list with one name a line, cannot hold comes out as it went in."""
    names = [
        b"a\xff.txt",
        b"back\\slash",
        b"new\nline",
        b"50%25 %FF%.txt",
        "\u2028\x85größe".encode(),
        b"\x1b[31m",
        b"d\xfe/x",
    ]
    files = {os.fsdecode(name): name for name in names}
    mlproject = "entry_points:\n  main:\n    outputs: [out]\n    command: sum=$(LC_ALL=C ls -R | sha256sum); mkdir -p out; cp *.txt out/; echo $sum > out/sum\n"
    project = make_repository(f"{tmp_path}/demo", {**files, "MLproject": mlproject})
    run = ran(project)
    found = bundle(run.run_id, f"{tmp_path}/run.zip")
    with zipfile.ZipFile(found["path"]) as archive:
        assert all(name.isprintable() or "\u2028" in name for name in archive.namelist())
        page = archive.read("ro-crate-preview.html").decode()
        json.loads(archive.read("ro-crate-metadata.json").decode())
    assert "a%25FF.txt" in page
    shutil.rmtree(project)
    shutil.rmtree(paths.home())
    again = reproduced(found["path"])
    assert (again["verdict"], again["exit_code"]) == ("identical", 0), again


def test_an_input_outside_of_the_project_comes_along(tmp_path: object) -> None:
    data = make_tree(tmp_path, {"beside/x.csv": "1\n"}) + "/beside/x.csv"
    main = f"entry_points: {{main: {{command: 'cat {data} > out', inputs: [{data}], outputs: [out]}}}}\n"
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": main}))
    bundle(run.run_id, f"{tmp_path}/run.zip")
    os.unlink(data)
    assert reproduced(f"{tmp_path}/run.zip")["verdict"] == "identical"
