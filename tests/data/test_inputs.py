"""Inputs: declared files, globs and URIs, values of parameters, and data that a tool keeps by version."""

from __future__ import annotations

import json
import os

import pytest

from runner.data import delta, pointers
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


def commit(table: str, number: int, *actions: dict[str, object]) -> None:
    text = "".join(f"{json.dumps(each)}\n" for each in actions)
    make_tree(table, {f"_delta_log/{number:020}.json": text})


def test_a_delta_table_is_its_id_its_version_and_what_is_in_its_live_files(tmp_path: object) -> None:
    table = make_tree(f"{tmp_path}/t", {"a.parquet": "1", "b c.parquet": "2", "_other/x": ""})
    commit(table, 0, {"metaData": {"id": "some"}}, {"add": {"path": "a.parquet"}})
    one = found(str(tmp_path), "t")["t"]
    assert one.version == "delta:some@0"
    make_tree(table, {"nobody's.parquet": "3"})
    assert found(str(tmp_path), "t")["t"] == one
    make_tree(table, {"a.parquet": "damaged"})
    assert found(str(tmp_path), "t")["t"].digest != one.digest
    make_tree(table, {"a.parquet": "1"})
    commit(table, 1, {"remove": {"path": "a.parquet"}}, {"add": {"path": "b%20c.parquet"}})
    two = found(str(tmp_path), "t")["t"]
    assert two.version == "delta:some@1"
    assert two.digest != one.digest
    assert (two.size, one.size) == (1, 1)
    delta.restore(table, 0, f"{tmp_path}/old")
    assert found(str(tmp_path), "old")["old"].digest == one.digest
    os.unlink(f"{table}/a.parquet")
    with pytest.raises(delta.VacuumedError, match=r"a\.parquet"):
        delta.restore(table, 0, f"{tmp_path}/older")
    assert found(str(tmp_path), "t")["t"] == two
    os.unlink(f"{table}/b c.parquet")
    assert found(str(tmp_path), "t")["t"].digest == ""
    assert delta.read(str(tmp_path)) is None


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
