"""What a verdict claims: nothing is called identical that was not compared, or not made anew."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.helpers import make_tree, proj
from tests.reproduction.worlds import LOG, ran, reproduced, result


@pytest.fixture
def marker(tmp_path: object) -> str:
    return f"{tmp_path}/marker"


def project(tmp_path: object, command: str, outputs: str = "[]", **files: str) -> str:
    main = f"entry_points:\n  main:\n    outputs: {outputs}\n    command: |\n      {command}\n"
    return make_tree(f"{tmp_path}/demo", {"MLproject": main, "log.py": LOG, **files})


def notes(verdict: dict[str, Any]) -> str:
    return "\n".join(verdict["notes"])


def test_a_run_with_nothing_to_compare(tmp_path: object) -> None:
    verdict = reproduced(ran(project(tmp_path, "echo hello")))
    assert verdict["verdict"] == "identical"
    assert "only how it ended was compared" in notes(verdict)
    out = proj("reproduce", verdict["run_id"]).out
    assert "note: only how it ended was compared" in out


def test_everything_ignored(tmp_path: object) -> None:
    verdict = reproduced(ran(project(tmp_path, "echo 1 > out.txt", "[out.txt]")), "--ignore", "*")
    assert "nothing was compared" in notes(verdict)


def test_a_run_with_results_needs_no_note(tmp_path: object) -> None:
    assert reproduced(ran(project(tmp_path, "echo 1 > out.txt", "[out.txt]")))["notes"] == []


@pytest.mark.slow
def test_a_failure_for_another_reason(tmp_path: object, marker: str) -> None:
    """The exit code is the same: the last line tells."""
    run = ran(
        project(tmp_path, f"test -e {marker} && echo no data at 9:03 || echo no memory at 8:01; exit 1"),
        code=1,
    )
    same = reproduced(run)
    assert same["verdict"] == "identical"
    assert "had failed (exit code 1)" in notes(same)
    make_tree(tmp_path, {"marker": ""})
    other = reproduced(run)
    assert (other["verdict"], result(other, "last line")) == ("different", "different")
    assert result(reproduced(run, "--ignore", "last line"), "exit code") == "identical"


def test_numbers_in_the_reason_of_a_failure_are_chance(tmp_path: object) -> None:
    run = ran(project(tmp_path, "echo at $(date +%N) in $PWD: no; exit 1"), code=1)
    assert reproduced(run)["verdict"] == "identical"


def test_an_exit_code_of_a_later_repetition(tmp_path: object) -> None:
    count = f"{tmp_path}/count"
    run = ran(project(tmp_path, f"echo >> {count}; test $(wc -l < {count}) -lt 3"))
    verdict = reproduced(run, "-n", "3")
    assert (verdict["verdict"], result(verdict, "exit code")) == ("different", "different")


def test_an_output_of_a_later_repetition(tmp_path: object) -> None:
    count = f"{tmp_path}/count"
    run = ran(
        project(tmp_path, f"echo >> {count}; test $(wc -l < {count}) -lt 3 || echo > more.txt", "['*.txt']")
    )
    assert result(reproduced(run, "-n", "2"), "more.txt") == "added"


@pytest.mark.slow
def test_not_a_number(tmp_path: object, marker: str) -> None:
    train = (
        "import os\nfrom log import log\nthere = os.path.exists(%r)\n"
        "log('nan', 'NaN')\nlog('was', 'NaN' if there else 1)\nlog('is', 1 if there else 'NaN')\n"
        "log('new' if there else 'old', 1)\n"
    )
    run = ran(project(tmp_path, "python3 train.py", **{"train.py": train % marker}))
    assert reproduced(run)["verdict"] == "identical"
    make_tree(tmp_path, {"marker": ""})
    for arguments in (("-n", "2"), ("--tolerance", "1e9")):
        verdict = reproduced(run, *arguments)
        found = [result(verdict, name) for name in ("nan", "was", "is", "old", "new")]
        assert found == ["identical", "different", "different", "missing", "added"]


@pytest.mark.slow
def test_parameters_that_the_program_logs_are_results(tmp_path: object, marker: str) -> None:
    train = (
        "import os\nfrom log import call\ndepth = '5' if os.path.exists(%r) else '3'\n"
        "call('log-parameter', {'key': 'depth', 'value': depth})\n"
        "call('log-parameter', {'key': 'cache', 'value': os.getcwd() + '/cache'})\n"
    )
    run = ran(project(tmp_path, "python3 train.py", **{"train.py": train % marker}))
    assert reproduced(run)["verdict"] == "identical"
    make_tree(tmp_path, {"marker": ""})
    verdict = reproduced(run)
    assert (verdict["verdict"], result(verdict, "depth")) == ("different", "different")
    assert result(verdict, "cache") == "identical"


# ---- outputs that were there before --------------------------------------------------------------------------


def test_an_output_that_came_with_the_code(tmp_path: object, marker: str) -> None:
    folder = project(tmp_path, f"test -e {marker} || echo 1 > out.txt", "[out.txt]", **{"out.txt": "1\n"})
    run = ran(folder)
    assert reproduced(run)["notes"] == []
    make_tree(tmp_path, {"marker": ""})
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"
    assert "did not write out.txt" in notes(verdict)


def test_a_folder_that_came_with_the_code(tmp_path: object, marker: str) -> None:
    command = f"test -e {marker} || echo 1 > out/a.txt"
    run = ran(project(tmp_path, command, "[out]", **{"out/a.txt": "1\n"}))
    assert reproduced(run)["notes"] == []
    make_tree(tmp_path, {"marker": ""})
    assert "did not write out/a.txt" in notes(reproduced(run))


def test_a_run_that_was_ended_from_outside(tmp_path: object) -> None:
    """What it had not come to yet is no difference, and is told."""
    command = f"test -e {tmp_path}/quick || sleep 60; echo 1 > out.txt"
    run = ran(project(tmp_path, command, "[out.txt]"), "--timeout", "1s", code=143)
    make_tree(tmp_path, {"quick": ""})
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    assert "ended from outside (timeout)" in notes(verdict)


def test_a_run_that_was_taken_over_from_another(tmp_path: object) -> None:
    """Its results are those of the other: the command is run to see whether they are true."""
    folder = project(tmp_path, "echo 1 > out.txt", "[out.txt]")
    ran(folder)
    os.unlink(f"{folder}/out.txt")
    taken = ran(folder, "--cached")
    assert taken.links[0]["relation"] == "cached-from"
    verdict = reproduced(taken)
    assert verdict["verdict"] == "identical", verdict
    assert verdict["notes"] == []


@pytest.mark.slow
def test_another_output_that_came_with_the_code(tmp_path: object, marker: str) -> None:
    command = f"test -e {marker} || echo 1 > out.txt"
    run = ran(project(tmp_path, command, "[out.txt]", **{"out.txt": "old"}))
    make_tree(tmp_path, {"marker": ""})
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs")
    assert "found out.txt there" in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_an_old_output_outside_of_the_project(tmp_path: object) -> None:
    path = f"{tmp_path}/outside.txt"
    run = ran(project(tmp_path, f"test -e {path} || echo 1 > {path}", f"[{path}]"))
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"], result(verdict, path)) == ("different", "inputs", "missing")
    os.unlink(path)
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"
    assert [each["kind"] for each in verdict["compared"]] == ["end", "output", "log"]


def test_an_output_beside_the_project(tmp_path: object) -> None:
    run = ran(project(tmp_path, "echo 1 > ../beside.txt", "[../beside.txt]"))
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"
    assert result(verdict, f"{tmp_path}/beside.txt") == "identical"


def test_a_text_that_names_its_folder(tmp_path: object) -> None:
    run = ran(project(tmp_path, "echo made in $PWD > out.txt", "[out.txt]"))
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"  # it is made at the same path
    os.rename(f"{tmp_path}/demo", f"{tmp_path}/gone")
    verdict = reproduced(run)
    assert verdict["verdict"] == "within-tolerance"
    assert "folder" in next(each["detail"] for each in verdict["compared"] if each["name"] == "out.txt")


# ---- files that vary -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [pytest.param(1.01, "within-tolerance", marks=pytest.mark.slow), (99.0, "different")],
)
def test_noise_in_a_file_does_not_excuse_everything(tmp_path: object, recorded: float, expected: str) -> None:
    count = f"{tmp_path}/count"
    make = (
        "import json\nopen(%r, 'a').write('x')\nn = len(open(%r).read())\n"
        "json.dump({'rmse': %r if n == 1 else 1 + (n %% 3) / 100}, open('out.json', 'w'))\n"
    )
    run = ran(
        project(tmp_path, "python3 make.py", "[out.json]", **{"make.py": make % (count, count, recorded)})
    )
    verdict = reproduced(run, "-n", "4")
    assert (verdict["verdict"], result(verdict, "out.json")) == (expected, expected)


@pytest.mark.slow
def test_last_is_not_the_reproduction(tmp_path: object, marker: str) -> None:
    """Reproduced twice, a run that came out different is not compared with its reproduction."""
    run = ran(project(tmp_path, f"test -e {marker} && exit 4 || exit 3"), code=3)
    make_tree(tmp_path, {"marker": ""})
    for _ in range(2):
        verdict = reproduced("last")
        assert (verdict["verdict"], verdict["run_id"]) == ("different", run.run_id)
    assert marker in verdict["causes"][0]["text"]
