"""The real MLflow clients against the endpoint of a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.servers import World, run_flow

pytestmark = [pytest.mark.mlflow, pytest.mark.slow]


@pytest.mark.parametrize("client_python", ["3", "2.9", "1.30"], indirect=True)
def test_complaint_2887_2227_a_program_that_sets_an_experiment_continues_the_run(
    world: World, client_python: str
) -> None:
    out = run_flow(client_python, "basic", world.variables(), "other")
    assert out.split()[-1] == world.run_id
    run = world.store.read(world.run_id)
    assert run.experiment_id == "0"  # stays where the runner put it
    assert run.status == "RUNNING"  # the supervisor knows how it ends
    assert run.sections["client"]["status"] == "FINISHED"
    assert run.params["alpha"] == "0.5"
    assert set(run.artifacts) == {"folder/hello.txt", "a.json", "empty.txt"}
    children = [each for each in world.store.search(limit=10).runs if each.parent == world.run_id]
    assert len(children) == 1


def test_autologging_and_models(world: World, client_python: str) -> None:
    run_flow(client_python, "models", world.variables())
    models = os.listdir(os.path.join(world.store.root, "models"))
    assert len(models) == 2


def test_complaint_2820_a_parameter_is_logged_again_with_an_equal_value(
    world: World, client_python: str
) -> None:
    program = "import mlflow\nwith mlflow.start_run(): mlflow.log_param('lr', 5.0); mlflow.log_params({'flag': True})"
    done = subprocess.run(
        [client_python, "-c", program],
        env={**os.environ, **world.variables()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert world.store.read(world.run_id).params == {"lr": 5, "flag": True}


def test_curl(world: World) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH")
    base = f"http://127.0.0.1:{world.endpoint.port}/api/2.0/mlflow"
    script = f"""
    set -e
    auth="Authorization: Bearer {world.endpoint.token}"
    curl -fsS -H "$auth" -H 'Content-Type: application/json' {base}/runs/log-metric \
      -d '{{"run_id":"{world.run_id}","key":"loss","value":0.5,"timestamp":1700000000000,"step":1}}'
    head -c 3000000 /dev/zero > big.bin
    curl -fsS -H "$auth" -T big.bin \
      {base}-artifacts/artifacts/0/{world.run_id}/artifacts/big.bin
    curl -fsS -H "$auth" -o back.bin {base}-artifacts/artifacts/0/{world.run_id}/artifacts/big.bin
    cmp big.bin back.bin
    curl -fsS -H "$auth" "{base}/runs/get?run_id={world.run_id}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout[done.stdout.index('{"run"') :])["run"]["data"]["metrics"][0]["value"] == 0.5
