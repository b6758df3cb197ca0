"""The built-in template `docker`: its image is built and its command runs in it."""

from __future__ import annotations

import os

import pytest

from tests.ci_lines import READERS, commit, made, run_lines
from tests.helpers import make_tree, proj

pytestmark = pytest.mark.docker


def based_on(image: str) -> None:
    """An image that is here, in the place of one of a registry."""
    with open("words/Dockerfile", encoding="utf-8") as file:
        text = file.read()
    assert "ARG BASE=python:" in text
    rest = text.split("\n", 1)[1]
    make_tree("words", {"Dockerfile": f"ARG BASE={image}\n{rest}"})


def test_the_template_runs_in_its_own_image(image: str) -> None:
    assert proj("new", "docker", "words", "--defaults").code == 0
    based_on(image)
    assert proj("check", "words").code == 0
    done = proj("run", "words", "-P", "text=to be or not to be")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "2 to"
    assert os.stat("words/outputs/words.json").st_uid == os.getuid()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("provider", READERS)
def test_every_line_of_its_ci_files_passes(image: str, provider: str, ci_python: str) -> None:
    made("docker", "words")
    based_on(image)
    run_lines("docker", commit("words"), provider, ci_python)
