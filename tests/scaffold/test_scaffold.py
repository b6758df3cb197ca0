"""`proj new` and `proj update` with real templates, from folders, git repositories and archives."""

from __future__ import annotations

import json
import os
import shutil
import tarfile

import pytest

from runner import paths
from runner.errors import InputError
from runner.scaffold import new as scaffold
from runner.values import Silent
from tests.helpers import git, make_repository, make_tree, proj

COPIER = """\
_subdirectory: template
_templates_suffix: .jinja
colour:
  type: str
  default: red
  choices: [red, blue]
size:
  type: int
  default: 3
  validator: "{% if size > 9 %}too big{% endif %}"
"""
ANSWERS = "{{ _copier_answers|to_nice_yaml }}"
TEMPLATE = {
    "copier.yml": COPIER,
    "template/MLproject.jinja": "name: x\nentry_points:\n  main: {command: 'echo {{ colour }} {{ size }}'}\n",
    "template/{{ _copier_conf.answers_file }}.jinja": ANSWERS,
}


def read(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def template(tmp_path: object) -> str:
    return make_repository(os.path.join(str(tmp_path), "template"), TEMPLATE)


def test_the_built_in_templates_are_listed() -> None:
    listed = json.loads(proj("new", "--list", "--json").out)
    names = [each["name"] for each in listed]
    assert {"basic", "sklearn", "pipeline"} <= set(names)
    assert all(each["description"] for each in listed)


def test_a_built_in_template_becomes_a_project_that_is_checked_and_run() -> None:
    done = proj("new", "basic", "walks", "-d", 'description=Say: "hi"')
    assert done.code == 0, done.err
    assert "cd walks && proj run ." in done.out
    assert "_src_path: proj:basic" in read("walks", ".copier-answers.yml")
    assert proj("check", "walks").code == 0
    ran = proj("run", "walks", "--env-manager", "local", "-P", "steps=10")
    assert ran.code == 0, ran.err
    assert "after 10 steps" in ran.out
    assert proj("run", "walks", "-e", "test", "--env-manager", "local").code == 0
    for name in (
        ".github/workflows/proj.yml",
        ".gitlab-ci.yml",
        ".devcontainer/devcontainer.json",
        ".projignore",
    ):
        assert os.path.isfile(os.path.join("walks", name)), name
    schema = json.loads(read("walks", ".vscode", "MLproject.schema.json"))
    assert "$schema" in schema


def test_answers_are_typed_and_checked(template: str) -> None:
    made = scaffold.new(
        template, "a", {"colour": "blue", "size": "4"}, ask=False, trust=False, report=Silent()
    )
    assert made.files == (".copier-answers.yml", "MLproject")
    assert "echo blue 4" in read("a", "MLproject")
    for wrong in ({"colour": "green"}, {"size": "many"}, {"size": "10"}):
        with pytest.raises(InputError):
            scaffold.new(template, "b", wrong, ask=False, trust=False, report=Silent())
        assert not os.path.exists("b")


def test_a_template_from_git_a_folder_and_an_archive(template: str) -> None:
    for number, where in enumerate((f"git+file://{template}", template)):
        assert proj("new", where, f"p{number}", "--defaults").code == 0
        assert "echo red 3" in read(f"p{number}", "MLproject")
    with tarfile.open("t.tar.gz", "w:gz") as archive:
        archive.add(template, "t", filter=lambda member: None if "/.git" in member.name else member)
    done = proj("new", "./t.tar.gz", "p2", "--defaults")
    assert done.code == 0, done.err
    assert "echo red 3" in read("p2", "MLproject")


def test_what_is_there_is_not_overwritten() -> None:
    make_tree("full", {"notes.txt": "mine"})
    done = proj("new", "basic", "full", "--defaults")
    assert done.code == 2
    assert "not empty" in done.err
    assert os.listdir("full") == ["notes.txt"]
    os.makedirs("empty")
    assert proj("new", "basic", "empty", "--defaults").code == 0


def test_an_unknown_template_is_told_with_the_nearest_name() -> None:
    done = proj("new", "basicc", "x")
    assert done.code == 2
    assert "basic" in done.err
    assert not os.path.exists("x")


def test_a_template_that_runs_code_needs_trust(tmp_path: object) -> None:
    task = {**TEMPLATE, "copier.yml": COPIER + "_tasks: ['touch made-by-task']\n"}
    folder = make_tree(os.path.join(str(tmp_path), "tasks"), task)
    done = proj("new", folder, "x", "--defaults")
    assert done.code == 2
    assert "--trust" in done.err
    assert not os.path.exists("x")
    assert proj("new", folder, "x", "--defaults", "--trust").code == 0
    assert os.path.exists("x/made-by-task")


@pytest.mark.parametrize(
    "change",
    [
        {"template/broken.txt.jinja": "{{ colour"},
        {"copier.yml": "colour: [unclosed"},
        {"template/{{ '../' * 3 }}escaped.txt": "out"},
        {"template/{{ undefined_filter | no_such }}": "x"},
    ],
)
def test_a_broken_template_leaves_nothing_behind(tmp_path: object, change: dict[str, str]) -> None:
    folder = make_tree(os.path.join(str(tmp_path), "broken"), {**TEMPLATE, **change})
    before = set(os.listdir("."))
    done = proj("new", folder, "x", "--defaults")
    assert done.code in (2, 125)
    assert "Traceback" not in done.err
    assert "bug" not in done.err
    assert set(os.listdir(".")) == before
    outside = [
        name for place, _, names in os.walk(str(tmp_path)) if not place.startswith(folder) for name in names
    ]
    assert "escaped.txt" not in outside


@pytest.fixture
def shipped(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of the built-in templates that a test may change, as a newer version of proj would."""
    copy = os.path.join(str(tmp_path), "shipped")
    for name in ("templates", "MLproject.schema.json"):
        source = paths.shipped(name)
        place = os.path.join(copy, name)
        shutil.copytree(source, place) if os.path.isdir(source) else shutil.copyfile(source, place)
    monkeypatch.setattr(paths, "shipped", lambda *parts: os.path.join(copy, *parts))
    return copy


def made_and_committed(name: str) -> str:
    scaffold.new("basic", name, {}, ask=False, trust=False, report=Silent())
    git(name, "init", "-q", "-b", "main")
    git(name, "add", "-A")
    git(name, "commit", "-q", "-m", "made")
    return name


def change(path: str, old: str, new: str) -> None:
    text = read(path)
    assert old in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def test_a_newer_template_is_merged_with_the_projects_own_changes(shipped: str) -> None:
    project = made_and_committed("walks")
    change("walks/main.py", "def main() -> None:", "def mine() -> None: ...\n\n\ndef main() -> None:")
    git(project, "commit", "-q", "-a", "-m", "mine")
    change(
        os.path.join(shipped, "templates/basic/template/main.py"), "A random walk:", "A random walk, newer:"
    )
    made = scaffold.update(project, {}, ask=False, trust=False, version="", report=Silent())
    assert made.conflicts == ()
    assert made.files == (".copier-answers.yml", "main.py")
    assert "A random walk, newer:" in read("walks/main.py")
    assert "def mine()" in read("walks/main.py")
    assert "_src_path: proj:basic" in read("walks/.copier-answers.yml")


def test_a_conflict_is_marked_as_git_does(shipped: str) -> None:
    project = made_and_committed("walks")
    change("walks/main.py", "A random walk:", "My walk:")
    git(project, "commit", "-q", "-a", "-m", "mine")
    change(os.path.join(shipped, "templates/basic/template/main.py"), "A random walk:", "Their walk:")
    made = scaffold.update(project, {}, ask=False, trust=False, version="", report=Silent())
    assert made.conflicts == ("main.py",)
    text = read("walks/main.py")
    assert "<<<<<<<" in text
    assert "My walk:" in text
    assert "Their walk:" in text


def test_update_refuses_what_it_could_not_undo(shipped: str) -> None:
    project = made_and_committed("walks")
    change("walks/main.py", "A random walk:", "My walk:")
    with pytest.raises(InputError, match="uncommitted"):
        scaffold.update(project, {}, ask=False, trust=False, version="", report=Silent())
    with pytest.raises(InputError, match="not made from a template"):
        scaffold.update(
            make_tree("other", {"a": ""}), {}, ask=False, trust=False, version="", report=Silent()
        )


def test_a_version_that_this_machine_never_saw_is_told(shipped: str) -> None:
    project = made_and_committed("walks")
    change("walks/.copier-answers.yml", "_commit: v", "_commit: v9")
    git(project, "commit", "-q", "-a", "-m", "from elsewhere")
    with pytest.raises(InputError, match="never seen"):
        scaffold.update(project, {}, ask=False, trust=False, version="", report=Silent())


def test_a_template_without_a_folder_is_no_folder() -> None:
    done = proj("new", "sklearn", "--defaults")
    assert done.code == 2
    assert "proj new sklearn my-project" in done.err
    assert os.listdir(".") == []
    assert proj("new", "basic", "sklearn", "--defaults").code == 0
