"""From what was asked for to a plan: wrong input ends here, before anything slow."""

from __future__ import annotations

import json
import os

from runner import backends, environments, paths
from runner.errors import InputError
from runner.host import memo
from runner.host.files import now
from runner.parameters.resolve import assignments, load_file, resolve
from runner.project.entry_point import entry_point
from runner.project.plain import from_plain, to_plain
from runner.running import replay
from runner.running.plan import WORKDIRS, Plan, Request
from runner.typed import TYPE_CHECKING
from runner.values import Checkout, EntryPoint, EnvironmentOptions, EnvironmentSpec, Json, Project, Report

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from typing import Any

__all__ = [
    "backend_options",
    "download",
    "load_project",
    "make",
    "options",
    "refuse_contained",
    "refuse_covering",
]

NAMESAKES = frozenset(
    "seed timeout grace python env backend version store offline refresh cached isolated explain workdir".split()
)


def make(request: Request, checkout: Checkout, project: Project) -> Plan:
    """InputError for whatever can be known to be wrong now."""
    if not request.env:  # a `proj run` inside a run uses the choice of the outer one (its --env-manager)
        manager = request.env_manager or os.environ.get("PROJ_ENV_MANAGER", "")
        request = request._replace(env_manager=manager)
    if request.seed and not (request.seed.isdecimal() and int(request.seed) < 2**32):
        raise InputError(f"--seed {request.seed} is not a number from 0 to {2**32 - 1}")
    if request.run_name:
        from runner.tracking.resolve import check_name

        check_name(request.run_name)
    if request.workdir not in ("", *WORKDIRS):
        raise InputError(f"--workdir {request.workdir} is not one of {', '.join(WORKDIRS)}")
    options = backend_options(request)
    if trouble := backends.get(request.backend).problem(options):
        raise InputError(trouble)
    entry = entry_point(project, request.entry_point)
    given: dict[str, Json] = {}
    warnings: list[str] = []
    for path in request.params_file:
        values, told = load_file(path, entry)
        given.update(values)
        warnings += told
    given.update(assignments(list(request.parameters)))
    stated = request.storage_dir or os.environ.get("MLFLOW_TMP_DIR", "")  # as for `mlflow run`
    storage = os.path.abspath(stated) if stated else paths.scratch("downloads")
    try:
        parameters = resolve(
            entry,
            given,
            directory=os.getcwd(),
            storage=storage,
            project=checkout.directory,
            extra=request.extra,
        )
    except InputError as error:
        error.message = "\n".join([error.message, *warnings])  # that YAML made False of a `no`
        raise
    warnings += _mistaken(request, entry, given)
    parameters = parameters._replace(warnings=(*warnings, *parameters.warnings))
    specification = environments.choose(project, entry, request.env_manager)
    refuse_contained(entry, specification)
    if entry.outputs:
        refuse_covering(entry, checkout.directory, parameters.texts)
    return Plan(request, checkout, project, entry, parameters, specification, options)


def _mistaken(request: Request, entry: EntryPoint, given: Container[str]) -> Iterator[str]:
    """Options of ours that are called as a parameter that got no value: `--seed 4` where the program has a seed."""
    for parameter in entry.parameters:
        name = parameter.name.replace("-", "_")
        if name not in NAMESAKES or parameter.name in given:
            continue
        value = getattr(request, name)
        if value and value != Request._field_defaults[name]:
            wanted = "" if value is True else f"={value}"
            yield (
                f"--{parameter.name} is an option of proj; the parameter {parameter.name} is not set by it:"
                f" -P {parameter.name}{wanted or '=...'}"
            )


def refuse_contained(entry: EntryPoint, specification: EnvironmentSpec) -> None:
    """InputError for a notebook in a container: what runs it is on this side."""
    words = entry.command.split(maxsplit=3)
    if specification.kind == "docker" and words[:2] == ["proj", "notebook"]:
        raise InputError(
            f"the notebook {words[2] if len(words) > 2 else entry.name} cannot be run in a container by proj:"
            " what runs notebooks is outside of it",
            "--env-manager virtualenv  runs it without the container;\n"
            "or add papermill and ipykernel to the image, and to MLproject an entry point with"
            f" `command: papermill {words[2] if len(words) > 2 else 'x.ipynb'} out.ipynb -p NAME {{NAME}}`",
        )


