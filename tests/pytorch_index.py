"""An index of PyTorch's wheels for the CPU, in the place of PyTorch's own: of the one that pip's folders have, if any."""

from __future__ import annotations

import glob
import os

import pytest
import yaml

from runner.environments.python import indexes
from tests.helpers import make_tree

__all__ = ["on_own_index"]

INDEX = "https://download.pytorch.org/whl/cpu"


def on_own_index(folder: str) -> None:
    """Makes the project in `folder`, which is of the template, take PyTorch from there."""
    path = os.path.join(folder, "python_env.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert INDEX in text
    wheel = _wheel("cp" + str(yaml.safe_load(text)["python"]).replace(".", ""))
    if not wheel:
        pytest.skip(
            "only on machines whose pip has a CPU wheel of torch in a folder: other builds take gigabytes"
        )
    name = os.path.basename(wheel).replace("+", "%2B")
    make_tree("index", {"torch/index.html": f'<a href="file://{os.path.dirname(wheel)}/{name}">{name}</a>\n'})
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(INDEX, f"file://{os.path.abspath('index')}"))


def _wheel(tag: str) -> str:
    for folder in indexes.settings().variables.get("UV_FIND_LINKS", "").split(","):
        if found := glob.glob(os.path.join(folder, f"torch-*cpu-{tag}-*.whl")) if folder else []:
            return found[0]
    return ""
