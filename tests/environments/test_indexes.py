"""pip's configuration in uv's words."""

from __future__ import annotations

import os

import pytest

from runner.environments.python import indexes
from runner.errors import EnvironmentFailure
from runner.text.credentials import redact
from tests.environments.packages import make_wheel
from tests.environments.server import serving
from tests.environments.test_virtualenv import VERSION, output, prepare, project_with
from tests.helpers import make_tree


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)


def test_files_and_variables_the_later_wins(
    tmp_path: object, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(
        f"{home}/.config/pip",
        {
            "pip.conf": (
                "[global]\nindex-url = https://u:pass@one.example.org/simple\ntimeout = 9\n"
                f"find-links =\n    {tmp_path}\n    /none/wheels\n    https://w.example.org\n"
                "[install]\nextra_index_url = https://two.example.org/simple\ntrusted-host = one.example.org\n"
            )
        },
    )
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path}/none")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    found = indexes.settings()
    assert found.variables["UV_DEFAULT_INDEX"] == "https://u:pass@one.example.org/simple"
    assert found.variables["UV_INDEX"] == "https://two.example.org/simple"
    assert found.variables["UV_FIND_LINKS"] == f"{tmp_path},https://w.example.org"
    assert found.variables["UV_INSECURE_HOST"] == "one.example.org"
    assert found.variables["UV_HTTP_TIMEOUT"] == "7"
    assert "pass" not in str(found.identity)
    assert "one.example.org/simple" in str(found.identity)
    assert found.arguments == ()


def test_what_is_said_to_uv_itself_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example.org/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.example.org/simple")
    monkeypatch.setenv("UV_INDEX_URL", "https://uv.example.org/simple")
    found = indexes.settings()
    assert "UV_DEFAULT_INDEX" not in found.variables
    assert found.variables["UV_INDEX"] == "https://more.example.org/simple"


def test_no_index_pre_and_cert(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    monkeypatch.setenv("PIP_PRE", "1")
    monkeypatch.setenv("PIP_CERT", "~/cert.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    found = indexes.settings()
    assert found.arguments == ("--no-index",)
    assert found.variables["UV_PRERELEASE"] == "allow"
    assert found.variables["SSL_CERT_FILE"] == f"{home}/cert.pem"


def test_constraints_that_are_there(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, {"limits.txt": "tiny<2\n"})
    monkeypatch.setenv("PIP_CONSTRAINT", f"{tmp_path}/limits.txt {tmp_path}/none.txt")
    assert indexes.settings().constraints == (f"{tmp_path}/limits.txt",)


def test_pips_own_switch_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(path.endswith("pip.conf") for path in indexes.files())
    monkeypatch.delenv("PIP_CONFIG_FILE")
    assert any(path.endswith("pip.conf") for path in indexes.files())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--index-url https://u:p@h/simple", "--index-url https://h/simple"),
        ("https://token@h/simple x@y", "https://h/simple x@y"),
        ("pkg @ git+https://t:x@h/r.git@main", "pkg @ git+https://h/r.git@main"),
        ("git+ssh://git@h/r.git", "git+ssh://git@h/r.git"),
        ("git+ssh://git:pw@h/r.git", "git+ssh://git@h/r.git"),
        ("a==1 https://h/a@1", "a==1 https://h/a@1"),
    ],
)
def test_credentials_are_taken_out(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_credentials_are_given_back_to_the_line_that_stated_them() -> None:
    stated = ["pkg @ git+https://t:x@h/r.git@main", "--index-url https://u:p@h/simple"]
    line = "pkg @ git+https://h/r.git@0123"
    assert indexes.with_credentials(line, stated) == "pkg @ git+https://t:x@h/r.git@0123"


def test_stated_variables_hold_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://u:secret@h/simple")
    monkeypatch.setenv("UV_INDEX_HOME_PASSWORD", "secret")
    assert "secret" not in str(indexes.stated())
    assert os.environ["PIP_INDEX_URL"].endswith("h/simple")


def test_a_version_that_only_another_index_has(
    tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip finds it; an extra index that has older files of the same name must not hide it."""
    private = f"{tmp_path}/private"
    make_wheel(private, "tiny", "1.5")
    make_wheel(private, "newer", "1.0", ["tiny>=2"])
    with serving(index) as public, serving(private) as extra:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://{public}/simple")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"http://{extra}/simple")
        assert "tiny==1.5" in prepare(project_with(f"{tmp_path}/a", "tiny"), "python_env.yaml").lock
        assert "tiny==1.0" in prepare(project_with(f"{tmp_path}/b", "tiny==1.0"), "python_env.yaml").lock
        environment = prepare(project_with(f"{tmp_path}/c", "newer"), "python_env.yaml")
        assert output(environment, VERSION) == "2.0"


def test_netrc_is_read(tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, {"netrc": "machine 127.0.0.1\nlogin ada\npassword s3cret\n"})
    monkeypatch.setenv("NETRC", f"{tmp_path}/netrc")
    with serving(index, "ada", "s3cret") as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://{address}/simple")
        assert "tiny==2.0" in prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml").lock


KEYRING = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
[ "$1" = get ] && [ "$3" = ada ] && echo s3cret
"""


def test_keyring_is_asked_for_the_password(
    tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(f"{tmp_path}/bin", {"keyring*": KEYRING})
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with serving(index, "ada", "s3cret") as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://ada@{address}/simple")
        environment = prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml")
        assert output(environment, VERSION) == "2.0"
        with open(f"{tmp_path}/bin/asked", encoding="utf-8") as file:
            assert f"http://{address}" in file.read()
        for folder, _, names in os.walk(os.environ["PROJ_HOME"]):
            for name in names:
                with open(os.path.join(folder, name), "rb") as stored:
                    assert b"s3cret" not in stored.read(), name
        monkeypatch.setenv("PIP_KEYRING_PROVIDER", "disabled")
        with pytest.raises(EnvironmentFailure, match="refused us"):
            prepare(project_with(f"{tmp_path}/q", "other"), "python_env.yaml")
