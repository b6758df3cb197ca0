"""Git sources against real repositories: versions, folders, submodules, the cache, parallel and killed fetches."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner import paths, sources
from runner.errors import InputError, ProjError, SourceError
from runner.snapshots import snapshot
from runner.sources.git import kind as git_source
from runner.sources.git import mirror
from runner.values import Checkout, Silent
from tests.helpers import git, make_repository, make_tree, proj, some
from tests.snapshots.test_snapshot import contents, fingerprint


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """Three commits: main (HEAD), an old one, and a branch `feature/x`; tags v1 (light) and v2 (annotated)."""
    root = make_repository(tmp_path / "remote", {"MLproject": "name: one\n", "version.txt": "1\n"})
    git(root, "tag", "v1")
    make_tree(root, {"version.txt": "2\n", "sub/dir.x/MLproject": "name: two\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "second")
    git(root, "tag", "-a", "v2", "-m", "annotated")
    git(root, "checkout", "-qb", "feature/x")
    make_tree(root, {"version.txt": "x\n"})
    git(root, "commit", "-qam", "on a branch")
    git(root, "checkout", "-q", "main")
    make_tree(root, {"version.txt": "3\n"})
    git(root, "commit", "-qam", "third")
    return root


def fetched(uri: str, version: str = "") -> Checkout:
    return sources.fetch(uri, version, Silent())


def version_of(checkout: Checkout) -> str:
    return Path(checkout.root, "version.txt").read_text().strip()


def left_behind() -> list[str]:
    """What is in the checkouts' folder and in the mirrors' lists of work trees."""
    found = []
    for top in (paths.cache("checkouts"), paths.cache("tmp")):
        found += os.listdir(top) if os.path.isdir(top) else []
    mirrors = paths.cache("git")
    for name in os.listdir(mirrors) if os.path.isdir(mirrors) else []:
        trees = os.path.join(mirrors, name, "worktrees")
        found += os.listdir(trees) if os.path.isdir(trees) else []
        found += [name] if name.endswith(".new") else []
    return found


def test_complaint_5718_default_branch_of_the_remote(remote: str) -> None:
    git(remote, "branch", "-m", "main", "trunk")
    checkout = fetched(f"file://{remote}")
    assert (checkout.branch, checkout.version, checkout.commit) == (
        "trunk",
        "",
        git(remote, "rev-parse", "HEAD"),
    )
    assert (checkout.kind, checkout.repository, checkout.uri) == (
        "git",
        f"file://{remote}",
        f"file://{remote}",
    )
    assert version_of(checkout) == "3"
    assert os.path.basename(checkout.directory) == "remote"
    sources.release(checkout)
    assert left_behind() == []


@pytest.mark.parametrize(
    ("version", "content", "branch"),
    [("main", "3", "main"), ("feature/x", "x", "feature/x"), ("v1", "1", ""), ("v2", "2", ""),
     ("refs/heads/feature/x", "x", "feature/x"), ("tags/v2", "2", "")],
)  # fmt: skip
def test_complaint_6821_versions_by_name(version: str, content: str, branch: str, remote: str) -> None:
    for uri, given in ((f"file://{remote}", version), (f"git+file://{remote}@{version}", "")):
        checkout = fetched(uri, given)
        assert (version_of(checkout), checkout.version, checkout.branch) == (content, version, branch)
        assert checkout.commit == git(remote, "rev-parse", f"{version}^{{commit}}")
        sources.release(checkout)


@pytest.mark.parametrize("length", [40, 12, 7])
@pytest.mark.parametrize("warm", [False, True])
def test_complaint_5301_an_old_commit(length: int, warm: bool, remote: str) -> None:
    if warm:
        sources.release(fetched(f"file://{remote}", "v1"))
    commit = git(remote, "rev-parse", "v2^{commit}")
    checkout = fetched(f"file://{remote}", commit[:length])
    assert (checkout.commit, version_of(checkout), checkout.branch) == (commit, "2", "")


def test_a_commit_that_only_an_unusual_ref_holds(remote: str) -> None:
    git(remote, "checkout", "-q", "--detach")
    make_tree(remote, {"version.txt": "pull\n"})
    git(remote, "commit", "-qam", "a pull request")
    commit = git(remote, "rev-parse", "HEAD")
    git(remote, "update-ref", "refs/pull/7/head", commit)
    git(remote, "checkout", "-q", "main")
    assert version_of(fetched(f"file://{remote}", "pull/7/head")) == "pull"
    shutil.rmtree(paths.cache("git"))
    assert version_of(fetched(f"file://{remote}", commit)) == "pull"


def test_a_branch_that_looks_like_a_commit(remote: str) -> None:
    git(remote, "branch", "deadbeef", "v1")
    assert version_of(fetched(f"file://{remote}", "deadbeef")) == "1"


def test_a_branch_that_moved_and_one_that_was_rewritten(remote: str) -> None:
    sources.release(fetched(f"file://{remote}"))
    make_tree(remote, {"version.txt": "4\n"})
    git(remote, "commit", "-qam", "fourth")
    assert version_of(fetched(f"file://{remote}")) == "4"
    old = git(remote, "rev-parse", "HEAD")
    git(remote, "reset", "-q", "--hard", "v1")
    make_tree(remote, {"version.txt": "5\n"})
    git(remote, "commit", "-qam", "rewritten")
    git(remote, "reflog", "expire", "--expire=now", "--all")
    git(remote, "gc", "-q", "--prune=now")
    assert version_of(fetched(f"file://{remote}")) == "5"
    assert version_of(fetched(f"file://{remote}", old)) == "4"  # it was run once: the mirror keeps it


def test_complaint_6821_unknown_version_names_close_ones(remote: str) -> None:
    with pytest.raises(InputError) as caught:
        fetched(f"file://{remote}", "featur/x")
    assert "no branch, tag or commit featur/x" in caught.value.message
    assert "feature/x" in caught.value.hint
    with pytest.raises(InputError, match="no branch, tag or commit 1234567"):
        fetched(f"file://{remote}", "1234567")
    with pytest.raises(InputError, match="no branch, tag or commit"):
        fetched(f"file://{remote}", "12345678" * 5)
    assert left_behind() == []


def test_complaint_2933_a_folder_of_the_repository(remote: str) -> None:
    checkout = fetched(f"file://{remote}#sub/dir.x")
    assert os.listdir(checkout.directory) == ["MLproject"]
    assert (checkout.subdirectory, checkout.uri) == ("sub/dir.x", f"file://{remote}#sub/dir.x")
    assert os.path.exists(os.path.join(checkout.directory, "../../version.txt"))
    with pytest.raises(InputError, match="no folder nowhere"):
        fetched(f"file://{remote}#nowhere")
    with pytest.raises(InputError, match="no folder sub at v1"):
        fetched(f"file://{remote}@v1#sub")
    with pytest.raises(InputError) as caught:
        fetched(f"file://{remote}#sub@v1")
    assert caught.value.hint == f"the version comes before the folder: file://{remote}@v1#sub"


def test_a_link_out_of_the_repository_is_no_folder_of_it(remote: str) -> None:
    os.symlink("/etc", f"{remote}/evil")
    git(remote, "add", "-A")
    git(remote, "commit", "-qm", "evil")
    with pytest.raises(InputError, match="leads out"):
        fetched(f"file://{remote}#evil")
    assert left_behind() == []


@pytest.mark.parametrize(
    ("page", "content", "inside"),
    [("tree/main", "3", ""), ("tree/feature/x/sub/dir.x", "x", "sub/dir.x"), ("tree/v1", "1", ""),
     ("blob/feature/x/sub/dir.x/MLproject", "x", "sub/dir.x")],
)  # fmt: skip
def test_complaint_1794_a_pasted_web_address(
    page: str, content: str, inside: str, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "file://{tmp_path}/"]\n\tinsteadOf = https://github.com/owner/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    checkout = fetched(f"https://github.com/owner/remote/{page}")
    assert (version_of(checkout), checkout.subdirectory) == (content, inside)
    assert checkout.repository == "https://github.com/owner/remote"
    short = git(remote, "rev-parse", "v2^{commit}")[:9]
    checkout = fetched(f"https://github.com/owner/remote/tree/{short}/sub/dir.x")
    assert (version_of(checkout), checkout.subdirectory, checkout.version) == ("2", "sub/dir.x", short)
    assert version_of(fetched(f"https://github.com/owner/remote/{page}", "main")) == "3"


def test_a_bare_repository_and_a_path_with_a_version(remote: str, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", remote, str(tmp_path / "bare.git"))
    checkout = fetched(str(tmp_path / "bare.git"))
    assert (checkout.kind, version_of(checkout), checkout.temporary) == ("git", "3", True)
    assert version_of(fetched(f"{tmp_path}/bare.git@v1")) == "1"


@pytest.mark.parametrize("bare_url", [False, True])
def test_complaint_2080_submodules_with_relative_urls(bare_url: bool, tmp_path: Path) -> None:
    deepest = make_repository(tmp_path / "srv/deepest", {"deep.py": "d\n"})
    inner = make_repository(tmp_path / "srv/inner", {"lib.py": "one\n"})
    git(inner, "-c", "protocol.file.allow=always", "submodule", "add", "-q", deepest, "deepest")
    git(inner, "config", "-f", ".gitmodules", "submodule.deepest.url", "../deepest")
    git(inner, "commit", "-qam", "submodule")
    outer = make_repository(tmp_path / "srv/outer", {"MLproject": "name: x\n"})
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "libs/inner")
    git(outer, "config", "-f", ".gitmodules", "submodule.libs/inner.url", "../inner")
    git(outer, "commit", "-qam", "submodule")
    pinned = git(inner, "rev-parse", "HEAD")
    make_tree(inner, {"lib.py": "two\n"})
    git(inner, "commit", "-qam", "newer than what is pinned")
    uri = outer if bare_url else f"file://{outer}"
    checkout = fetched(uri, "main")
    assert Path(checkout.root, "libs/inner/lib.py").read_text() == "one\n"
    assert Path(checkout.root, "libs/inner/deepest/deep.py").read_text() == "d\n"
    assert git(checkout.root, "status", "--porcelain") == ""
    pending = snapshot.begin(checkout)
    state = snapshot.take(pending, pending.finish(), str(tmp_path / "store")).finish()
    assert state.dirty is False
    assert [(entry["path"], entry["commit"], entry["dirty"]) for entry in state.submodules] == [
        ("libs/inner", pinned, False), ("libs/inner/deepest", git(deepest, "rev-parse", "HEAD"), False),
    ]  # fmt: skip
    paths_in = [entry.path for entry in snapshot.files(str(tmp_path / "store"), state.tree)]
    assert "libs/inner/deepest/deep.py" in paths_in
    sources.release(checkout)
    assert left_behind() == []
    shutil.move(tmp_path / "srv", tmp_path / "gone")
    if not bare_url:
        assert Path(fetched(uri).root, "libs/inner/deepest/deep.py").exists()


def test_a_second_run_of_a_commit_fetches_nothing(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources.release(fetched(f"file://{remote}"))
    monkeypatch.delattr(mirror, "update")
    first, second = fetched(f"file://{remote}"), fetched(f"file://{remote}")
    assert first.root != second.root
    make_tree(first.root, {"version.txt": "the command writes\n"})
    assert version_of(second) == "3"
    monkeypatch.delattr(mirror, "ask")  # a full id needs not even the list of refs
    assert version_of(fetched(f"file://{remote}", first.commit)) == "3"


def test_an_unreachable_remote_and_a_cached_copy(remote: str, tmp_path: Path) -> None:
    sources.release(fetched(f"file://{remote}"))
    shutil.move(remote, tmp_path / "gone")
    for version, content in (("", "3"), ("feature/x", "x"), ("v2", "2")):
        checkout = fetched(f"file://{remote}", version)
        assert version_of(checkout) == content
        (note,) = checkout.notes
        assert "cannot be reached" in note
    with pytest.raises(InputError, match="no branch, tag or commit later"):
        fetched(f"file://{remote}", "later")
    with pytest.raises(SourceError, match="cannot be fetched"):
        fetched(f"file://{tmp_path}/never")


def test_git_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetched(f"file://{tmp_path}/never", "v1")
    assert "does not appear to be a git repository" in caught.value.message
    with pytest.raises(SourceError) as caught:
        fetched("https://me:hunter22@host.invalid/o/r")  # the tests allow git file:// only
    assert "hunter22" not in caught.value.message + caught.value.hint
    assert "https://host.invalid/o/r" in caught.value.message


def test_an_empty_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(InputError, match="is empty"):
        fetched(f"file://{tmp_path}/empty")


def test_a_head_that_leads_nowhere(remote: str) -> None:
    """As of a bare repository that was made with another first branch than what was pushed."""
    git(remote, "symbolic-ref", "HEAD", "refs/heads/nowhere")
    with pytest.raises(InputError, match="no default branch") as caught:
        fetched(f"file://{remote}")
    assert "--version: " in caught.value.hint
    assert "main" in caught.value.hint


# ---- a version of a folder on this machine -------------------------------------------------------------


def test_a_version_of_a_local_folder_leaves_the_work_tree_alone(remote: str) -> None:
    make_tree(remote, {"version.txt": "edited\n", "untracked.txt": "u\n"})
    files, before = contents(remote), fingerprint(f"{remote}/.git")
    for version, content in (("v1", "1"), ("feature/x", "x"), ("HEAD~1", "2"), ("main", "3")):
        checkout = fetched(remote, version)
        assert (version_of(checkout), checkout.temporary, checkout.uri) == (content, True, remote)
        assert os.path.basename(checkout.root) == "remote"
        sources.release(checkout)
    checkout = fetched(f"{remote}/sub", "v2")
    assert (checkout.subdirectory, os.listdir(checkout.directory)) == ("sub", ["dir.x"])
    sources.release(checkout)
    assert (contents(remote), fingerprint(f"{remote}/.git")) == (files, before)
    assert left_behind() == []


def test_a_local_commit_that_no_branch_holds(remote: str) -> None:
    commit = git(remote, "commit-tree", "-m", "loose", "v1^{tree}")
    checkout = fetched(remote, commit)
    assert (checkout.commit, version_of(checkout)) == (commit, "1")


def test_an_unknown_version_of_a_local_folder(remote: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetched(remote, "mian")
    assert "main" in caught.value.hint
    with pytest.raises(InputError, match="not in a git repository"):
        fetched(make_tree(tmp_path / "plain", {"a": ""}), "v1")


# ---- credentials ---------------------------------------------------------------------------------------


def test_complaint_1791_credentials_are_nowhere(
    tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "file://{tmp_path}/"]\n\tinsteadOf = https://host.invalid/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    checkout = fetched("https://ada:hunter22@host.invalid/remote#sub")
    assert "hunter22" not in repr(checkout)
    assert "ada" not in checkout.uri + checkout.repository
    assert checkout.repository == "https://host.invalid/remote"
    for top, _, names in os.walk(paths.home()):
        for name in names:
            assert b"hunter22" not in Path(top, name).read_bytes(), os.path.join(top, name)
    again = fetched("https://host.invalid/remote")  # the same mirror: its name does not depend on credentials
    assert len([name for name in os.listdir(paths.cache("git")) if name.endswith(".git")]) == 1
    assert again.commit == checkout.commit


def test_credentials_of_the_origin_are_not_recorded(remote: str) -> None:
    git(remote, "remote", "add", "origin", "https://ada:hunter22@host.invalid/o/r.git")
    checkout = fetched(remote)
    state = snapshot.begin(checkout).finish()
    assert checkout.repository == state.repository == "https://host.invalid/o/r.git"


def test_git_is_given_the_credentials(tmp_path: Path) -> None:
    """Git itself asks the helper that our variables declare."""
    source = mirror.of("https://host.invalid/o/r", mirror.Credentials("ada", "hunter%2022"))
    done = subprocess.run(
        ["git", "credential", "fill"], input="protocol=https\nhost=host.invalid\n\n", text=True, check=False,
        capture_output=True, env={**os.environ, **{k: v for k, v in source.variables.items() if v is not None}},
    )  # fmt: skip
    assert "username=ada\npassword=hunter 22\n" in done.stdout
    assert "hunter" not in " ".join(str(value) for key, value in source.variables.items() if "CONFIG" in key)


# ---- the same cache for many, and at any moment of death -----------------------------------------------

PROGRAM = """
import sys
from runner import sources
from runner.values import Silent
for uri in sys.argv[2:]:
    checkout = sources.fetch(uri, "", Silent())
    print(open(checkout.root + "/version.txt").read().strip(), flush=True)
    if sys.argv[1] == "hold":
        sys.stdin.readline()
    if sys.argv[1] != "leave":
        sources.release(checkout)
