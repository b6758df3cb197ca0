"""All the ways in which people write down a repository, a version and a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import InputError
from runner.sources.credentials import for_git
from runner.sources.git.location import Location, is_git, parse, resolve_relative
from runner.text.credentials import Credentials, redact, split
from tests.helpers import git, make_repository


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://host/o/r", Location("https://host/o/r")),
        ("https://host/o/r.git", Location("https://host/o/r.git")),
        ("https://host:8443/o/r", Location("https://host:8443/o/r")),
        ("git+https://host/o/r.git@v1#sub", Location("https://host/o/r.git", "v1", "sub")),
        ("git+ssh://git@host/o/r@main", Location("ssh://git@host/o/r", "main")),
        ("ssh://git@host:22/o/r.git", Location("ssh://git@host:22/o/r.git")),
        ("git@host:o/r.git", Location("git@host:o/r.git")),
        ("git@host:o/r.git@feature/x#a/b", Location("git@host:o/r.git", "feature/x", "a/b")),
        ("git@host:o/r@v1", Location("git@host:o/r", "v1")),
        ("host:o/r", Location("host:o/r")),
        ("git://host/r", Location("git://host/r")),
        ("https://host/o/r@feature/x", Location("https://host/o/r", "feature/x")),
        ("https://host/o/r#subdirectory=a/b", Location("https://host/o/r", "", "a/b")),
        ("https://host/o/r#./a/../b/", Location("https://host/o/r", "", "b")),
        ("https://host/o/r#v1.2/x.y", Location("https://host/o/r", "", "v1.2/x.y")),
        ("https://host/o/r#", Location("https://host/o/r")),
        ("file:///srv/r#sub", Location("file:///srv/r", "", "sub")),
        # pasted from a browser
        ("https://github.com/o/r/tree/main", Location("https://github.com/o/r", page="main")),
        ("https://github.com/o/r/tree/dev/sub/dir", Location("https://github.com/o/r", page="dev/sub/dir")),
        (
            "https://github.com/o/r/tree/dev/sub?tab=readme",
            Location("https://github.com/o/r", page="dev/sub"),
        ),
        ("https://github.com/o/r/tree/a%20b/c", Location("https://github.com/o/r", page="a b/c")),
        (
            "https://github.com/o/r/blob/main/sub/MLproject",
            Location("https://github.com/o/r", page="main/sub"),
        ),
        ("https://github.com/o/r/blob/main/MLproject", Location("https://github.com/o/r", page="main")),
        ("https://github.com/o/r/commit/abc123", Location("https://github.com/o/r", page="abc123")),
        ("https://gitlab.com/g/s/r/-/tree/main/sub", Location("https://gitlab.com/g/s/r", page="main/sub")),
        ("https://bitbucket.org/o/r/src/main/sub/", Location("https://bitbucket.org/o/r", page="main/sub")),
        ("https://codeberg.org/o/r/src/branch/dev/sub", Location("https://codeberg.org/o/r", page="dev/sub")),
        ("https://host/o/tree", Location("https://host/o/tree")),
        ("https://host/o/r/tree/main#sub", Location("https://host/o/r", "", "sub", page="main")),
        # credentials
        ("https://u:p%40w@host/o/r@v1", Location("https://host/o/r", "v1", "", Credentials("u", "p%40w"))),
        ("https://TOKEN@host/o/r", Location("https://host/o/r", "", "", Credentials("TOKEN"))),
        ("ssh://git:pw@host/o/r", Location("ssh://git@host/o/r", "", "", Credentials("", "pw"))),
    ],
)
def test_parse(uri: str, expected: Location) -> None:
    assert is_git(uri)
    assert parse(uri) == expected


def test_parse_on_disk(tmp_path: Path) -> None:
    work = make_repository(tmp_path / "with@at", {"a": "a"})
    git(tmp_path, "clone", "-q", "--bare", work, str(tmp_path / "bare.git"))
    assert parse(str(tmp_path / "bare.git")) == Location(str(tmp_path / "bare.git"))
    assert parse(f"{tmp_path}/bare.git@v1#sub") == Location(str(tmp_path / "bare.git"), "v1", "sub")
    assert parse(f"{work}@feature/x") == Location(work, "feature/x")
    assert parse(f"file://{work}") == Location(f"file://{work}")
    assert parse(f"file://{work}@v1") == Location(f"file://{work}", "v1")
    assert not is_git(str(tmp_path / "nothing"))
    assert not is_git(str(tmp_path / "nothing@v1"))


@pytest.mark.parametrize(
    "uri", ["C:\\work\\project", "C:/work", "./sub:dir/x", "name", "ftp://host/r", "s3://b/k", ""]
)
def test_complaint_5998_what_is_no_git_url(uri: str) -> None:
    assert not is_git(uri)


@pytest.mark.parametrize("inside", ["..", "../x", "a/../../x", "/etc", "a/../.."])
def test_a_folder_outside_the_repository_is_refused(inside: str) -> None:
    with pytest.raises(InputError, match="leads out"):
        parse(f"https://u:secret@host/o/r#{inside}")
    with pytest.raises(InputError) as caught:
        parse(f"https://u:secret@host/o/r#{inside}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("version", ["--upload-pack=touch x", "-q", "a b", "a\nb"])
def test_a_version_is_not_an_option(version: str) -> None:
    with pytest.raises(InputError, match="name of a version"):
        parse("https://host/o/r", version)


def test_two_versions_must_agree() -> None:
    assert parse("https://host/o/r@v1", "v1").version == "v1"
    with pytest.raises(InputError, match="two versions"):
        parse("https://host/o/r@v1", "v2")


def test_half_of_a_password_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        parse("https://user:se/cret@host/o/r")
    assert "cret" not in caught.value.message + caught.value.hint.replace("special characters", "")


@pytest.mark.parametrize(
    ("url", "parent", "expected"),
    [
        ("../lib", "https://host/o/r.git", "https://host/o/lib"),
        ("../../x/lib.git", "https://host/o/r/", "https://host/x/lib.git"),
        ("./lib", "https://host/o/r", "https://host/o/r/lib"),
        ("../lib", "git@host:o/r", "git@host:o/lib"),
        ("../../lib", "git@host:o/r", "git@host:lib"),
        ("../lib", "git@host:r", "git@host:lib"),
        ("../lib", "/srv/git/r", "/srv/git/lib"),
        ("../lib", "file:///srv/r", "file:///srv/lib"),
        ("https://other/lib", "https://host/o/r", "https://other/lib"),
    ],
)
def test_relative_urls_of_submodules(url: str, parent: str, expected: str) -> None:
    assert resolve_relative(url, parent) == expected


def test_credentials_are_taken_out_of_texts() -> None:
    text = "fatal: could not read from 'https://u:p@host/r', also https://TOKEN@host and ssh://git:pw@h/x"
    assert redact(text) == "fatal: could not read from 'https://host/r', also https://host and ssh://git@h/x"
    assert redact("remote: bad token abcdef", ["abcdef"]) == "remote: bad token ***"
    assert split("https://host/x@y") == ("https://host/x@y", Credentials())
    assert split("https://u:p@w@host/x?q=a@b")[0] == "https://host/x?q=a@b"


def test_git_gets_credentials_in_variables_only() -> None:
    variables = for_git("https://host:444/o/r", Credentials("me", "p%2Fw"))
    assert variables["PROJ_GIT_PASSWORD"] == "p/w"
    assert not any("p/w" in value for key, value in variables.items() if key.startswith("GIT_CONFIG"))
    assert for_git("https://host/o/r", Credentials()) == {}
