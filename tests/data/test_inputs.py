"""Inputs: declared files, globs and URIs, values of parameters, and data that a tool keeps by version."""

from __future__ import annotations

import os

from runner.data import pointers
from runner.data.inputs import Input, describe, is_uri, named
from runner.data.outputs import filled
from tests.helpers import make_tree


def found(directory: str, *declared: str) -> dict[str, Input]:
    return {each.path or each.uri: each for each in describe(named(declared, {}, ()), directory)}


def test_files_folders_and_globs(tmp_path: object) -> None:
    project = make_tree(
        f"{tmp_path}/p[1]", {"a.txt": "a", "data/x.csv": "1", "data/deep/y.csv": "2", "data/z.bin": "3"}
    )
    assert set(found(project, "a.txt", "data/**/*.csv")) == {"a.txt", "data/x.csv", "data/deep/y.csv"}
    (folder,) = found(project, "data").values()
    assert folder.digest.startswith("tree-sha256:")
    assert folder.size == 3
    assert list(found(project, "a.txt", "./a.txt", "*.txt")) == ["a.txt"]


def test_what_is_not_there_has_no_digest(tmp_path: object) -> None:
    project = make_tree(tmp_path, {"dir/file": ""})
    assert found(project, "gone.csv", "none/*.csv")["gone.csv"].digest == ""
    assert "digest" not in found(project, "gone.csv")["gone.csv"].event()


def test_outside_the_project_a_path_is_absolute(tmp_path: object) -> None:
    make_tree(tmp_path, {"project/a": "", "shared/b": "b", "shared-2/c": "c"})
    assert set(found(f"{tmp_path}/project", "../shared/b", f"{tmp_path}/project/a")) == {
        f"{tmp_path}/shared/b",
        "a",
    }


def test_addresses(tmp_path: object) -> None:
    for text in ("s3://bucket/key", "https://example.org/x", "runs:/0123/model", "git+ssh://h/x"):
        assert is_uri(text)
    for text in ("a/b", "file:///tmp/x", "C:\\data", "data.csv", "/x"):
        assert not is_uri(text)
    project = make_tree(tmp_path, {"a:b": "x", "local": "y"})
    assert found(project, "a:b")["a:b"].digest
    (one,) = describe(
        named((), {"d": f"{project}/local"}, ["s3://b/k"], [("s3://b/k", f"{project}/local")]), project
    )
    assert (one.uri, one.path, one.origin) == ("s3://b/k", f"{project}/local", "parameter:d")
    assert one.digest


def test_a_delta_table_is_its_last_commit(tmp_path: object) -> None:
    table = make_tree(f"{tmp_path}/t", {"_delta_log/00000000000000000000.json": "{}", "part.parquet": "1"})
    first = pointers.delta(table)
    assert first.startswith("delta:0:")
    make_tree(table, {"stray.parquet": "not of the table"})
    assert pointers.delta(table) == first
    make_tree(table, {"_delta_log/00000000000000000001.json": '{"add": 1}'})
    assert pointers.delta(table).startswith("delta:1:")
    assert found(str(tmp_path), "t")["t"].digest == pointers.delta(table)
    assert pointers.delta(str(tmp_path)) == ""


def test_pointers_of_git_lfs_and_dvc(tmp_path: object) -> None:
    lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    root = make_tree(
        tmp_path,
        {
            "big.bin": lfs,
            "data.csv": "1",
            "data.csv.dvc": "outs:\n- md5: a304\n  path: data.csv\n",
            "plain": "",
        },
    )
    assert pointers.pointer(f"{root}/big.bin") == "lfs:sha256:4d7a"
    assert pointers.pointer(f"{root}/data.csv") == "dvc:a304"
    assert pointers.pointer(f"{root}/plain") == ""
    assert found(root, "data.csv")["data.csv"].event()["version"] == "dvc:a304"


def test_names_of_parameters_in_patterns() -> None:
    assert filled(["{out}/model.json", "x{other}"], {"out": "build"}) == ["build/model.json", "x{other}"]


def test_what_cannot_be_read(tmp_path: object) -> None:
    os.mkfifo(f"{tmp_path}/pipe")
    assert found(str(tmp_path), "pipe")["pipe"].digest == ""
