"""What a model's folder says of itself, read without loading anything of it."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from runner.errors import InputError
from runner.models import mlmodel, signature
from tests.helpers import make_tree
from tests.models.folders import COLUMNS, make_model

LONG = {"type": "long"}


def test_a_model_is_read(tmp_path: object) -> None:
    example = {
        "artifact_path": "input_example.json",
        "type": "dataframe",
        "serving_input_path": "serving.json",
    }
    files: dict[str, str | bytes] = {"input_example.json": "{}", "serving.json": "{}"}
    model = mlmodel.read(make_model(tmp_path, files, saved_input_example_info=example))
    assert model.named_flavors == ["python_function", "sklearn 1.9.1 (cloudpickle)"]
    assert [str(each) for each in model.signature.inputs] == ["a: double", "b?: long"]
    assert model.example == mlmodel.Example("input_example.json", "dataframe", "serving.json")
    assert (model.requirements, model.python) == (("mlflow==3.17.2", "scikit-learn==1.9.1"), "3.11.7")
    assert model.created == "2026-01-02 03:04:05"
    assert json.loads(json.dumps(model.facts()))["signature"]["outputs"][0]["name"] == "a"


def test_the_example_is_a_file_of_the_model(tmp_path: object) -> None:
    """Whoever wrote MLmodel may have named any other."""
    for number, path in enumerate(("../secret.json", "/etc/passwd", "gone.json")):
        folder = os.path.join(str(tmp_path), str(number), "model")
        make_model(folder, {"../secret.json": "{}"}, saved_input_example_info={"artifact_path": path})
        assert mlmodel.read(folder).example is None


@pytest.mark.parametrize("path", ["../else", "{top}/else", "code/../../else", "link/else", "../model-2"])
@pytest.mark.parametrize(
    "stated",
    [
        {"python_model": "PATH"},
        {"code": "PATH"},
        {"model_path": "PATH"},
        {"env": {"virtualenv": "PATH"}},
        {"artifacts": {"a": {"path": "PATH", "uri": "/anywhere/a"}}},
        {"extra_files": [{"path": "PATH"}]},
    ],
)
def test_nothing_that_it_names_leads_out_of_it(tmp_path: Path, stated: dict[str, Any], path: str) -> None:
    """It would be loaded, and be neither in the digest nor among what runs code."""
    make_tree(tmp_path, {"else": "", "model-2": "", "sub/else": ""})
    text = json.dumps({"other": stated}).replace("PATH", path.format(top=tmp_path))
    folder = make_model(tmp_path / "model", {"code/x.py": ""}, flavors=json.loads(text))
    if path.startswith("link"):
        os.symlink("../sub", tmp_path / "model" / "link")
    with pytest.raises(InputError, match="outside of it"):
        mlmodel.read(folder)


def test_no_link_leads_out_of_it(tmp_path: Path) -> None:
    """Of links to folders the files would not be looked at; links within the model may stay."""
    make_tree(tmp_path, {"sub/x.py": ""})
    folder = make_model(tmp_path / "model", {"code/x.py": ""})
    os.symlink("code", f"{folder}/inner")
    assert [each.file for each in mlmodel.read(folder).risks] == ["model.pkl", "code/x.py"]
    os.symlink(tmp_path / "sub", f"{folder}/code/outer")
    with pytest.raises(InputError, match="its code/outer is a link that leads out"):
        mlmodel.read(folder)
    os.symlink(folder, tmp_path / "named")  # the folder itself may be one
    os.unlink(f"{folder}/code/outer")
    assert mlmodel.read(str(tmp_path / "named")).digest == mlmodel.read(folder).digest


def test_what_is_no_path_is_left_alone(tmp_path: Path) -> None:
    stated = {
        "model_code_path": "/home/somebody/model.py",  # MLflow takes its last part
        "config": {"index": "/data/index"},
        "source_model_name": "/models/bert",
        "artifacts": {"a": {"path": "artifacts/a", "uri": "/home/somebody/a"}},
        "data": None,
        "text": "a\0b",
        "many": ["https://example.org/../x", "."],
    }
    folder = make_model(tmp_path / "model", flavors={"python_function": stated})
    assert mlmodel.read(folder).named_flavors == ["python_function"]


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        (
            [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 10]}}],
            ["tensor(float64, -1x10)"],
        ),
        (
            [{"name": "x", "type": "array", "items": {"type": "array", "items": LONG}}],
            ["x: array(array(long))"],
        ),
        ([{"name": "x", "type": "map", "values": LONG}], ["x: map(long)"]),
        (
            [{"name": "x", "type": "object", "properties": {"u": LONG, "v": {**LONG, "required": False}}}],
            ["x: {u: long, v?: long}"],
        ),
        ([{"type": "datetime"}, {"type": "any"}], ["datetime", "any"]),  # columns without names
        ([], []),
        (None, []),
    ],
)
def test_types(stated: Any, shown: list[str]) -> None:
    text = None if stated is None else json.dumps(stated)
    assert [str(each) for each in signature.read({"inputs": text}, "MLmodel").inputs] == shown


def test_parameters_have_defaults() -> None:
    stated = [
        {"name": "t", "type": "double", "default": 0.5, "shape": None},
        {"name": "stop", "type": "string", "default": ["a"], "shape": [-1]},
    ]
    found = signature.read({"params": json.dumps(stated)}, "MLmodel").params
    assert [(str(each), each.default) for each in found] == [
        ("t: double", 0.5),
        ("stop: array(string)", ["a"]),
    ]


DEEP: dict[str, Any] = LONG
for _ in range(50):
    DEEP = {"type": "array", "items": DEEP}


@pytest.mark.parametrize(
    "more",
    [
        {"flavors": None},
        {"flavors": ["sklearn"]},
        {"flavors": {"sklearn": "1.9"}},
        {"signature": "a: double"},
        {"signature": {"inputs": "[{"}},
        {"signature": {"inputs": "7"}},
        {"signature": {"inputs": "[7]"}},
        {"signature": {"inputs": '[{"name": "a"}]'}},
        {"signature": {"inputs": '[{"type": "tensor"}]'}},
        {"signature": {"inputs": json.dumps([DEEP])}},
    ],
)
def test_wrong_descriptions_are_named(tmp_path: object, more: dict[str, Any]) -> None:
    folder = make_model(tmp_path, **more)
    with pytest.raises(InputError) as raised:
        mlmodel.read(folder)
    assert os.path.join(folder, "MLmodel") in raised.value.message


@pytest.mark.parametrize(
    "text", ["a: [", "- a", "", "a: !!python/object/apply:os.getcwd []", b"\xff\xfe\x00"]
)
def test_an_mlmodel_that_is_none(tmp_path: object, text: str | bytes) -> None:
    folder = make_model(tmp_path, {"MLmodel": text})
    with pytest.raises(InputError, match="MLmodel"):
        mlmodel.read(folder)


def zipped(**members: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return buffer.getvalue()


PLAIN: dict[str, str | bytes] = {"model.pkl": "", "model.json": "{}"}


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("weights", pickle.dumps([1], 4), "pickle"),  # by its bytes, whatever it is called
        ("m.joblib", b"\x78\x9c....", "pickle"),  # compressed
        ("data/model.pth", zipped(archive__data_pkl=b"\x80\x02."), "pickle"),  # of PyTorch
        ("code/helper.py", "x = 1", "code"),
        ("m.keras", zipped(config_json='{"layers": [{"class_name": "Lambda"}]}'), "lambda"),
        ("m.keras", zipped(config_json='{"layers": [{"class_name": "Dense"}]}'), ""),
        ("m.skops", zipped(schema_json="{}"), ""),
        ("m.ubj", b"{L\x00\x00", ""),
        ("broken.zip", b"PK\x03\x04 no more", ""),
    ],
)
def test_what_runs_code_when_it_is_loaded(tmp_path: object, name: str, data: str | bytes, kind: str) -> None:
    folder = make_model(tmp_path, {name: data})
    os.unlink(os.path.join(folder, "model.pkl"))
    found = mlmodel.read(folder).risks
    assert [(each.file, each.kind) for each in found] == ([(name, kind)] if kind else [])


def test_what_is_said_to_run_code(tmp_path: object) -> None:
    flavors = {
        "python_function": {"loader_module": "mine.loader"},
        "sklearn": {"skops_trusted_types": ["mine.Estimator"]},
    }
    folder = make_model(tmp_path, flavors=flavors)
    os.unlink(os.path.join(folder, "model.pkl"))
    assert [each.kind for each in mlmodel.read(folder).risks] == ["loader", "types"]


def test_a_signature_of_many_columns(tmp_path: object) -> None:
    many = [{**COLUMNS[0], "name": f"column_{number}"} for number in range(20_000)]
    folder = make_model(tmp_path, signature={"inputs": json.dumps(many)})
    assert len(mlmodel.read(folder).signature.inputs) == 20_000
