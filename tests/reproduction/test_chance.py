"""What varies by itself is told from what has changed, result by result; what is no difference is none."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.helpers import make_tree
from tests.reproduction.worlds import LOG, ran, reproduced, result

MAIN = "entry_points:\n  main:\n    outputs: %s\n    command: python3 make.py\n"


def project(tmp_path: object, code: str, outputs: str = "[out.json]") -> str:
    """`data` is a file outside that nobody declared; the code finds its content as DATA."""
    make_tree(tmp_path, {"data": "1"})
    head = f"import json, os, random, sys, tempfile, time\nfrom log import call, log\nDATA = open({str(tmp_path)!r} + '/data').read()\n"
    return make_tree(f"{tmp_path}/demo", {"MLproject": MAIN % outputs, "log.py": LOG, "make.py": head + code})


def causes(verdict: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["cause"] for each in verdict["compared"] if each["cause"]}


@pytest.mark.slow
def test_each_result_has_its_own_cause(tmp_path: object) -> None:
    code = "open('a.txt', 'w').write(DATA)\nopen('b.txt', 'w').write(str(time.time_ns()))\n"
    run = ran(project(tmp_path, code, "[a.txt, b.txt]"))
    make_tree(tmp_path, {"data": "2"})
    verdict = reproduced(run)
    assert verdict["verdict"] == "different"
    assert causes(verdict)["b.txt"] == "nondeterminism"
    assert causes(verdict)["a.txt"] == verdict["cause"] != "nondeterminism"
    assert {each["kind"] for each in verdict["causes"]} >= {verdict["cause"], "nondeterminism"}


@pytest.mark.slow
def test_a_shift_under_small_noise_is_no_noise(tmp_path: object) -> None:
    code = "json.dump({'loss': float(DATA) + random.random() / 1e6}, open('out.json', 'w'))\n"
    run = ran(project(tmp_path, code))
    assert reproduced(run)["cause"] == "nondeterminism"
    make_tree(tmp_path, {"data": "2"})
    verdict = reproduced(run)
    assert verdict["verdict"] == "different"
    assert "nondeterminism" not in {each["kind"] for each in verdict["causes"]}


@pytest.mark.parametrize(
    ("label", "expected"), [pytest.param("1", "within-tolerance", marks=pytest.mark.slow), ("2", "different")]
)
def test_a_time_in_a_file_excuses_itself_alone(tmp_path: object, label: str, expected: str) -> None:
    code = "json.dump({'label': DATA, 'at': time.time(), 'when': time.strftime('%FT%T')}, open('out.json', 'w'))\n"
    run = ran(project(tmp_path, code))
    make_tree(tmp_path, {"data": label})
    assert reproduced(run, "-n", "3")["verdict"] == expected


@pytest.mark.slow
def test_a_time_in_whole_seconds(tmp_path: object) -> None:
    run = ran(project(tmp_path, "open('out.json', 'w').write(time.strftime('%d.%m.%y %H-%M-%S'))\n"))
    verdict = reproduced(run)
    if verdict["verdict"] != "identical":  # both within one second
        assert verdict["cause"] == "nondeterminism"


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["out-{time.time_ns()}.json", "out-{uuid.uuid4()}.json", "deep/{os.getpid()}/out.json"]
)
def test_a_name_that_is_another_in_each_run(tmp_path: object, name: str) -> None:
    """With the same content in it; and what else differs still has its own cause."""
    code = (
        "import time, uuid\n"
        f"name = f'res/{name}'\n"
        "os.makedirs(os.path.dirname(name), exist_ok=True)\n"
        "open(name, 'w').write('1')\n"
        "open('out.json', 'w').write(DATA)\n"
    )
    run = ran(project(tmp_path, code, "[res, out.json]"))
    again = reproduced(run)
    assert (again["verdict"], again["cause"]) == ("different", "nondeterminism"), again
    assert "it is called res/" in again["compared"][-1]["detail"] + again["compared"][-2]["detail"]
    assert reproduced(run, "-n", "3")["verdict"] == "within-tolerance"
    make_tree(tmp_path, {"data": "2"})
    again = reproduced(run)
    assert again["cause"] == "inputs"
    assert causes(again)["out.json"] == "inputs"


@pytest.mark.slow
def test_what_stands_around_words_that_vary(tmp_path: object) -> None:
    """Of a line whose words are others each time, and not equally many, what begins and ends it counts."""
    code = "import random\nopen('out.json', 'w').write('<a ' + 'x ' * random.randrange(1, 10**5) + f'> {DATA}')\n"
    run = ran(project(tmp_path, code))
    assert reproduced(run)["cause"] == "nondeterminism"
    make_tree(tmp_path, {"data": "2"})
    assert reproduced(run)["cause"] == "inputs"


def test_outcomes_of_which_there_are_few(tmp_path: object) -> None:
    """A counter decides, so that the test does not: the recorded outcome comes back at the fourth repetition."""
    code = (
        f"path = {str(tmp_path)!r} + '/count'\nopen(path, 'a').write('x')\n"
        "open('out.json', 'w').write('AB'[len(open(path).read()) % 4 != 1])\n"
    )
    verdict = reproduced(ran(project(tmp_path, code)))
    assert (verdict["verdict"], verdict["cause"], len(verdict["runs"])) == ("different", "nondeterminism", 4)


def test_points_that_are_no_difference(tmp_path: object) -> None:
    """Written by two workers at once, sent twice, or as often as a loop came to it."""
    code = (
        "again = DATA == '2'\n"
        "steps = [1, 0, 3, 2] if again else [0, 1, 2, 3]\n"
        "for step in steps: log('loss', step / 10, step)\n"
        "for _ in range(3 if again else 5): log('acc', 1.0)\n"
        "for value in (1, 2, 1): log('back', value)\n"
    )
    run = ran(project(tmp_path, code, "[]"))
    make_tree(tmp_path, {"data": "2"})
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict


@pytest.mark.parametrize(
    "changed",
    [
        "[(0, 2), (0, 1)]",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("[(0, 1), (0, 2)]", "[(0, 1), (0, 2), (0, 1), (1, 1)]", "[(1, 1), (0, 2), (0, 1)]")
        ),
    ],
)
def test_points_that_are_a_difference(tmp_path: object, changed: str) -> None:
    code = f"for step, value in {changed} if DATA == '2' else [(0, 1), (0, 2), (0, 1)]: log('loss', value, step)\n"
    run = ran(project(tmp_path, code, "[]"))
    make_tree(tmp_path, {"data": "2"})
    assert result(reproduced(run, "--ignore", "last line"), "loss") == "different"


@pytest.mark.slow
def test_the_reason_of_a_failure_may_name_what_varies(tmp_path: object) -> None:
    code = (
        "place = tempfile.mkdtemp(dir='/tmp')\nos.rmdir(place)\n"
        "sys.exit(f'no {place}/{DATA.strip()}/a.csv in {os.getcwd()}, pid {os.getpid()}, at 0x{id(code):x}')\n"
    ).replace("id(code)", "id(place)")
    run = ran(project(tmp_path, code, "[]"), code=1)
    os.rename(f"{tmp_path}/demo", f"{tmp_path}/gone")
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    make_tree(tmp_path, {"data": "x"})
    assert result(reproduced(run), "last line") == "different"


TRIALS = """\
entry_points:
  main:
    command: for n in $(cat %s); do proj run . -q -e trial -P n=$n; done
  trial:
    parameters: {n: int}
    command: proj log metric loss={n}
