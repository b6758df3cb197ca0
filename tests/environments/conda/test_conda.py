"""conda environments, really solved and installed from channels of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runner import environments, paths
from runner.environments.conda import lock as conda_lock
from runner.errors import EnvironmentFailure, InputError
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec
from tests.environments.conda.conftest import FULL, VERSION, Channel, run
from tests.environments.conftest import Recorder, settle
from tests.environments.server import serving
from tests.helpers import make_tree

Prepare = Callable[..., Environment]


def yaml(channel: Channel | str, *dependencies: str, more: str = "") -> str:
    url = channel if isinstance(channel, str) else channel.url
    return (
        f"name: x\nchannels: [{url}]\ndependencies:\n"
        + "".join(f"  - {each}\n" for each in dependencies)
        + more
    )


def test_python_and_packages(channel: Channel, prepare: Prepare, report: Recorder) -> None:
    text = yaml(channel, f"python={VERSION}", "demo", "tool <2")
    environment = prepare(text)
    assert run(environment, "python -c 'import sys, demo; demo.main(); print(sys.prefix)'").split("\n")[
        :2
    ] == [
        "demo from conda",
        environment.activation.prefix,
    ]
    assert run(environment, "cat $CONDA_PREFIX/share/tool.txt") == "1.0"
    assert environment.details["python"] == FULL
    assert environment.details["packages"] == 3
    report.steps.clear()
    assert prepare(text).key == environment.key
    assert report.steps == []


def test_the_lock_is_explicit_with_hashes(channel: Channel, prepare: Prepare) -> None:
    environment = prepare(yaml(channel, "tool"))
    assert environment.lock_name == "conda.lock"
    lines = environment.lock.splitlines()
    assert lines[0].startswith("# platform: ")
    assert lines[1] == "@EXPLICIT"
    locked = conda_lock.parse(environment.lock, "x")
    assert [each.parts[:2] for each in locked.packages] == [("dep", "1.1"), ("tool", "2.0")]
    for package in locked.packages:
        path = package.url.removeprefix("file://")
        assert (
            subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
            == package.digest
        )


def test_complaint_525_unpinned_packages_stay_as_they_were_locked(
    channel: Channel, prepare: Prepare, report: Recorder, tmp_path: object
) -> None:
    own = Channel(os.path.join(str(tmp_path), "own"))
    own.add("free", "1.0")
    own.index()
    text = yaml(own, "free")
    first = prepare(text)
    own.add("free", "2.0")
    own.index()
    shutil.rmtree(first.activation.prefix)  # gone by hand: built anew from the same lock
    assert run(prepare(text), "cat $CONDA_PREFIX/share/free.txt") == "1.0"
    assert run(prepare(text, refresh=True), "cat $CONDA_PREFIX/share/free.txt") == "2.0"
    assert "~ free 1.0 -> 2.0" in report.notes


def test_a_kept_lock_is_built_exactly(channel: Channel, prepare: Prepare) -> None:
    lock = prepare(yaml(channel, "tool=1.0")).lock
    assert run(prepare(yaml(channel, "tool"), kept_lock=lock), "cat $CONDA_PREFIX/share/tool.txt") == "1.0"


def test_a_package_that_is_not_the_locked_one_is_refused(
    channel: Channel, prepare: Prepare, tmp_path: object
) -> None:
    own = Channel(os.path.join(str(tmp_path), "own"))
    path = own.add("changed", "1.0")
    own.index()
    text = yaml(own, "changed")
    first = prepare(text)
    os.unlink(path)
    own.add("changed", "1.0", files={"share/changed.txt": "another content"})
    shutil.rmtree(first.activation.prefix)
    with pytest.raises(EnvironmentFailure, match="hash mismatch"):
        prepare(text)


def test_conflicts_are_a_readable_tree(channel: Channel, prepare: Prepare) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(yaml(channel, "tool=2.0", "old"))
    text = caught.value.message
    assert text.startswith(f"conda.yaml cannot be solved with {channel.url}:")
    assert "├─" in text or "└─" in text
    assert "dep" in text


def test_a_package_that_nobody_has(channel: Channel, prepare: Prepare) -> None:
    with pytest.raises(EnvironmentFailure, match="nonexistent"):
        prepare(yaml(channel, "nonexistent"))


def test_a_channel_that_is_not_there(prepare: Prepare, tmp_path: object) -> None:
    with pytest.raises(EnvironmentFailure, match="a channel cannot be read"):
        prepare(yaml(f"file://{tmp_path}/nowhere", "tool"))


def test_activation_scripts_take_effect_as_data(channel: Channel, prepare: Prepare) -> None:
    environment = prepare(yaml(channel, "acts", more="variables: {STATED: one two}\n"))
    prefix = environment.activation.prefix
    out = run(environment, 'printf "%s|" "$DEMO_HOME" "$DEMO_TEXT" "$DEMO_JSON" "$STATED" "${PATH%%:*}"')
    assert out == f"{prefix}/demo|two\nlines|yes|one two|{prefix}/extra|"
    assert not {"HOME", "PWD", "SHLVL", "PROJ_HELPER"} & set(environment.activation.variables)
    assert run(environment, 'echo "$_DEMO$HOMEMADE"') == "12\n"


def test_post_link_scripts_run_after_what_they_need(channel: Channel, prepare: Prepare) -> None:
    environment = prepare(yaml(channel, "links"))
    assert run(environment, "cat $CONDA_PREFIX/share/linked.txt") == "1.0links 3.1\n"


def test_conda_meta_is_complete(channel: Channel, prepare: Prepare) -> None:
    environment = prepare(yaml(channel, "tool"))
    with open(
        os.path.join(environment.activation.prefix, "conda-meta", "tool-2.0-h0_0.json"), encoding="utf-8"
    ) as file:
        record = json.load(file)
    assert record["depends"] == ["dep >=1"]
    assert record["noarch"] == "generic"
    assert record["sha256"]


def test_the_pip_section_is_locked_with_hashes(channel: Channel, prepare: Prepare) -> None:
    more = "  - pip:\n    - other\n    - -r more.txt\n"
    make_tree(os.path.join(os.path.dirname(os.getcwd()), "project"), {"more.txt": "tiny==1.0\n"})
    environment = prepare(yaml(channel, "python", "demo", more=more))
    assert run(environment, "python -c 'import tiny, other, demo; print(tiny.__file__)'").startswith(
        environment.activation.prefix
    )
    pip = conda_lock.parse(environment.lock, "x").pip
    assert [line.split()[0] for line in pip] == ["other==1.0", "tiny==1.0"]
    assert all("--hash=sha256:" in line for line in pip)
    assert environment.details["packages"] == 4


def test_pip_keeps_what_conda_installed(channel: Channel, prepare: Prepare, index: str) -> None:
    from tests.environments.packages import make_wheel

    make_wheel(index, "demo", "1.0")
    make_wheel(index, "demo", "2.0")
    make_wheel(index, "wantsdemo", "1.0", ["demo"])
    more = "  - pip:\n    - wantsdemo\n"
    environment = prepare(yaml(channel, "python", "demo", more=more))
    assert [line.split()[0] for line in conda_lock.parse(environment.lock, "x").pip] == ["wantsdemo==1.0"]
    assert run(environment, "python -c 'import demo; demo.main()'") == "demo from conda\n"
    # unless the section itself wants another version
    environment = prepare(yaml(channel, "python", "demo", more=more + "    - demo==2.0\n"))
    assert [line.split()[0] for line in conda_lock.parse(environment.lock, "x").pip] == [
        "demo==2.0",
        "wantsdemo==1.0",
    ]


def kept() -> list[str]:
    names = os.listdir(paths.cache("environments"))
    return [name.removesuffix(".ready") for name in names if name.endswith(".ready")]


def test_complaint_2455_a_failing_pip_section_leaves_nothing_that_is_reused(
    channel: Channel, prepare: Prepare, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.environments.packages import make_wheel

    monkeypatch.setenv("UV_NO_CACHE", "1")
    path = make_wheel(index, "later", "1.0")
    text = yaml(channel, "python", more="  - pip:\n    - later\n")
    lock = prepare(text).lock
    with open(path, "ab") as file:
        file.write(b"changed")
    assert len(kept()) == 1
    shutil.rmtree(paths.cache("environments", kept()[0]))
    with pytest.raises(EnvironmentFailure, match=r"pip section of conda\.yaml cannot be installed"):
        prepare(text)
    assert kept() == []
    make_wheel(index, "later", "1.0")
    assert prepare(text).lock == lock


def test_a_changed_environment_is_built_anew(channel: Channel, prepare: Prepare, report: Recorder) -> None:
    text = yaml(channel, "python", "demo")
    environment = prepare(text)
    site = os.path.join(environment.activation.prefix, "lib", f"python{VERSION}", "site-packages")
    make_tree(site, {"byhand-1.0.dist-info/METADATA": ""})
    environments.cache.release(environment.key)
    prepare(text)
    assert not os.path.exists(os.path.join(site, "byhand-1.0.dist-info"))
    os.unlink(os.path.join(environment.activation.prefix, "bin", "python"))
    environments.cache.release(environment.key)
    assert run(prepare(text), "python -c 'print(1)'") == "1\n"


def test_files_are_linked_from_the_cache(channel: Channel, prepare: Prepare) -> None:
    environment = prepare(yaml(channel, "python"))
    library = os.path.join(environment.activation.prefix, "lib", f"python{VERSION}", "argparse.py")
    assert os.stat(library).st_nlink > 1


def test_other_python_on_the_command_line(channel: Channel, prepare: Prepare) -> None:
    assert run(prepare(yaml(channel, "python=2.7", "tool"), python=VERSION), "python -c 'print(1)'") == "1\n"


def test_an_explicit_file_is_its_own_lock(channel: Channel, prepare: Prepare) -> None:
    lock = prepare(yaml(channel, "tool=1.0")).lock
    environment = prepare(lock)
    assert environment.lock == lock
    assert run(environment, "cat $CONDA_PREFIX/share/tool.txt") == "1.0"


def test_a_lock_of_another_platform(channel: Channel, prepare: Prepare) -> None:
    lock = prepare(yaml(channel, "tool")).lock.replace("# platform: linux-64", "# platform: win-64")
    with pytest.raises(EnvironmentFailure, match="is for win-64"):
        prepare(yaml(channel, "tool"), kept_lock=lock)


def test_offline_uses_what_is_cached(channel: Channel, prepare: Prepare) -> None:
    with pytest.raises(EnvironmentFailure):
        prepare(yaml("https://nowhere.invalid/x", "tool"), offline=True)


def test_without_py_rattler_the_error_says_what_to_install(channel: Channel, project: str) -> None:
    make_tree(project, {"conda.yaml": yaml(channel, "tool")})
    program = (
        "import sys; sys.modules['rattler'] = None\n"
        "from runner import environments; from runner.values import EnvironmentOptions, EnvironmentSpec, Silent\n"
        "from runner.errors import EnvironmentFailure\n"
        f"try: environments.prepare(EnvironmentSpec('conda', 'conda.yaml'), {project!r}, EnvironmentOptions(), Silent())\n"
        "except EnvironmentFailure as error: print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "py-rattler" in done.stdout
    assert "pip install 'proj-runner[conda]'" in done.stdout


def test_a_warm_environment_imports_nothing_heavy(channel: Channel, project: str) -> None:
    make_tree(project, {"conda.yaml": yaml(channel, "tool")})
    program = (
        "import sys; from runner import environments; from runner.values import EnvironmentOptions, EnvironmentSpec, Silent\n"
        f"environments.prepare(EnvironmentSpec('conda', 'conda.yaml'), {project!r}, EnvironmentOptions(), Silent())\n"
        "print(*({'rattler', 'yaml', 'asyncio', 'subprocess'} & set(sys.modules)))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True
    )  # makes folders of the home
    settle(project, os.path.join(project, "conda.yaml"), os.path.expanduser("~"))
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


# ---- channels ------------------------------------------------------------------------------------------------


def test_channel_priority_is_flexible_unless_condarc_says_strict(
    channel: Channel, prepare: Prepare, home: str, tmp_path: object
) -> None:
    first = Channel(os.path.join(str(tmp_path), "first"))
    first.add("tool", "0.5")
    first.index()
    both = f"channels: [{first.url}, {channel.url}]\ndependencies: ['tool{{}}']\n"
    # the first channel that has the package is used, though a later one has a newer version ...
    assert run(prepare(both.format("")), "cat $CONDA_PREFIX/share/tool.txt") == "0.5"
    # ... unless it has none that fits
    assert run(prepare(both.format(" >=2")), "cat $CONDA_PREFIX/share/tool.txt") == "2.0"
    make_tree(home, {".condarc": "channel_priority: strict\n"})
    with pytest.raises(EnvironmentFailure, match="cannot be solved"):
        prepare(both.format(" >=1.5"))
    make_tree(home, {".condarc": "channel_priority: disabled\n"})
    assert run(prepare(both.format("")), "cat $CONDA_PREFIX/share/tool.txt") == "2.0"
    assert (
        run(
            prepare(f"channels: [{channel.url}]\ndependencies: ['{first.url}::tool']\n"),
            "cat $CONDA_PREFIX/share/tool.txt",
        )
        == "0.5"
    )


class Server(SimpleHTTPRequestHandler):
    """A channel over HTTP for whoever says ada:secret."""

    requests: list[tuple[str, str]]
    folder: str
    token: str

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=self.folder)

    def do_GET(self) -> None:
        self.guarded(super().do_GET)

    def do_HEAD(self) -> None:
        self.guarded(super().do_HEAD)

    def guarded(self, answer: Callable[[], None]) -> None:
        self.requests.append((self.command, self.path))
        if self.token and self.path.startswith(self.token):
            self.path = self.path[len(self.token) :]
        elif self.token or self.headers.get("Authorization") != "Basic " + b64encode(b"ada:secret").decode():
            self.send_error(401)
            return
        answer()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(channel: Channel) -> Iterator[tuple[str, type[Server]]]:
    """Host and port, and the class that answers."""
    kind = type("Own", (Server,), {"folder": channel.folder, "requests": [], "token": ""})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", kind
    server.shutdown()
    server.server_close()


def secrets_kept(text: str) -> list[str]:
    """Files below PROJ_HOME that hold a text."""
    found = []
    for folder, _, names in os.walk(os.environ["PROJ_HOME"]):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                if text.encode() in file.read():
                    found.append(path)
    return found


def test_credentials_of_a_channel_are_used_and_kept_nowhere(
    server: tuple[str, type[Server]], prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _ = server
    monkeypatch.setenv("CHANNEL_PASSWORD", "secret")
    environment = prepare(yaml(f"'http://ada:${{CHANNEL_PASSWORD}}@{host}'", "tool"))
    assert run(environment, "cat $CONDA_PREFIX/share/tool.txt") == "2.0"
    assert f"http://{host}/noarch/tool-2.0-h0_0.conda#" in environment.lock
    assert [path for path in secrets_kept("ada:") if "conda-meta" not in path] == []
    assert secrets_kept("ada:secret") == []


def test_a_token_in_a_channel_is_kept_nowhere(
    server: tuple[str, type[Server]], prepare: Prepare, home: str
) -> None:
    host, kind = server
    kind.token = "/t/tk-4711"
    make_tree(home, {".condarc": f"custom_channels:\n  team: http://{host}/t/tk-4711\n"})
    kind.token = "/t/tk-4711/team"
    environment = prepare(yaml("team", "tool"))
    assert run(environment, "cat $CONDA_PREFIX/share/tool.txt") == "2.0"
    assert f"http://{host}/team/noarch/tool-2.0-h0_0.conda#" in environment.lock
    assert secrets_kept("tk-4711") == []


def test_refused_credentials_are_not_shown(server: tuple[str, type[Server]], prepare: Prepare) -> None:
    host, _ = server
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(yaml(f"'http://ada:wrong@{host}'", "tool"))
    assert "401" in caught.value.message
    assert "wrong" not in caught.value.message


def test_netrc_is_read(
    server: tuple[str, type[Server]], prepare: Prepare, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _ = server
    path = os.path.join(
        make_tree(home, {".netrc": "machine 127.0.0.1 login ada password secret\n"}), ".netrc"
    )
    os.chmod(path, 0o600)
    monkeypatch.setenv("NETRC", path)
    assert run(prepare(yaml(f"http://{host}", "tool")), "cat $CONDA_PREFIX/share/tool.txt") == "2.0"


def test_complaint_12411_the_users_channels_and_mirrors_are_honoured(
    server: tuple[str, type[Server]], channel: Channel, prepare: Prepare, home: str
) -> None:
    text = "dependencies: [tool]\n"
    make_tree(home, {".condarc": f"channels: [{channel.url}]\n"})
    environment = prepare(text)
    assert run(environment, "cat $CONDA_PREFIX/share/tool.txt") == "2.0"
    host, kind = server
    kind.token = "/mirror"
    mirrors = f"mirrored_channels:\n  far: ['http://{host}/mirror']\n"
    make_tree(home, {".condarc": f"channel_alias: https://nowhere.invalid\n{mirrors}"})
    mirrored = prepare("channels: [far]\n" + text)
    assert "https://nowhere.invalid/far/noarch/tool-2.0" in mirrored.lock
    assert kind.requests


def test_nodefaults(channel: Channel, prepare: Prepare, home: str) -> None:
    make_tree(home, {".condarc": f"channels: [{channel.url}]\n"})
    with pytest.raises(EnvironmentFailure, match="cannot be solved"):
        prepare("channels: [nodefaults]\ndependencies: [tool]\n")


# ---- the file --------------------------------------------------------------------------------------------------


def test_selectors_are_told_to_have_no_effect(channel: Channel, prepare: Prepare, report: Recorder) -> None:
    environment = prepare(f"channels: ['{channel.url}']\ndependencies:\n  - tool=1.0  # [linux]\n  - dep\n")
    assert any("selectors" in each and "conda.yaml:3" in each for each in report.warnings)
    assert environment.details["warnings"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("dependencies: [a\n", "conda.yaml:2: not YAML"),
        ("- a\n", "expected a mapping"),
        ("dependencies: {a: b}\n", "is a list of packages"),
        ("dependencies: [{npm: [a]}]\n", "no section of dependencies"),
        ("channels: {a: b}\n", "`channels` is a list"),
    ],
)
def test_faults_of_the_file(prepare: Prepare, text: str, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        prepare(text)


def test_a_file_that_is_not_there(project: str, report: Recorder) -> None:
    with pytest.raises(InputError, match=r"conda.yaml is not in"):
        environments.prepare(EnvironmentSpec("conda", "conda.yaml"), project, EnvironmentOptions(), report)


def test_passwords_in_the_pip_section_are_used_and_not_kept(
    channel: Channel, prepare: Prepare, index: str
) -> None:
    with serving(index, "ada", "s3cret") as host:
        url = f"http://ada:s3cret@{host}/files/tiny-1.0-py3-none-any.whl"
        environment = prepare(yaml(channel, "python", more=f"  - pip:\n    - tiny @ {url}\n"))
    assert run(environment, "python -c 'import tiny; print(tiny.VERSION)'") == "1.0\n"
    assert "tiny @ http://127.0.0.1" in environment.lock
    assert "s3cret" not in environment.lock + str(environment)
