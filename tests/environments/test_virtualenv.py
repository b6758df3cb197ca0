"""Real virtual environments from real specifications, without a network."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runner import environments, paths
from runner.environments import building, cache
from runner.errors import EnvironmentFailure, InputError
from runner.host import process
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Silent
from tests.environments.conftest import Recorder, settle
from tests.environments.packages import make_source, make_wheel
from tests.helpers import make_tree


def prepare(project: str, file: str, report: object = None, **options: object) -> Environment:
    return environments.prepare(
        EnvironmentSpec("virtualenv", file),
        project,
        EnvironmentOptions(**options),  # type: ignore[arg-type]
        report or Silent(),  # type: ignore[arg-type]
    )


def output(environment: Environment, code: str) -> str:
    variables: dict[str, str] = dict(os.environ)
    for name, value in environment.activation.variables.items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    variables["PATH"] = os.pathsep.join([*environment.activation.path, variables["PATH"]])
    done = subprocess.run(["python", "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


VERSION = "import tiny; print(tiny.VERSION)"


def project_with(folder: object, *lines: str, **files: str) -> str:
    text = "dependencies:\n" + "".join(f"  - {line}\n" for line in lines)
    return make_tree(folder, {"python_env.yaml": text, **files})


def test_python_env_is_built_locked_and_run(tmp_path: object) -> None:
    project = make_tree(
        f"{tmp_path}/p",
        {
            "python_env.yaml": (
                f"python: '{sys.version_info[0]}.{sys.version_info[1]}'\n"
                "build_dependencies:\n  - tiny\ndependencies:\n  - other  # comment\n  - -r sub/more.txt\n"
            ),
            "sub/more.txt": "tiny>=1\n",
        },
    )
    environment = prepare(project, "python_env.yaml")
    assert output(environment, "import other, tiny; print(other.VERSION, tiny.VERSION)") == "1.0 1.0"
    assert output(environment, "import sys; print(sys.prefix)") == environment.activation.prefix
    assert environment.lock.splitlines()[0] == "other==1.0 \\"
    assert environment.lock.count("--hash=sha256:") == 2
    assert environment.details["file"] == "python_env.yaml"
    assert environment.details["packages"] == 3
    assert str(environment.details["seeded"]).startswith("pip-")
    assert output(environment, "import pip; print('pip')") == "pip"
    assert sorted(os.listdir(project)) == ["python_env.yaml", "sub"]


def test_the_second_time_nothing_is_started(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    prepare(project, "python_env.yaml")  # the first build in a new home makes folders there
    settle(project, f"{project}/python_env.yaml", os.path.expanduser("~"))
    first = prepare(project, "python_env.yaml")
    monkeypatch.setattr(process, "run", None)
    monkeypatch.setattr("runner.environments.resolving.resolve", None)
    assert prepare(project, "python_env.yaml") == first


def test_two_projects_with_one_lock_share_an_environment(tmp_path: object) -> None:
    first = prepare(project_with(f"{tmp_path}/a", "tiny"), "python_env.yaml")
    second = prepare(make_tree(f"{tmp_path}/b", {"requirements.txt": "tiny==2.0\n"}), "requirements.txt")
    assert first.key == second.key


def test_complaint_10525_a_changed_nested_file_gives_another_environment(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "-r reqs/a.txt")
    make_tree(project, {"reqs/a.txt": "-r b.txt\n", "reqs/b.txt": "tiny==1.0\n"})
    assert output(prepare(project, "python_env.yaml"), VERSION) == "1.0"
    make_tree(project, {"reqs/b.txt": "tiny==2.0\n"})
    assert output(prepare(project, "python_env.yaml"), VERSION) == "2.0"
    make_tree(
        project,
        {"reqs/a.txt": "-r b.txt\n-c limits.txt\n", "reqs/b.txt": "tiny\n", "reqs/limits.txt": "tiny<2\n"},
    )
    assert output(prepare(project, "python_env.yaml"), VERSION) == "1.0"
    make_tree(project, {"reqs/limits.txt": "tiny>=2\n"})
    assert output(prepare(project, "python_env.yaml"), VERSION) == "2.0"


def test_complaint_525_the_lock_is_kept_until_refreshed(
    tmp_path: object, index: str, report: Recorder
) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    assert "tiny==2.0" in prepare(project, "python_env.yaml").lock
    make_wheel(index, "tiny", "3.0")
    assert "tiny==2.0" in prepare(project, "python_env.yaml").lock
    environment = prepare(project, "python_env.yaml", report, refresh=True)
    assert "tiny==3.0" in environment.lock
    assert report.notes == ["~ tiny 2.0 -> 3.0"]
    assert output(prepare(project, "python_env.yaml"), VERSION) == "3.0"


def test_complaint_2455_a_failed_build_leaves_nothing(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "./broken")
    make_source(f"{project}/broken", "broken", "", fault="raise SystemExit('the compiler is missing')")
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project, "python_env.yaml")
    assert "could not be built" in caught.value.message
    assert "the compiler is missing" in caught.value.message
    log = caught.value.hint.split("full log: ")[1]
    assert os.path.isfile(log)
    assert cache.ready() == []
    make_source(f"{project}/broken", "broken", "V = 1\n")
    assert output(prepare(project, "python_env.yaml"), "import broken; print(broken.V)") == "1"


def test_complaint_4886_hashes_in_requirements_are_verified(tmp_path: object, index: str) -> None:
    import hashlib

    with open(f"{index}/tiny-1.0-py3-none-any.whl", "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    project = make_tree(f"{tmp_path}/p", {"requirements.txt": f"tiny==1.0 \\\n  --hash=sha256:{digest}\n"})
    assert output(prepare(project, "requirements.txt"), VERSION) == "1.0"
    wrong = make_tree(f"{tmp_path}/q", {"requirements.txt": f"tiny==1.0 --hash=sha256:{'0' * 64}\n"})
    with pytest.raises(EnvironmentFailure):
        prepare(wrong, "requirements.txt")


@pytest.mark.parametrize("name", ["Dotted.Name", "dotted_name", "dotted..name"])
def test_hashes_are_verified_however_the_package_is_spelt(tmp_path: object, index: str, name: str) -> None:
    """An index calls it dotted-name (PEP 503); its author's own hash is the one that counts."""
    make_wheel(index, "dotted_name", "1.0")
    pinned = f"{name}==1.0 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(EnvironmentFailure):
        prepare(make_tree(f"{tmp_path}/p", {"requirements.txt": pinned}), "requirements.txt")


