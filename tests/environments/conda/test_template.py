"""The built-in template `conda`: solved, installed and run on a channel of the tests' own."""

from __future__ import annotations

import pytest

from tests.environments.conda.conftest import VERSION, Channel
from tests.helpers import make_tree, proj


@pytest.mark.slow
def test_the_template_runs_in_its_environment(channel: Channel) -> None:
    assert proj("new", "conda", "map", "--defaults", "-d", f"python={VERSION}").code == 0
    with open("map/conda.yaml", encoding="utf-8") as file:
        text = file.read()
    text = text.replace("- conda-forge", f"- {channel.url}").replace("  - pip\n", "")
    make_tree("map", {"conda.yaml": text})
    assert proj("check", "map").code == 0
    done = proj("run", "map", "-P", "steps=10")
    assert done.code == 0, done.err
    assert done.out.startswith("mean = ")