"""


def start(mode: str, *uris: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, mode, *uris],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def test_six_at_once(remote: str) -> None:
    url = f"file://{remote}"
    children = [start("go", *order) for order in (
        [url, f"{url}@v1"], [f"{url}@v1", url], [f"{url}@feature/x"], [f"{url}@v2"], [url], [f"{url}@main", url],
    )]  # fmt: skip
    outputs = [(child.communicate(timeout=60), child.returncode) for child in children]
    assert [code for _, code in outputs] == [0] * 6, outputs
    assert [out.split() for (out, _), _ in outputs] == [
        ["3", "1"], ["1", "3"], ["x"], ["2"], ["3"], ["3", "3"],
    ]  # fmt: skip
    assert left_behind() == []


def test_complaint_8437_what_a_killed_run_left_is_removed(remote: str) -> None:
    child = start("hold", f"file://{remote}")
    assert child.stdout is not None
    assert child.stdout.readline() == "3\n"
    assert len(left_behind()) == 2
    sources.release(fetched(f"file://{remote}"))
    assert len(left_behind()) == 2  # it is alive: not touched
    child.kill()
    child.wait()
    sources.release(fetched(f"file://{remote}"))
    assert left_behind() == []
    for pipe in (child.stdin, child.stdout, child.stderr):
        assert pipe is not None
        pipe.close()


def test_killed_at_any_moment_of_a_fetch(remote: str) -> None:
    make_tree(remote, {f"many/{number}.txt": f"{number}\n" * 50 for number in range(300)})
    git(remote, "add", "-A")
    git(remote, "commit", "-qm", "many")
    for delay in (0.05, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3):
        child = start("leave", f"file://{remote}")
        time.sleep(delay)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    checkout = fetched(f"file://{remote}")
    assert len(os.listdir(os.path.join(checkout.root, "many"))) == 300
    assert git(checkout.root, "status", "--porcelain") == ""
    sources.release(checkout)
    assert left_behind() == []


def test_locks_that_a_killed_git_left_do_not_stop_a_fetch(remote: str) -> None:
    sources.release(fetched(f"file://{remote}"))
    folder = mirror.of(f"file://{remote}").folder
    make_tree(folder, {"refs/heads/main.lock": "", "packed-refs.lock": "", "objects/pack/tmp_pack_x": "x"})
    os.utime(f"{folder}/objects/pack/tmp_pack_x", (1, 1))
    make_tree(remote, {"version.txt": "4\n"})
    git(remote, "commit", "-qam", "fourth")
    assert version_of(fetched(f"file://{remote}")) == "4"
    assert not os.path.exists(f"{folder}/objects/pack/tmp_pack_x")


def test_read_only_folders_of_a_command_are_removed_too(remote: str) -> None:
    checkout = fetched(f"file://{remote}")
    make_tree(checkout.root, {"out/deep/x": "x"})
    os.chmod(f"{checkout.root}/out/deep", 0o500)
    os.symlink("/etc", f"{checkout.root}/out/link")
    sources.release(checkout)
    assert left_behind() == []
    assert os.path.exists("/etc/hosts")


def test_lfs_pointers_without_git_lfs_are_said(remote: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 10\n"
    make_tree(remote, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "w.bin": pointer})
    git(remote, "add", "-A")
    git(remote, "commit", "-qm", "lfs")
    (note,) = fetched(f"file://{remote}").notes
    assert "only the pointers are there" in note
    assert "w.bin" in note


def test_detect() -> None:
    assert git_source.detect("https://host/o/r")
    assert not git_source.detect("/nowhere/at/all")


# ---- large work trees are used again --------------------------------------------------------------------


@pytest.fixture
def spares(monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.sources.git import spare

    monkeypatch.setattr(spare, "LARGE", 0)


def inode(checkout: Checkout) -> int:
    return os.stat(checkout.root).st_ino


def mess_up(root: str) -> None:
    """What a command can do to its folder."""
    old = os.stat(f"{root}/version.txt")
    make_tree(root, {"version.txt": "9\n"})  # the same size and time as before
    os.utime(f"{root}/version.txt", ns=(old.st_atime_ns, old.st_mtime_ns))
    git(root, "update-index", "--assume-unchanged", "MLproject")
    make_tree(root, {"MLproject": "name: changed\n", "sub/new/x": "x", ".gitignore": "*.log\n", "a.log": "l"})
    make_repository(f"{root}/nested", {"a": "a"})
    os.makedirs(f"{root}/empty/dirs")
    git(root, "checkout", "-q", "-b", "own")
    git(root, "add", "-A", "sub")
    git(root, "commit", "-q", "-m", "own")
    git(root, "config", "core.autocrlf", "true")
    os.chmod(f"{root}/sub", 0o755)


def test_a_spare_work_tree_is_as_good_as_a_new_one(remote: str, spares: None) -> None:
    make_tree(remote, {"gone later.txt": "x\n", "run.sh*": "#!/bin/sh\n"})
    git(remote, "add", "-A")
    git(remote, "commit", "-qm", "more")
    first = fetched(f"file://{remote}")
    expected = contents(first.root)
    number = inode(first)
    mess_up(first.root)
    os.chmod(f"{first.root}/run.sh", 0o644)
    sources.release(first)
    assert not os.path.exists(first.root)
    second = fetched(f"file://{remote}")
    assert inode(second) == number
    assert contents(second.root) == expected
    assert sorted(os.listdir(second.root)) == sorted({".git", *(path.split("/")[0] for path in expected)})
    assert git(second.root, "status", "--porcelain", "--ignored") == ""
    assert git(second.root, "rev-parse", "HEAD") == second.commit
    third = fetched(f"file://{remote}")
    assert inode(third) != number  # that one is in use
    sources.release(third)
    sources.release(second)
    old = fetched(f"file://{remote}", "v1")
    assert (version_of(old), sorted(contents(old.root))) == ("1", ["MLproject", "version.txt"])
    assert inode(old) in (number, inode(old))
    assert len(os.listdir(paths.cache("spares"))) == 1


def test_a_spare_that_cannot_be_mended_is_not_used(remote: str, spares: None) -> None:
    sources.release(fetched(f"file://{remote}"))
    (name,) = os.listdir(paths.cache("spares"))
    Path(paths.cache("spares"), name, "index").write_bytes(b"broken")
    checkout = fetched(f"file://{remote}")
    assert version_of(checkout) == "3"
    assert git(checkout.root, "status", "--porcelain") == ""


def test_a_work_tree_that_a_process_still_uses_is_not_kept(remote: str, spares: None) -> None:
    checkout = fetched(f"file://{remote}")
    fd = git_source.folders._held[os.path.dirname(checkout.root)]
    child = subprocess.Popen(["sleep", "30"], pass_fds=[fd])
    try:
        sources.release(checkout)
        assert not os.path.exists(checkout.root)
        assert not os.path.exists(paths.cache("spares")) or os.listdir(paths.cache("spares")) == []
    finally:
        child.kill()
        child.wait()


def test_old_spares_are_removed(remote: str, spares: None, tmp_path: Path) -> None:
    sources.release(fetched(f"file://{remote}"))
    (name,) = os.listdir(paths.cache("spares"))
    os.utime(paths.cache("spares", name), (1, 1))
    other = make_repository(tmp_path / "other", {"version.txt": "o\n"})
    fetched(f"file://{other}")
    assert name not in os.listdir(paths.cache("spares"))


def test_what_a_command_does_to_its_repository_is_no_news_of_the_remote(remote: str, tmp_path: Path) -> None:
    checkout = fetched(f"file://{remote}")
    git(checkout.root, "checkout", "-q", "-b", "main")
    make_tree(checkout.root, {"version.txt": "own\n"})
    git(checkout.root, "commit", "-qam", "own")
    git(checkout.root, "config", "remote.origin.url", "/nowhere")
    make_tree(remote, {"version.txt": "4\n"})
    git(remote, "commit", "-qam", "fourth")
    assert version_of(fetched(f"file://{remote}", "main")) == "4"
    shutil.move(remote, tmp_path / "gone")
    assert version_of(fetched(f"file://{remote}", "main")) == "4"
    assert version_of(fetched(f"file://{remote}")) == "4"


def test_a_remote_that_never_answers(remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources.release(fetched(f"file://{remote}"))
    monkeypatch.setattr(mirror, "PATIENCE", 0.3)
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[remote "x"]\n[url "ext::sleep 30 "]\n\tinsteadOf = file://{remote}\n[protocol]\n\tallow = always\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext:file")
    started = time.monotonic()
    checkout = fetched(f"file://{remote}")
    assert time.monotonic() - started < 20  # and not the 30 s of the remote
    assert version_of(checkout) == "3"
    assert "no answer within 0.3 s" in checkout.notes[0]


def test_a_remote_with_sha256_ids_and_a_user_with_odd_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[init]\n\tdefaultObjectFormat = sha256\n\tdefaultRefFormat = reftable\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    root = make_tree(tmp_path / "sha256", {"version.txt": "256\n"})
    git(root, "init", "-q", "-b", "main", "--object-format=sha256")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    checkout = fetched(f"file://{root}")
    assert (len(checkout.commit), version_of(checkout)) == (64, "256")
    assert version_of(fetched(f"file://{root}", checkout.commit)) == "256"
    pending = snapshot.begin(checkout)
    state = snapshot.take(pending, pending.finish(), str(tmp_path / "store")).finish()
    assert len(state.tree) == 40
    assert [entry.path for entry in snapshot.files(str(tmp_path / "store"), state.tree)] == ["version.txt"]


class Watching(Silent):
    """A report, and its step, that remember what they were told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.updates: list[tuple[str, float, float]] = []

    def step(self, text: str) -> Watching:  # type: ignore[override]
        self.steps.append(text)
        return self

    def update(self, text: str, done: float = 0, total: float = 0) -> None:
        self.updates.append((text, done, total))