def refuse_covering(entry: EntryPoint, directory: str, texts: Mapping[str, str]) -> None:
    """InputError for an output that is the project's folder, or has it in it: all that is there would be replaced."""
    from runner.data.outputs import filled

    directory = os.path.normpath(directory)
    for each in filled(entry.outputs, texts):
        path = os.path.normpath(os.path.join(directory, os.path.expanduser(each)))
        if path.count("/") > directory.count("/"):
            continue
        from runner.text.globs import covers

        if covers(path, directory):
            raise InputError(
                f"the output {each} of {entry.name} is the project's folder, or one above it",
                "name the files and folders that the command writes",
            )


def load_project(checkout: Checkout, tree: str = "") -> Project:
    """The project of a checkout, remembered as long as the files that say it do not change.

    `tree`: the snapshot that the checkout was restored from, which says all of it.
    """
    version = checkout.commit or checkout.version  # of an archive: its hash
    subject = f"{checkout.repository}@{version}#{checkout.subdirectory}" if checkout.temporary else ""
    if tree:
        subject = f"tree {tree}#{checkout.subdirectory}"
    kept = memo.recall("project", subject or checkout.directory)
    if kept is not None:
        return from_plain(kept)._replace(directory=checkout.directory)
    from runner.project import discovery, reading

    began = now()
    loaded = reading.load(checkout.directory)
    watched, plain = [] if subject else discovery.files(checkout.directory), to_plain(loaded)
    if not _is_secret(loaded, plain):
        memo.keep("project", subject or checkout.directory, watched, plain, began)
    return loaded


def _is_secret(project: Project, plain: object) -> bool:
    """Whether the file itself has a password in it: no second place gets it."""
    from runner.text.credentials import cleaned

    parameters = (each for point in project.entry_points for each in point.parameters)
    known = any(each.secret and each.default not in (None, "") for each in parameters)
    return known or json.dumps(cleaned(plain)) != json.dumps(plain)


def download(plan: Plan, store: str, report: Report) -> None:
    """Fetches what parameters of type path name by a URI; runs:/ID/... from the folder `store`."""
    if plan.parameters.downloads:
        from runner.data.download import fetch_all

        fetch_all(plan.parameters.downloads, store, report)


def options(plan: Plan) -> EnvironmentOptions:
    """Of the environment."""
    request, code, origin, stated = plan.request, plan.checkout, plan.origin, plan.specification
    step = {} if origin.lock else replay.step(plan.entry_point.name, stated.kind, stated.file)
    named = f"{code.repository}@{code.commit}#{code.subdirectory}"
    # a run that is made again is made as it was, though its folder is a clean room
    fetched = code.temporary and code.kind != "local"
    return EnvironmentOptions(
        checkout=named if code.temporary and code.commit else "",
        fetched=fetched,
        moved=(code.root or code.directory, plan.root),
        versions=origin.versions or step.get("versions", {}),
        refresh=request.refresh,
        offline=request.offline or step.get("offline", False),
        strict_python=request.strict_python,
        allow_python_download=request.allow_python_download,
        python=request.python,
        groups=request.groups,
        extras=request.extras,
        isolated=request.isolated,
        env_path=request.env,
        docker_args=request.docker_args,
        project_name=plan.project.name,
        build_image=request.build_image,
        kept_lock=origin.lock or step.get("lock", ""),
        wheels=origin.wheels or step.get("wheels", ""),
    )


def backend_options(request: Request) -> dict[str, Any]:
    """`--backend-config` (JSON file or text) with --timeout and --grace, these in seconds."""
    found: dict[str, Any] = {}
    if text := request.backend_config:
        try:
            if not text.lstrip().startswith("{"):
                with open(text, encoding="utf-8") as file:
                    text = file.read()
            found = json.loads(text)
        except OSError as error:
            raise InputError(f"--backend-config {request.backend_config}: {error.strerror}") from None
        except ValueError as error:
            raise InputError(f"--backend-config is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise InputError("--backend-config is not a JSON object", 'such as \'{"timeout": "2h"}\'')
    for name, given in (("timeout", request.timeout), ("grace", request.grace)):
        where = f"--{name}"
        if not given and name in found:
            given, where = str(found[name]), f"--backend-config: {name}"
        if given.isdecimal() and len(given) < 9:  # the default: nothing to be imported for it
            found[name] = float(given)
        elif given:
            from runner.text.units import seconds

            found[name] = seconds(given, where)
    return found