def test_a_package_that_does_not_exist(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "no-such-package-here")
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project, "python_env.yaml")
    assert "no-such-package-here was not found" in caught.value.message
    assert "cannot be reached" not in caught.value.message


def test_complaint_22880_no_network_is_not_a_conflict(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://ada:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    project = project_with(f"{tmp_path}/p", "tiny")
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project, "python_env.yaml")
    assert "cannot be reached" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project_with(f"{tmp_path}/q", "tiny-never-seen"), "python_env.yaml", offline=True)
    assert "--offline" in caught.value.message


def test_build_dependencies_give_way_to_dependencies(tmp_path: object) -> None:
    project = make_tree(
        f"{tmp_path}/p", {"python_env.yaml": "build_dependencies: [tiny==1.0]\ndependencies: [tiny>=2]\n"}
    )
    assert output(prepare(project, "python_env.yaml"), VERSION) == "2.0"


def test_a_local_package_is_built_anew_when_it_changes_and_left_clean(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "./pkg")
    make_source(f"{project}/pkg", "pkg", "V = 1\n")
    environment = prepare(project, "python_env.yaml")
    assert environment.lock == "./pkg\n"
    assert output(environment, "import pkg; print(pkg.V)") == "1"
    make_source(f"{project}/pkg", "pkg", "V = 2\n")
    assert output(prepare(project, "python_env.yaml"), "import pkg; print(pkg.V)") == "2"
    assert sorted(os.listdir(f"{project}/pkg")) == ["backend.py", "pkg.py", "pyproject.toml"]


def test_an_editable_package_follows_its_folder(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "-e ./pkg")
    make_source(f"{project}/pkg", "pkg", "V = 1\n")
    environment = prepare(project, "python_env.yaml")
    make_tree(project, {"pkg/pkg.py": "V = 22\n"})
    assert prepare(project, "python_env.yaml").key == environment.key
    assert output(environment, "import pkg; print(pkg.V)") == "22"


def test_a_kept_lock_is_installed_exactly(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "tiny<2")
    old = prepare(project, "python_env.yaml")
    project_with(project, "tiny")
    assert "tiny==2.0" in prepare(project, "python_env.yaml").lock
    again = prepare(project, "python_env.yaml", kept_lock=old.lock)
    assert (again.key, again.lock) == (old.key, old.lock)
    assert output(again, VERSION) == "1.0"


def test_a_removed_environment_or_interpreter_is_noticed(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, report: Recorder
) -> None:
    version = ".".join(str(part) for part in sys.version_info[:3])
    monkeypatch.setenv("PYENV_ROOT", f"{tmp_path}/pyenv")
    os.makedirs(f"{tmp_path}/pyenv/versions/{version}/bin")
    fake = f"{tmp_path}/pyenv/versions/{version}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    os.symlink(os.path.realpath(sys.executable), fake)
    project = project_with(f"{tmp_path}/p", "tiny")
    environment = prepare(project, "python_env.yaml", python=fake)
    os.unlink(fake)
    with pytest.raises(InputError, match="not a Python"):
        prepare(project, "python_env.yaml", python=fake)
    os.symlink(os.path.realpath(sys.executable), fake)
    assert prepare(project, "python_env.yaml", report, python=fake) == environment