def test_a_clone_shows_its_progress(remote: str) -> None:
    make_tree(remote, {f"many/{number}.txt": f"{number}\n" for number in range(200)})
    git(remote, "add", "-A")
    git(remote, "commit", "-qm", "many: git keeps few as loose objects")
    watching = Watching()
    sources.fetch(f"file://{remote}", "", watching)  # type: ignore[arg-type]
    assert watching.steps == [f"cloning file://{remote}"]
    stages = {text.split()[0] for text, _, _ in watching.updates}
    assert "receiving" in stages
    assert all(done <= total for _, done, total in watching.updates if total)


def test_without_git_on_the_machine(remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checkout = fetched(remote)
    state = snapshot.begin(checkout).finish()
    assert (state.commit, state.branch, state.dirty) == (checkout.commit, "main", None)
    with pytest.raises(ProjError, match="git is not on PATH"):
        fetched(f"file://{remote}")
    with pytest.raises(ProjError, match="git is not on PATH"):
        snapshot.take(snapshot.begin(checkout), state, str(tmp_path / "store"))


@pytest.mark.parametrize("harm", some(["objects", "refs", "half", "packs", "blob", "head", "config"], 3))
def test_a_damaged_mirror_is_made_anew(harm: str, remote: str) -> None:
    in_use = fetched(f"file://{remote}")
    folder = mirror.of(f"file://{remote}").folder
    if harm == "objects":
        shutil.rmtree(f"{folder}/objects")
    if harm == "packs":
        make_tree(remote, {f"many/{number}.txt": f"{number}\n" for number in range(200)})
        git(remote, "add", "-A")
        git(remote, "commit", "-qm", "many: git keeps few as loose objects")
        sources.release(fetched(f"file://{remote}"))
        for pack in Path(folder, "objects/pack").glob("*.pack"):
            pack.chmod(0o644)
            pack.write_bytes(pack.read_bytes()[:200])
    if harm == "blob":
        blob = git(remote, "rev-parse", "HEAD:version.txt")
        Path(folder, "objects", blob[:2], blob[2:]).unlink()
    if harm == "refs":
        (ref,) = Path(folder).glob("refs/remotes/origin/main")
        ref.write_text("garbage\n")
    if harm == "head":
        Path(folder, "HEAD").unlink()
    if harm == "config":
        Path(folder, "config.made").unlink()
    if harm == "half":
        shutil.rmtree(folder)
        os.makedirs(f"{folder}/objects")
    checkout = fetched(f"file://{remote}")
    assert version_of(checkout) == "3"
    assert git(checkout.root, "status", "--porcelain") == ""
    assert version_of(fetched(f"file://{remote}", "feature/x")) == "x"
    if harm != "half":
        assert git(in_use.root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "address",
    some(
        ["fd::17/foo", "ext::touch OWNED", "ssh://-oProxyCommand=touch OWNED/x", "git@-oProxyCommand=touch:x",
         "git+ext::x", "file:///proc/self/environ", "https://[::1", "https://a:99999/x"],
        4,
    ),
)  # fmt: skip
def test_an_address_starts_nothing_and_does_not_hang(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL")
    monkeypatch.chdir(tmp_path)
    done = proj("run", address, timeout=20)
    assert done.code in (2, 125), done
    assert "bug in proj" not in done.err
    assert not (tmp_path / "OWNED").exists()
