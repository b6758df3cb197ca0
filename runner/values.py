"""The frozen values that travel between the layers.

NamedTuples and not dataclasses: importing dataclasses costs 8 ms, half of what a warm `proj run` may cost.
Every field is JSON-able, so a value can be kept, sent to another host and read back.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.typed import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
# JSON from or for somebody else, whose shape is theirs: an answer of the protocol, of nvidia-smi, of a forge.
JsonObject: TypeAlias = "dict[str, Any]"
JsonMapping: TypeAlias = "Mapping[str, Any]"


# ---- project (made by runner/project.py) -----------------------------------------------------------------


class Parameter(NamedTuple):
    """A declared parameter. `type` is one of string, int, float, bool, path, uri, list, or "" for untyped."""

    name: str
    type: str = ""
    default: Json = None
    has_default: bool = False
    required: bool = True  # False: without a value, its `--opt {name}` group is left out of the command
    description: str = ""
    choices: tuple[Json, ...] = ()
    min: float | None = None
    max: float | None = None
    secret: bool = False  # never in the record, the log, or a printed command
    line: int = 0
    note: str = ""  # a likely mistake in the declaration, told when a value is missing


class Retries(NamedTuple):
    """For which reasons of an end a step is tried again, and how often."""

    on: tuple[str, ...] = ()
    times: int = 0


class EntryPoint(NamedTuple):
    name: str
    command: str
    parameters: tuple[Parameter, ...] = ()
    description: str = ""
    inputs: tuple[str, ...] = ()  # paths, globs and URIs that the command reads, relative to the project
    outputs: tuple[str, ...] = ()  # paths and globs that it writes; collected as artifacts
    environment: str = ""  # an environment of its own; overrides the project's
    line: int = 0
    warnings: tuple[str, ...] = ()  # likely mistakes: each run of it tells
    faults: tuple[str, ...] = ()  # mistakes in what MLflow does not read: it is not run with them
    needs: tuple[str, ...] = ()  # entry points that have to be run before
    matrix: tuple[
        tuple[str, tuple[Json, ...]], ...
    ] = ()  # parameter -> values: one step for each combination
    code: tuple[str, ...] = ()  # paths and globs of what it consists of; (): everything
    retries: Retries = Retries()
    when: str = ""  # condition (condition.py); "": always


class EnvironmentSpec(NamedTuple):
    """What a project says about its environment. `kind` is a key of environments.KINDS."""

    kind: str  # system, virtualenv, conda, docker
    file: str = ""  # the specification file, relative to the project
    options: Mapping[str, Any] = {}  # e.g. the docker_env mapping, validated, as plain JSON


class Project(NamedTuple):
    directory: str  # absolute
    file: str  # name of the MLproject file in it; "" for a folder without one
    name: str
    entry_points: tuple[EntryPoint, ...]
    environments: tuple[EnvironmentSpec, ...]  # in order of preference; may be empty
    warnings: tuple[str, ...] = ()  # likely mistakes outside of the entry points: each run tells


# ---- sources ---------------------------------------------------------------------------------------------


class Checkout(NamedTuple):
    """Code on disk. Credentials are already taken out of `uri` and `repository`."""

    directory: str  # the project folder, absolute
    uri: str  # as the record shows it: a path, or a URL without credentials
    kind: str = "local"  # local, git, archive
    root: str = ""  # top of the repository that `directory` lies in; "" when there is none
    subdirectory: str = ""  # of `directory` in `root`, with "/"
    repository: str = ""  # URL of the repository (for a local folder: of its remote `origin`)
    version: str = ""  # as asked for: branch, tag or commit
    commit: str = ""  # full id
    branch: str = ""
    temporary: bool = False  # made for this run: sources.release() removes it
    notes: tuple[
        str, ...
    ] = ()  # to tell the user: cache used because the remote was unreachable, LFS missing, ...


class CodeState(NamedTuple):
    """What git says about a checkout at the moment the command starts."""

    commit: str = ""
    branch: str = ""
    repository: str = ""  # URL of the remote, without credentials
    dirty: bool | None = (
        None  # whether a byte or mode on disk differs from the commit; None: not a git repository
    )
    tree: str = ""  # snapshot: id of the git tree in the store's snapshots.git
    left_out: tuple[Mapping[str, Json], ...] = ()  # files not stored: {path, size, digest, reason}
    submodules: tuple[
        Mapping[str, Json], ...
    ] = ()  # {path, commit, repository, dirty} or {path, commit, missing}
    folders: tuple[str, ...] = ()  # that were there and are empty in the tree, which cannot have them


# ---- environments ----------------------------------------------------------------------------------------


class EnvironmentOptions(NamedTuple):
    """What a caller asks of an environment besides its specification."""

    python: str = ""  # version, or path of an interpreter, instead of the specification's
    groups: tuple[str, ...] = ()  # of dependencies
    extras: tuple[str, ...] = ()
    strict_python: bool = False  # no other patch version than the one that is asked for
    docker_args: tuple[str, ...] = ()  # options of `docker run`: name=value
    build_image: bool = False  # an image with the project's files in it
    allow_python_download: bool = False
    refresh: bool = False  # resolve anew
    offline: bool = False
    isolated: bool = False  # nothing of what the caller's shell says to Python, pip, conda and git
    env_path: str = ""  # an existing virtual environment or conda prefix
    project_name: str = ""
    kept_lock: str = ""  # text of a lock: build exactly this
    wheels: str = ""  # folder: what the lock names is taken from there and from nowhere else
    checkout: str = ""  # what names the code, when the folder is for this run only
    fetched: bool = False  # the code was fetched for this run: packages in it do not follow their folder
    moved: tuple[str, str] = ("", "")  # the code's folder, and the path by which the command sees it
    versions: Mapping[str, str] = {}  # of local packages, as recorded: text in the lock -> name==version


class Container(NamedTuple):
    """How a command runs in a container."""

    image: str  # id
    directory: str = ""  # the project on this machine; "" when the image has it, or a volume
    place: str = ""  # where the project is in the container: the command's working directory
    user: str = ""  # uid:gid; "" where the container's root is the caller already
    groups: tuple[str, ...] = ()
    remapped: bool = False  # the engine maps the container's users to others
    init: bool = True  # the engine's init passes signals on to all processes
    volumes: tuple[str, ...] = ()
    constants: Mapping[str, str] = {}
    copied: tuple[str, ...] = ()  # names of variables of the caller
    flags: tuple[tuple[str, str | None], ...] = ()  # the user's own: name without dashes, None for a switch


class Activation(NamedTuple):
    """How a command runs *in* an environment, as data: nothing is activated by a script."""

    kind: str  # system, virtualenv, conda, docker
    path: tuple[str, ...] = ()  # put before PATH
    variables: Mapping[str, str | None] = {}  # None removes the variable
    prefix: str = ""  # folder of the environment, if it has one
    python: str = ""  # absolute interpreter, or name of it inside the image
    container: Container | None = None


class Environment(NamedTuple):
    """A prepared environment and the text that makes the same one again."""

    activation: Activation
    key: str = ""  # of the cache
    lock: str = ""  # text of the lock; "" when there is none
    lock_name: str = (
        ""  # how the lock is called in the record: environment.lock, pylock.toml, conda.lock, ...
    )
    details: Mapping[
        str, Json
    ] = {}  # for the record: python version, packages' count, specification file, ...


# ---- execution -------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """All that a backend needs to start the command of a run."""

    run_id: str
    command: str  # as `bash -c` gets it
    directory: str  # where it runs
    variables: Mapping[str, str]  # complete environment of the process
    activation: Activation
    record: str  # folder of the run's record
    options: Mapping[str, Any] = {}  # of the backend: timeout in seconds, grace in seconds, ...


class Ended(NamedTuple):
    """How a command ended. `reason` is one of exit, signal, memory, timeout, cancelled, interrupted, lost, error."""

    status: str  # FINISHED, FAILED, KILLED
    exit_code: int  # what `proj run` exits with: the command's own, or 128 + signal
    reason: str
    signal: str = ""  # name, e.g. SIGKILL
    message: str = ""
    resources: Mapping[str, Json] = {}  # peak_memory (bytes), cpu_time (s), ...


class Report(Protocol):
    """How lower layers tell the user what goes on; the terminal's side is in cli/."""

    @property
    def live(self) -> bool:
        """Whether somebody watches on a terminal."""

    def step(self, text: str) -> Step:
        """A slow step, shown with its elapsed time: `with report.step("resolving packages") as step:`."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class Step(Protocol):
    def __enter__(self) -> Step: ...

    def __exit__(self, *error: object) -> None: ...

    def update(self, text: str, done: float = 0, total: float = 0) -> None:
        """Replaces the step's detail; `done` and `total`, in bytes, draw a bar where there is room."""


class Silent:
    """A Report that shows nothing (also its own Step)."""

    live = False

    def step(self, text: str) -> Step:  # noqa: ARG002
        return self

    def note(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass

    def __enter__(self) -> Step:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, text: str, done: float = 0, total: float = 0) -> None:
        pass
