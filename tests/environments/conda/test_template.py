"""The built-in template `conda`: solved, installed and run on a channel of the tests' own."""

from __future__ import annotations

import pytest

from tests.ci_lines import READERS, commit, made, run_lines
from tests.environments.conda.conftest import VERSION, Channel
from tests.helpers import make_tree, proj


def on(channel: Channel) -> None:
    """In the place of conda-forge."""
    with open("map/conda.yaml", encoding="utf-8") as file:
        text = file.read()
    text = text.replace("- conda-forge", f"- {channel.url}").replace("  - pip\n", "")
    make_tree("map", {"conda.yaml": text})


@pytest.mark.slow
def test_the_template_runs_in_its_environment(channel: Channel) -> None:
    assert proj("new", "conda", "map", "--defaults", "-d", f"python={VERSION}").code == 0
    on(channel)
    assert proj("check", "map").code == 0
    done = proj("run", "map", "-P", "steps=10")
    assert done.code == 0, done.err
    assert done.out.startswith("mean = ")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("provider", READERS)
def test_every_line_of_its_ci_files_passes(channel: Channel, provider: str, ci_python: str) -> None:
    made("conda", "map", "-d", f"python={VERSION}")
    on(channel)
    run_lines("conda", commit("map"), provider, ci_python)
