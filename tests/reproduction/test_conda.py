"""A bundle of a run in a conda environment: its packages come along, those of its pip section too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import ThreadingHTTPServer

import pytest

from runner import paths
from tests.environments.conda.conftest import VERSION, Channel, channel  # noqa: F401 - a fixture
from tests.environments.conda.test_conda import Server
from tests.helpers import make_tree, proj
from tests.reproduction.worlds import LOG, ran, reproduced, result

pytestmark = pytest.mark.slow

FILES = {
    "MLproject": "conda_env: conda.yaml\nentry_points:\n  main:\n    outputs: [out.json]\n    command: python train.py\n",
    "train.py": (
        "import demo, factor, json\nfrom log import log\nvalue = demo.VERSION + factor.VALUE\n"
        "log('score', value)\njson.dump({'value': value}, open('out.json', 'w'))\n"
    ),
    "log.py": LOG,
}


@pytest.fixture
def world(tmp_path: object, channel: Channel, index: str, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811
    """A project whose channel, index and caches can be taken away."""
    own = f"{tmp_path}/a channel"  # with a space, as in many homes
    shutil.copytree(channel.folder, own)
    monkeypatch.setenv("RATTLER_CACHE_DIR", f"{tmp_path}/rattler")
    environment = (
        f"channels: ['{own}', nodefaults]\ndependencies: [python={VERSION}, demo, tool, {{pip: [factor]}}]\n"
    )
    return make_tree(f"{tmp_path}/demo", {**FILES, "conda.yaml": environment})


def forget(tmp_path: object, index: str) -> None:
    for folder in (index, paths.home(), f"{tmp_path}/demo", f"{tmp_path}/uv-cache", f"{tmp_path}/rattler"):
        shutil.rmtree(folder)
    shutil.rmtree(f"{tmp_path}/a channel")


def packed(run_id: str, path: str) -> list[str]:
    done = proj("bundle", run_id, "-o", path, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["lacking"] == []
    with zipfile.ZipFile(path) as archive:
        return [
            name.partition("/")[2].partition("/")[2] for name in archive.namelist() if name[:9] == "packages/"
        ]


def test_without_network_channel_cache_and_store(
    world: str, tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran(world)
    assert run.metrics["score"].value == 2
    path = f"{tmp_path}/run.zip"
    names = packed(run.run_id, path)
    assert {"conda.lock", "noarch/demo-1.0-h0_0.conda", "noarch/tool-2.0-h0_0.conda"} <= set(names)
    assert "pip/factor-1.0-py3-none-any.whl" in names
    packed(run.run_id, f"{tmp_path}/again.zip")
    with open(path, "rb") as one, open(f"{tmp_path}/again.zip", "rb") as two:
        assert one.read() == two.read()
    forget(tmp_path, index)
    monkeypatch.setenv("UV_CACHE_DIR", f"{tmp_path}/empty-cache")
    argv = [sys.executable, "-m", "runner", "reproduce", path, "--offline", "--json"]
    if os.geteuid() == 0 and shutil.which("unshare"):
        argv = ["unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh", *argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["verdict"] == "identical", done.stdout + done.stderr
    assert result(verdict, "score") == result(verdict, "out.json") == "identical"


def test_a_package_that_is_not_what_the_lock_means(world: str, tmp_path: object) -> None:
    run = ran(world)
    with open(f"{tmp_path}/a channel/noarch/tool-2.0-h0_0.conda", "ab") as file:
        file.write(b"more")
    done = proj("bundle", run.run_id, "-o", f"{tmp_path}/run.zip")
    assert done.code == 125
    assert "hash mismatch" in done.err
    assert "tool-2.0" in done.err
    os.unlink(f"{tmp_path}/a channel/noarch/tool-2.0-h0_0.conda")
    done = proj("bundle", run.run_id, "-o", f"{tmp_path}/run.zip")
    assert done.code == 125
    assert "tool-2.0" in done.err
    assert "--no-packages" in done.err
    assert not os.path.exists(f"{tmp_path}/run.zip")


def test_a_channel_that_asks_who_one_is(tmp_path: object, channel: Channel, home: str) -> None:  # noqa: F811
    """The login is in the user's configuration: packages are fetched with it, and the bundle does not tell it."""
    kind = type("Own", (Server,), {"folder": os.path.dirname(channel.folder), "requests": [], "token": ""})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files = {
        "MLproject": (
            "conda_env: conda.yaml\nentry_points:\n  main:\n    outputs: [out.txt]\n"
            '    command: cat "$CONDA_PREFIX/share/tool.txt" > out.txt\n'
        ),
        "conda.yaml": f"channels: [{os.path.basename(channel.folder)}, nodefaults]\ndependencies: [tool]\n",
    }
    make_tree(home, {".condarc": f"channel_alias: http://ada:secret@127.0.0.1:{server.server_port}\n"})
    path = f"{tmp_path}/run.zip"
    try:
        names = packed(ran(make_tree(f"{tmp_path}/demo", files)).run_id, path)
    finally:
        server.shutdown()
        server.server_close()
    assert sorted(names) == ["conda.lock", "noarch/dep-1.1-h0_0.conda", "noarch/tool-2.0-h0_0.conda"]
    with zipfile.ZipFile(path) as archive:
        ours = [name for name in archive.namelist() if not name.startswith("proj/")]
        assert not [name for name in ours if b"secret" in archive.read(name)]
    shutil.rmtree(paths.home())
    with_spaces = f"{tmp_path}/it's a home"  # where the packages of the bundle are laid out
    verdict = reproduced(path, "--offline", PROJ_HOME=with_spaces, RATTLER_CACHE_DIR=f"{with_spaces}/rattler")
    assert verdict["verdict"] == "identical", verdict
