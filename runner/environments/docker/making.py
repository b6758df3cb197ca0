"""Finds, pulls or builds the image of a container environment, and packs it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from runner.containers import command, engine
from runner.containers.engine import Image
from runner.environments import building
from runner.environments.base import Specified
from runner.environments.docker import images, install
from runner.environments.docker import packages as python_packages
from runner.environments.docker.context import scan
from runner.environments.docker.kind import Facts, Use
from runner.environments.docker.packages import Packages
from runner.environments.docker.spec import Build, Stated, read, slug
from runner.environments.docker.volumes import mounts
from runner.environments.python import lockfile, pyproject, specification
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

HIDDEN = ("e", "env", "env-file", "l", "label")  # arguments whose values are not for the record
FILE = "image.tar"  # in a bundle


class Plan(NamedTuple):
    directory: str  # the project
    stated: Stated
    tag: str  # of the image of the project's own Dockerfile
    name: str  # of images with the project's files, without a tag
    copied: bool  # the project's files are put into the image
    context: str | None  # digest of what the Dockerfile sees
    code: str | None  # digest of the project's files
    packages: Packages | None
    pinned: bool  # the image is that of a lock, whatever its name means now
    refresh: bool
    offline: bool
    supplies: str  # folder that may have the image as a file


class Lock(NamedTuple):
    """A docker.lock: JSON, without what is None."""

    image: str | None = None  # name
    id: str = ""
    platform: str | None = None
    digest: str | None = None  # name@sha256:..., where a registry has it
    context: str | None = None  # as in Plan, of an image that is built from a Dockerfile
    requirements: str | None = None  # lock of the Python packages that are installed into it
    python: str | None = None  # version that they are for
    warning: str | None = None
    base: str | None = None  # id of the image that packages and files were put on
    code: str | None = None  # as in Plan
    under: str | None = None  # name of the image with the packages, where one with files is on top

    @property
    def made_here(self) -> bool:
        return self.base is not None or self.context is not None


def _parse(text: str) -> Lock:
    stated = json.loads(text)
    return Lock(**{name: stated[name] for name in Lock._fields if name in stated})


def check(spec: EnvironmentSpec, directory: str) -> tuple[str, ...]:
    packages = read(spec.options, (), directory).python_env
    return specification.read(packages, directory, EnvironmentOptions()).warnings if packages else ()


def specify(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Specified:  # noqa: ARG001
    stated = read(spec.options, options.docker_args, directory)
    if trouble := engine.problem():
        raise EnvironmentFailure(trouble, "start Docker, or run it without: --env-manager virtualenv")
    pinned = bool(options.kept_lock)
    name = f"proj/{slug(options.project_name or os.path.basename(directory))}"
    content: dict[str, Json] = {"image": stated.image, "platform": stated.platform}
    watched: tuple[str, ...] = (os.path.join(directory, "pyproject.toml"),)
    context = code = None
    tag = ""
    if stated.build:
        context, watched = _context(stated.build, directory)
        content |= {"context": context, "dockerfile": stated.build.dockerfile, "target": stated.build.target}
        content["arguments"] = dict[str, Json](stated.build.arguments)
        tag = f"{name}:{_short(content)}"
    if options.build_image:
        found = scan(directory, listed=True)
        code = found.digest
        content |= {"copied": command.CODE, "code": code}
        watched = (*watched, *found.watched)
    packages = python_packages.read(stated.python_env, directory, options) if stated.python_env else None
    if packages:
        content["packages"] = packages.content
        watched = (*watched, *packages.files)
    if not pinned:
        known = None if stated.build else engine.image(stated.image)
        content["id"] = known.id if known else ""  # another image under the same name is another one
    how = (pinned, options.refresh, options.offline, options.wheels)
    plan = Plan(directory, stated, tag, name, options.build_image, context, code, packages, *how)
    use: Use = {
        "directory": directory,
        "inside": options.build_image,
        "volumes": list(stated.volumes),
        "constants": dict(stated.constants),
        "copied": list(stated.copied),
        "flags": [list(pair) for pair in stated.flags],
        "gpus": stated.gpus,
        "package": pyproject.modules(directory),
    }
    return Specified(
        content,
        {"pinned": pinned, "platform": stated.platform},
        watched,
        plan,
        use,
        _details(stated, directory),
        packages.warnings if packages else (),
        # what may be a password is not kept on disk
        bool(packages and packages.varying) or any(map(_sets, options.docker_args)),
    )


def _details(stated: Stated, directory: str) -> dict[str, Json]:
    details: dict[str, Json] = {}
    if volumes := mounts(stated.volumes, directory):
        details["volumes"] = [":".join(filter(None, each)) for each in volumes]
    if stated.flags:
        details["arguments"] = [
            name if value is None else f"{name}={'...' if name in HIDDEN else value}"
            for name, value in stated.flags
        ]
    return details


def _sets(argument: str) -> bool:
    """Whether an argument of -A gives a variable its value: e=NAME=VALUE"""
    name, _, value = argument.lstrip("-").partition("=")
    return name in ("e", "env") and "=" in value


def _context(build: Build, directory: str) -> tuple[str, tuple[str, ...]]:
    folder = os.path.normpath(os.path.join(directory, build.context))
    dockerfile = os.path.join(directory, build.dockerfile)
    found = scan(folder, os.path.relpath(dockerfile, folder))
    return found.digest, (*found.watched, dockerfile)


def _short(content: Mapping[str, Json]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def outdated(lock: str) -> bool:
    """An image that was made here and is gone: made again, it has another id."""
    kept = _parse(lock)
    return kept.made_here and engine.image(kept.id) is None


def lock(plan: Plan, report: Report) -> str:
    stated = plan.stated
    if stated.build:
        made = None if plan.refresh else engine.image(plan.tag)
        found = Lock(plan.tag, made.id if made else _built(plan, plan.refresh, report), context=plan.context)
    else:
        image = _present(stated.image, plan, report, anew=plan.refresh)
        digest = images.digest_of(image, stated.image) or None
        found = Lock(stated.image, image.id, image.platform, digest)
    if plan.packages:
        locked = python_packages.lock(plan.packages, found.id, str(found.image), report)
        found = found._replace(
            requirements=locked.requirements, python=locked.python, warning=locked.warning or None
        )
    if plan.packages or plan.copied:
        found = _on_top(found._replace(base=found.id, code=plan.code), plan, plan.refresh, report)
    text = {name: value for name, value in found._asdict().items() if value is not None}
    return json.dumps(text, indent=1, sort_keys=True) + "\n"


def _built(plan: Plan, fresh: bool, report: Report) -> str:
    stated = plan.stated
    assert stated.build  # noqa: S101
    return images.build(
        stated.build, plan.directory, plan.tag, fresh=fresh, platform=stated.platform, report=report
    )


def _on_top(lock: Lock, plan: Plan, fresh: bool, report: Report) -> Lock:
    """With the image with the packages, and then the project's files, on the lock's base."""
    below, under = str(lock.base), None
    if plan.packages and lock.requirements is not None:
        under, below = install.ensure(plan.packages.plan, lock.requirements, below, report)
        lock = lock._replace(image=under, id=below)
    if plan.copied:
        tag = f"{plan.name}:{_short({'base': below, 'code': plan.code})}"
        made = None if fresh else engine.image(tag)
        if made is None:
            files = scan(plan.directory, listed=True)
            image = images.copy(files, below, tag, command.CODE, report)
        else:
            image = made.id
        lock = lock._replace(image=tag, id=image, under=under)
    return lock


def _present(reference: str, plan: Plan, report: Report, *, anew: bool) -> Image:
    """The image, pulled when it is missing, or when a newer one is asked for and a registry has it."""
    found = engine.image(reference)
    if found and not (anew and images.digest_of(found, reference) and not plan.offline):
        return found
    if plan.offline:
        raise EnvironmentFailure(
            f"the image {reference} is not here, and --offline forbids to pull it", f"docker pull {reference}"
        )
    images.pull(reference, plan.stated.platform, report)
    found = engine.image(reference)
    if found is None:
        raise EnvironmentFailure(f"the image {reference} was pulled and is not here", "docker images")
    return found


def build(
    plan: Plan,
    lock: str,
    prefix: str,  # noqa: ARG001 there is nothing in the folder
    handle: int,  # noqa: ARG001
    report: Report,
) -> tuple[Facts, Mapping[str, Json]]:
    """Makes sure that the image of the lock is here."""
    kept, stated = _parse(lock), plan.stated
    image = engine.image(kept.id) or _supplied(kept, plan, report) or _again(kept, plan, report)
    if image is None:
        raise EnvironmentFailure(
            f"the image {kept.image or kept.id} ({kept.id[:19]}) is not here any more, and no registry has it",
            "--refresh  resolves the environment anew",
        )
    host = engine.info()
    details: dict[str, Json] = {"image": kept.image or stated.image, "image_id": image.id}
    if kept.digest:
        details["digest"] = kept.digest
    if kept.requirements is not None:
        details |= {"python": kept.python, "packages": len(lockfile.packages(kept.requirements))}
        if kept.warning:
            details["warnings"] = [kept.warning]
    followed = kept.base is not None and not stated.build and not plan.pinned
    facts: Facts = {
        "id": image.id,
        "name": "" if plan.pinned else kept.image or stated.image,
        "made": kept.made_here,
        "base": kept.base or "",
        "base_name": stated.image if followed else "",
        "below": [name for name in (kept.under, plan.tag) if name],
        "engine": engine.address(),
        "rootless": host.rootless,
        "remapped": host.remapped,
        "init": host.init,
        "system": host.system,
        "nvidia": host.nvidia,
        "modules": next((each[11:] for each in image.variables if each.startswith("PYTHONPATH=")), ""),
    }
    return facts, details


def _supplied(kept: Lock, plan: Plan, report: Report) -> Image | None:
    """The image of a lock that is gone, out of a bundle."""
    path = os.path.join(plan.supplies, FILE)
    if not plan.supplies or not os.path.exists(path):
        return None
    with report.step("loading the image"):
        _engine("load", "-i", path)
    return engine.image(kept.id)


def _again(kept: Lock, plan: Plan, report: Report) -> Image | None:
    """The image of a lock that is gone: pulled by its digest, or made again from the same files and packages."""
    base = engine.image(kept.base or kept.id)
    if kept.context not in (None, plan.context) or kept.code not in (None, plan.code):
        return None
    if base is None and kept.context is not None:
        report.note("the image of the lock is gone; it is built again from the same files")
        base = engine.image(_built(plan, False, report))
    elif base is None and kept.digest:
        base = _present(kept.digest, plan, report, anew=False)
    if base is None or kept.base is None:
        return base
    report.note("the image of the lock is gone; it is made again from the same files and packages")
    return engine.image(_on_top(kept._replace(base=base.id), plan, False, report).id)


def remove(prefix: str, facts: Facts) -> None:  # noqa: ARG001
    if facts["made"] and facts["engine"] == engine.address():
        for image in (facts["id"], *facts.get("below", ())):  # what was put into an image, and then that
            images.remove(image)


def sweep() -> None:
    building.sweep("image-")
    if engine.program() and engine.is_there():
        install.clear()


def packages(lock: str) -> dict[str, str] | None:
    """The image is one of them."""
    if not lock.lstrip().startswith("{"):
        return None
    kept = _parse(lock)
    texts = {name: value for name, value in kept._asdict().items() if value is not None}
    return lockfile.packages(texts.pop("requirements", "")) | texts


def collect(
    lock: str,
    spec: EnvironmentSpec,  # noqa: ARG001
    directory: str,  # noqa: ARG001
    folder: str,
    prepared: Callable[[], Environment],  # noqa: ARG001
    report: Report,
) -> tuple[str, ...]:
    image = _parse(lock).id
    if engine.problem() or engine.image(image) is None:
        raise EnvironmentFailure(f"the image {image[:19]} is not here: it cannot be packed", "--no-packages")
    os.makedirs(folder)
    with report.step("packing the image"):
        _engine("save", "-o", os.path.join(folder, FILE), image)
    return ()


def _engine(*arguments: str) -> None:
    done = process.run([engine.program(), *arguments])
    if done.code:
        reason = (done.err.strip().splitlines() or ["?"])[-1]
        raise EnvironmentFailure(f"{engine.program()} {arguments[0]}: {reason}")
