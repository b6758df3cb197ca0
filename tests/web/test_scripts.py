"""What the pages are made of: our own scripts, which can be read, and colours that can be told apart."""

from __future__ import annotations

import itertools
import math
import os
import re

import pytest

from runner.web import colours
from runner.web.assets import FOLDER

LINES, WIDTH = 4000, 220  # of all scripts; characters of a line
ELSEWHERE = ("http://www.w3.org/2000/svg",)  # a name, and no address


def scripts() -> dict[str, str]:
    found = {}
    for name in os.listdir(FOLDER):
        if name.endswith((".js", ".css")):
            with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
                found[name] = file.read()
    return found


def test_every_script_is_ours_and_can_be_read() -> None:
    found = scripts()
    ours = {name: text for name, text in found.items() if name.endswith(".js")}
    assert sum(text.count("\n") for text in ours.values()) < LINES
    for name, text in ours.items():
        assert text.startswith("// @ts-check\n"), name
        assert max(map(len, text.splitlines())) < WIDTH, name
        for place in re.findall(r"(?:\bfrom|\bimport) \"([^\"]+)\"", text):
            assert re.fullmatch(r"\./\w+\.js", place), (name, place)
            assert place[2:] in ours, (name, place)
    for name, text in found.items():
        assert {each for each in re.findall(r"\w+://[^\s\"')]+", text) if each not in ELSEWHERE} == set(), (
            name
        )
    assert {os.path.splitext(name)[1] for name in os.listdir(FOLDER)} == {".js", ".css", ".svg"}


# ---- colours of runs

PAPER = ("#ffffff", "#14161a")  # of app.css
EYES = {  # what is left to a dichromat, over linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}  # fmt: skip
LEAST = {"all cones": 0.11, "protanopia": 0.065, "deuteranopia": 0.065, "tritanopia": 0.065}  # in OKLab

Triple = tuple[float, float, float]


def linear(colour: str) -> Triple:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return red, green, blue


def seen(colour: Triple, eye: str) -> Triple:
    rows = EYES[eye]
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * part for weight, part in zip(row, colour, strict=True))))
        for row in rows
    )
    return red, green, blue


def oklab(colour: Triple) -> Triple:
    """Ottosson 2020: about as far apart as they look."""
    red, green, blue = colour
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def contrast(one: Triple, two: Triple) -> float:
    """WCAG 2."""
    low, high = sorted(0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (one, two))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_runs_are_told_apart_by_their_colours(theme: int) -> None:
    palette = [linear(pair[theme]) for pair in colours.palette()]
    assert len(palette) == colours.COUNT
    assert min(contrast(each, linear(PAPER[theme])) for each in palette) >= 3  # of graphics
    for eye, least in LEAST.items():
        labs = [oklab(seen(each, eye)) for each in palette]
        near = min(
            (math.dist(labs[i], labs[j]), i, j) for i, j in itertools.combinations(range(len(labs)), 2)
        )
        assert near[0] >= least, (eye, near)
