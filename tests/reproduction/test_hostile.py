"""Bundles that somebody wrote by hand: each is refused as what it is, and nothing is written or read elsewhere."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from tests.helpers import make_repository, make_tree, proj
from tests.reproduction.worlds import ran

FILE, LINK, PIPE, FOLDER = (mode << 16 for mode in (0o100644, 0o120777, 0o010644, 0o040755))
MLPROJECT = "name: p\nentry_points:\n  main: {outputs: [out.txt], command: 'echo hi | tee out.txt'}\n"
ZEROS = "0" * 32


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, int]]:
    """Of a sound bundle, but for its list."""
    folder = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJ_HOME", str(folder / "home"))
        run = ran(make_repository(folder / "p", {"MLproject": MLPROJECT}))
        assert proj("bundle", run.run_id, "-o", f"{folder}/run.zip", "--no-packages").code == 0
    with zipfile.ZipFile(folder / "run.zip") as archive:
        found = {info.filename: (archive.read(info), info.external_attr) for info in archive.infolist()}
    del found["manifest-sha256.txt"]
    return found


def write(path: Path, members: dict[str, tuple[bytes, int]]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for name, (data, mode) in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, mode
            archive.writestr(info, data)
            lines.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        archive.writestr("manifest-sha256.txt", "".join(lines))
    return str(path)


HOSTILE: dict[str, dict[str, tuple[bytes, int]]] = {
    "a member behind a link": {"code/x": (b"{outside}", LINK), "code/x/prey": (b"pwned", FILE)},
    "a file that is a folder": {"code/x": (b"a", FILE), "code/x/y": (b"b", FILE)},
    "an absolute name": {"{outside}/prey": (b"x", FILE)},
    "a name with dots": {"code/../../prey": (b"x", FILE)},
    "a name with dots, written otherwise": {"code/%2E%2E/%2E%2E/prey": (b"x", FILE)},
    "a name with a slash, written otherwise": {"code/..%2F..%2Fprey": (b"x", FILE)},
    "a name with NUL": {"code/a%00b": (b"x", FILE)},
    "a name that is too long": {"code/" + "n" * 300: (b"x", FILE)},
    "a name that steers a terminal": {"code/\033]0;x\007": (b"x", FILE)},
    "a link that is too long": {"code/l": (b"a" * 5000, LINK)},
    "a link with NUL": {"code/l": (b"a\0b", LINK)},
    "a link to nothing": {"code/l": (b"", LINK)},
    "a link out of the code": {"code/l": (b"/etc/passwd", LINK)},
    "a log that is a link": {"run/events.jsonl": (b"/etc/passwd", LINK)},
    "output that is a link": {"run/output.log": (b"/etc/passwd", LINK)},
    "an artifact that is a link": {"run/artifacts/l": (b"/etc/passwd", LINK)},
    "a folder of artifacts that is a link": {"run/artifacts": (b"{outside}", LINK)},
    "packages that are a link": {"packages": (b"{outside}", LINK)},
    "a step that is a link": {f"steps/{ZEROS}/events.jsonl": (b"/etc/passwd", LINK)},
    "a step that is none": {"steps/abc/events.jsonl": (b"x", FILE)},
    "a pipe": {"code/f": (b"", PIPE)},
    "a folder that is a file": {"code/x": (b"", FILE), "code/x/": (b"", FOLDER)},
    "a folder elsewhere": {"code/../../prey/": (b"", FOLDER)},
    "a folder with content": {"code/d/": (b"x", FOLDER)},
    "a log without a run": {"run/events.jsonl": (b"{}\n[]\nnull\n", FILE)},
    "a log of a run without an id": {
        "run/events.jsonl": (b'{"type":"start","time":1,"run_id":"../../x"}\n{"type":"code","tree":"y"}\n', FILE)
    },
    "a log with a tree that is an option": {
        "run/events.jsonl": (
            b'{"type":"start","time":1,"run_id":"' + b"0" * 32 + b'"}\n{"type":"code","tree":"--help"}\n',
            FILE,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused(
    name: str, members: dict[str, tuple[bytes, int]], tmp_path: Path
) -> None:
    outside = make_tree(tmp_path / "outside", {"kept.txt": "kept"})
    more = {
        key.replace("{outside}", outside): (data.replace(b"{outside}", outside.encode()), mode)
        for key, (data, mode) in HOSTILE[name].items()
    }
    if "run/artifacts" in more:
        members = {key: value for key, value in members.items() if not key.startswith("run/artifacts/")}
    path = write(tmp_path / "run.zip", {**members, **more})
    done = proj("reproduce", path)
    assert done.code == 2, done
    assert done.err.startswith("error: ")
    assert "bug in proj" not in done.err
    assert "\033" not in done.err
    assert "root:" not in done.out + done.err
    assert os.listdir(outside) == ["kept.txt"]
    assert not [each for each in tmp_path.rglob("*") if each.name == "prey"]
    assert not os.path.exists(f"{os.environ['PROJ_HOME']}/store/runs/{ZEROS}")


def test_one_that_unpacks_to_more_than_there_is_room_for(
    members: dict[str, tuple[bytes, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from runner.errors import ProjError
    from runner.reproduction.bundle import archive

    path = write(tmp_path / "run.zip", {**members, "inputs/x": (b"0" * 5_000_000, FILE)})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1_000_000))
    with pytest.raises(ProjError, match="unpacks to"):
        archive.unpack(path, str(tmp_path / "there"))
    assert os.listdir(tmp_path / "there") == []


def test_nothing_of_ours_is_packed_with_somebody_elses_record(tmp_path: Path) -> None:
    """A store that was sent to us may have a link in the place of a file that a bundle takes along."""
    secret = make_tree(tmp_path / "ours", {"id_rsa": "-----BEGIN SECRET-----"})
    run = ran(make_repository(tmp_path / "p", {"MLproject": MLPROJECT}))
    folder = f"{os.environ['PROJ_HOME']}/store/runs/{run.run_id}"
    for name in ("output.log", "artifacts/out.txt"):
        os.unlink(f"{folder}/{name}")
        os.symlink(f"{secret}/id_rsa", f"{folder}/{name}")
    done = proj("bundle", run.run_id, "-o", f"{tmp_path}/run.zip", "--no-packages")
    assert "bug in proj" not in done.err
    if done.code == 0:
        with zipfile.ZipFile(tmp_path / "run.zip") as archive:
            assert all(b"SECRET" not in archive.read(name) for name in archive.namelist())