def test_a_removed_folder_is_built_anew(tmp_path: object) -> None:
    import shutil

    project = project_with(f"{tmp_path}/p", "tiny")
    settle(project, f"{project}/python_env.yaml", os.path.expanduser("~"))
    environment = prepare(project, "python_env.yaml")
    shutil.rmtree(environment.activation.prefix)
    assert output(prepare(project, "python_env.yaml"), VERSION) == "2.0"


def test_packages_installed_by_hand_are_noticed(tmp_path: object, index: str, report: Recorder) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    environment = prepare(project, "python_env.yaml")
    site = output(environment, "import tiny, os; print(os.path.dirname(tiny.__file__))")
    os.rename(f"{site}/tiny-2.0.dist-info", f"{site}/tiny-1.5.dist-info")
    again = prepare(project, "python_env.yaml", report)
    assert again.key == environment.key
    assert os.path.isdir(f"{site}/tiny-2.0.dist-info")
    assert "changed by hand" in report.notes[0]


def test_drift_of_an_environment_in_use_is_only_told(tmp_path: object, report: Recorder) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    environment = prepare(project, "python_env.yaml")
    handle = cache.hold(environment)
    other = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    try:
        site = output(environment, "import tiny, os; print(os.path.dirname(tiny.__file__))")
        make_tree(site, {"added-1.0.dist-info/METADATA": ""})
        cache.release(environment.key)
        again = prepare(project, "python_env.yaml", report)
        assert "in use" in report.warnings[0]
        assert "added-1.0" in str(again.details["warnings"])
        assert os.path.isdir(f"{site}/added-1.0.dist-info")
    finally:
        other.kill()
        other.wait()


def test_complaint_5922_credentials_reach_the_index_and_nothing_else(
    tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Complaint #5922: an index with user and password, named in the dependency list."""
    from tests.environments.server import serving

    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with serving(index, "ada", "s3cretword") as address:
        line = f"--index-url http://ada:s3cretword@{address}/simple"
        project = project_with(f"{tmp_path}/p", f'"{line}"', "tiny")
        environment = prepare(project, "python_env.yaml")
        assert output(environment, VERSION) == "2.0"
        assert "tiny==2.0" in environment.lock
        refused = project_with(
            f"{tmp_path}/q", f'"--index-url http://ada:wr0ngword@{address}/simple"', "tiny"
        )
        with pytest.raises(EnvironmentFailure) as caught:
            prepare(refused, "python_env.yaml", refresh=True)
        assert "refused" in caught.value.message
    # with its lock kept and its packages in the cache, it is built without the index
    cache.release(environment.key)
    assert building.remove(environment.key)
    assert prepare(project, "python_env.yaml").key == environment.key
    for folder, _, names in os.walk(paths.cache()):
        for name in names:
            if folder.startswith(paths.cache("packages")):
                continue
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            assert b"s3cretword" not in content, name
            assert b"wr0ngword" not in content, name


def test_groups_of_variables_are_cleared_when_isolated(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PIP_FANCY", "1")
    environment = prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml", isolated=True)
    removed = {name for name, value in environment.activation.variables.items() if value is None}
    assert {"PYTHONPATH", "PIP_FANCY"} <= removed


def test_a_kept_lock_with_its_wheels_needs_no_index(
    tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with(f"{tmp_path}/p", "tiny<2")
    environment = prepare(project, "python_env.yaml")
    cache.release(environment.key)
    assert building.remove(environment.key)
    monkeypatch.setenv("UV_CACHE_DIR", f"{tmp_path}/empty-cache")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(EnvironmentFailure):
        prepare(project, "python_env.yaml", kept_lock=environment.lock)
    again = prepare(project, "python_env.yaml", kept_lock=environment.lock, wheels=index)
    assert output(again, VERSION) == "1.0"


def test_a_checkout_for_one_run_is_recalled_by_its_name(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is another one each time; an editable package would point to a folder that is gone."""
    keys = []
    for number in (1, 2):
        project = project_with(f"{tmp_path}/{number}", "-e ./pkg")
        make_source(f"{project}/pkg", "pkg", "V = 1\n")
        environment = prepare(project, "python_env.yaml", checkout="https://host/r.git@0123#", fetched=True)
        assert str(tmp_path) not in output(environment, "import pkg; print(pkg.__file__)").replace(
            os.environ["HOME"], ""
        )
        keys.append(environment.key)
        monkeypatch.setattr(process, "run", None)
    assert keys[0] == keys[1]


def test_a_cache_that_cannot_be_written_is_said(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(f"{tmp_path}/file", "w", encoding="utf-8"):
        monkeypatch.setenv("PROJ_CACHE", f"{tmp_path}/file")
    with pytest.raises(EnvironmentFailure, match="cannot be made"):
        prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml")


def test_complaint_1833_the_callers_active_environment_does_not_leak_in(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere/else")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml")
    code = "import sys, os, site; print(sys.prefix, os.environ['VIRTUAL_ENV'], sys.dont_write_bytecode, site.ENABLE_USER_SITE)"
    prefix = environment.activation.prefix
    assert output(environment, code) == f"{prefix} {prefix} False False"
