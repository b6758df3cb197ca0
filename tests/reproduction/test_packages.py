"""Packages: the lock makes the same run again, today's packages may not, and the verdict names them."""

from __future__ import annotations

import os
import shutil

import pytest

from runner import paths
from tests.environments.packages import make_wheel
from tests.helpers import make_tree
from tests.reproduction.worlds import LOG, ran, reproduced, result

FILES = {
    "MLproject": "python_env: python_env.yaml\nentry_points:\n  main:\n    command: python train.py\n",
    "python_env.yaml": "dependencies: [factor]\n",
    "train.py": "import factor\nfrom log import log\nlog('score', 0.5 * factor.VALUE)\n",
    "log.py": LOG,
}


@pytest.fixture
def project(tmp_path: object, index: str) -> str:
    return make_tree(f"{tmp_path}/demo", FILES)


@pytest.mark.slow
def test_a_new_version_changes_the_result_only_without_the_lock(project: str, index: str) -> None:
    run = ran(project)
    make_wheel(index, "factor", "2.0", modules={"factor.py": "VALUE = 2\n"})
    with_lock = reproduced(run)
    assert with_lock["verdict"] == "identical"
    refreshed = reproduced(run, "--refresh-env")
    assert (refreshed["verdict"], refreshed["cause"]) == ("different", "environment")
    assert refreshed["packages"] == ["factor 1.0 -> 2.0"]
    assert "factor 1.0 -> 2.0" in refreshed["causes"][0]["text"]
    assert result(refreshed, "score") == "different"


@pytest.mark.slow
def test_todays_packages_may_give_the_same(project: str, index: str) -> None:
    run = ran(project)
    make_wheel(index, "factor", "1.1", modules={"factor.py": "VALUE = 1\n"})
    refreshed = reproduced(run, "--refresh-env")
    assert refreshed["verdict"] == "identical"
    assert refreshed["packages"] == ["factor 1.0 -> 1.1"]


def test_the_environment_is_built_anew_from_the_lock(project: str) -> None:
    run = ran(project)
    shutil.rmtree(paths.cache())
    assert reproduced(run)["verdict"] == "identical"


@pytest.mark.slow
def test_a_lock_that_no_longer_resolves(
    project: str, index: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """The package was yanked: the verdict says so, and what would have helped."""
    run = ran(project)
    shutil.rmtree(paths.cache())
    monkeypatch.setenv("UV_CACHE_DIR", f"{tmp_path}/another-cache")
    os.unlink(os.path.join(index, "factor-1.0-py3-none-any.whl"))
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("cannot-run", "environment")
    assert "factor" in verdict["causes"][0]["text"]
    assert "proj bundle" in verdict["hint"]