"""


@pytest.mark.slow
def test_steps_belong_to_their_parameters(tmp_path: object) -> None:
    make_tree(tmp_path, {"order": "1 2 3"})
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": TRIALS % f"{tmp_path}/order"}))
    make_tree(tmp_path, {"order": "3 1 2"})
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    assert [each["old"] for each in verdict["compared"] if each["kind"] == "metric"] == [1, 2, 3]
    make_tree(tmp_path, {"order": "3 1 4"})
    other = reproduced(run)
    assert (result(other, "trial #2: n"), result(other, "trial #2: loss")) == ("different", "different")
    assert result(other, "trial #3: loss") == "identical"
    make_tree(tmp_path, {"order": "3 1"})
    assert result(reproduced(run), "trial #2") == "missing"


def test_nested_runs_of_a_client_in_another_order(tmp_path: object) -> None:
    """They have no entry point; two with the same parameters are told apart by what they logged."""
    code = (
        "def child(fold, loss):\n"
        "    import urllib.request\n"
        "    def post(method, **body):\n"
        "        url = os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/runs/' + method\n"
        "        head = {'Content-Type': 'application/json', 'Authorization': 'Bearer ' + os.environ.get('MLFLOW_TRACKING_TOKEN', '')}\n"
        "        return json.load(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), head)))\n"
        "    tags = [{'key': 'mlflow.parentRunId', 'value': os.environ['MLFLOW_RUN_ID']}]\n"
        "    made = post('create', experiment_id=os.environ['MLFLOW_EXPERIMENT_ID'], start_time=1, tags=tags)['run']['info']['run_id']\n"
        "    post('log-parameter', run_id=made, key='fold', value=fold)\n"
        "    post('log-metric', run_id=made, key='loss', value=loss, step=0, timestamp=1)\n"
        "    post('update', run_id=made, status='FINISHED', end_time=2)\n"
        "order = [('b', 3), ('a', 2), ('a', 1)] if DATA == '2' else [('a', 1), ('a', 2), ('b', 3)]\n"
        "for fold, loss in order: child(fold, loss)\n"
    )
    run = ran(project(tmp_path, code, "[]"))
    make_tree(tmp_path, {"data": "2"})
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", json.dumps(verdict["compared"], indent=1)
    assert [each["kind"] for each in verdict["compared"]].count("metric") == 3
