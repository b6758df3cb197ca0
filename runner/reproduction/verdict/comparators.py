"""Two files of one kind compared by what they mean. A kind is a function and its suffixes in COMPARATORS."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable

from runner.reproduction.verdict import arrays
from runner.reproduction.verdict.closeness import Finding, compare, number
from runner.reproduction.verdict.tolerance import Tolerance

__all__ = ["COMPARATORS", "files"]

LARGE = 200_000_000  # bytes; larger files are compared bit by bit only
VOLATILE = ("run_id:", "utc_time_created:", "model_uuid:", "model_id:", "artifact_path:", "mlflow_version:")


def files(old: str, new: str, tolerance: Tolerance) -> Finding:
    """Of two files that are not bit-identical."""
    name = os.path.basename(old)
    comparator = COMPARATORS.get(os.path.splitext(name)[1].lower())
    if name == "MLmodel":
        comparator = _mlmodel
    if comparator is None:
        comparator = _text
    if max(os.path.getsize(old), os.path.getsize(new)) > LARGE:
        return Finding(False, "the bytes differ (too large to compare by content)")
    try:
        found = comparator(old, new, tolerance)
    except ImportError as error:
        return Finding(False, f"the bytes differ (with {error.name} installed, the values could be compared)")
    except (ValueError, OSError, EOFError, LookupError, zlib.error) as error:
        return Finding(
            False, f"the bytes differ, and it cannot be read as {comparator.__name__[1:]}: {error}"
        )
    if found.same and not found.absolute:
        return found._replace(detail=found.detail or "the same values, written differently")
    return found


def _json(old: str, new: str, tolerance: Tolerance) -> Finding:
    with open(old, encoding="utf-8") as one, open(new, encoding="utf-8") as two:
        return compare(json.load(one), json.load(two), tolerance)


def _json_lines(old: str, new: str, tolerance: Tolerance) -> Finding:
    with open(old, encoding="utf-8") as one, open(new, encoding="utf-8") as two:
        before, after = ([json.loads(line) for line in file if line.strip()] for file in (one, two))
        return compare(before, after, tolerance, "line")


def _csv(old: str, new: str, tolerance: Tolerance) -> Finding:
    import csv

    delimiter = "\t" if old.endswith(".tsv") else ","
    with open(old, encoding="utf-8", newline="") as one, open(new, encoding="utf-8", newline="") as two:
        before, after = ([*csv.reader(file, delimiter=delimiter)] for file in (one, two))
    if len(before) != len(after):
        return Finding(False, f"{len(after)} rows instead of {len(before)}")
    cells = (
        [[_cell(text) for text in row] for row in before],
        [[_cell(text) for text in row] for row in after],
    )
    return compare(*cells, tolerance, "row")


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _parquet(old: str, new: str, tolerance: Tolerance) -> Finding:
    from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    one, two = parquet.read_table(old), parquet.read_table(new)
    if one.schema.names != two.schema.names:
        return Finding(False, f"columns {two.schema.names} instead of {one.schema.names}")
    return compare(one.to_pydict(), two.to_pydict(), tolerance)


def _png(old: str, new: str, tolerance: Tolerance) -> Finding:
    """Pixels, not what was written beside them (dates, versions of libraries)."""
    one, two = arrays.png(old), arrays.png(new)
    if one == two:
        return Finding(True, "the same pixels")
    if one[0] != two[0]:
        return Finding(False, f"{two[0][0]}x{two[0][1]} pixels instead of {one[0][0]}x{one[0][1]}")
    return _image(old, new, tolerance)


def _image(old: str, new: str, tolerance: Tolerance) -> Finding:
    """Values of pixels from 0 to 1."""
    from PIL import Image, ImageChops  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with Image.open(old) as first, Image.open(new) as second:
        one, two = first.convert("RGBA"), second.convert("RGBA")
        if one.size != two.size:
            return Finding(
                False, f"{two.size[0]}x{two.size[1]} pixels instead of {one.size[0]}x{one.size[1]}"
            )
        greatest = max(high for _, high in ImageChops.difference(one, two).getextrema()) / 255
    found = number(0.0, greatest, tolerance)
    detail = "the same pixels" if greatest == 0 else f"a pixel differs by {greatest:.3g}"
    return Finding(found.same, detail, greatest, greatest)


def _pickle(old: str, new: str, tolerance: Tolerance) -> Finding:
    """By its instructions, which are read and not run: nothing of a pickle may be executed for a comparison."""
    return compare(arrays.pickle_steps(old), arrays.pickle_steps(new), tolerance, "step")


def _numpy(old: str, new: str, tolerance: Tolerance) -> Finding:
    return arrays.npy(old, new, tolerance)


def _npz(old: str, new: str, tolerance: Tolerance) -> Finding:
    return arrays.npz(old, new, tolerance)


def _mlmodel(old: str, new: str, tolerance: Tolerance) -> Finding:  # noqa: ARG001
    """MLflow's description of a model, without ids and times."""
    texts = []
    for path in (old, new):
        with open(path, encoding="utf-8") as file:
            texts.append([line for line in file if not line.strip().startswith(VOLATILE)])
    return _lines(*texts)


def _text(old: str, new: str, tolerance: Tolerance) -> Finding:  # noqa: ARG001
    with open(old, "rb") as one, open(new, "rb") as two:
        before, after = one.read(), two.read()
    if b"\0" in before[:8000] or b"\0" in after[:8000]:
        return Finding(False, "the bytes differ")
    return _lines(
        before.decode("utf-8", "replace").splitlines(), after.decode("utf-8", "replace").splitlines()
    )


def _lines(before: list[str], after: list[str]) -> Finding:
    for number_, (one, two) in enumerate(zip(before, after, strict=False), 1):
        if one != two:
            return Finding(False, f"line {number_} is {two.strip()[:60]!r} instead of {one.strip()[:60]!r}")
    if len(before) != len(after):
        return Finding(False, f"{len(after)} lines instead of {len(before)}")
    return Finding(True)


COMPARATORS: dict[str, Callable[[str, str, Tolerance], Finding]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".npy": _numpy,
    ".npz": _npz,
    ".png": _png,
    **dict.fromkeys((".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"), _image),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), _pickle),
}
