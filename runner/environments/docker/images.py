"""Images: pulled when missing, built from the project's Dockerfile, or made with its files in them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner import paths
from runner.containers import engine
from runner.containers.engine import Image
from runner.environments.docker.context import pack
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.values import JsonObject, Report, Step

if TYPE_CHECKING:
    from docker import APIClient

    from runner.environments.docker.context import Context
    from runner.environments.docker.spec import Build

__all__ = ["build", "client", "copy", "digest_of", "made", "pull", "remove"]


def digest_of(image: Image, reference: str) -> str:
    """`name@sha256:...` under which a registry has it; "" for an image that was made here."""
    name = reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
    same = (each for each in image.digests if each.partition("@")[0].rpartition("/")[2] == name)
    return next(same, image.digests[0] if image.digests else "")


@contextmanager
def client(what: str, repository: str = "") -> Iterator[APIClient]:
    """The engine, by the docker package, which takes long to import. Its failures: EnvironmentFailure with `what`."""
    import docker
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    where = engine.address()
    settings: JsonObject = {**kwargs_from_env(), "base_url": where}
    try:
        found = docker.DockerClient(**settings, use_ssh_client=where.startswith("ssh:"), timeout=600)
    except DockerException as error:
        raise EnvironmentFailure(f"there is no container engine at {where}: {error}", "docker info") from None
    try:
        yield found.api
    except (DockerException, RuntimeError) as error:
        said = str(getattr(error, "explanation", None) or error)
        raise EnvironmentFailure(f"{what}: {said}", _hint(said, repository)) from None
    finally:
        found.close()


def _hint(said: str, repository: str) -> str:
    if not repository:
        return "docker info"
    registry = repository.partition("/")[0] if set(repository.partition("/")[0]) & set(".:") else ""
    if any(word in said.lower() for word in ("denied", "unauthorized", "authentication", "credentials")):
        return f"docker login {registry}".strip()
    return "check its name and that its registry can be reached, or build it here: docker build -t NAME ."


def pull(reference: str, platform: str, report: Report) -> None:
    """By the engine, with the logins of docker's own configuration."""
    repository, _, tag = reference.partition("@") if "@" in reference else reference.rpartition(":")
    if not repository or "/" in tag:  # no tag; that was the name, or the port of a registry
        repository, tag = reference, "latest"
    with (
        report.step(f"pulling {reference}") as step,
        client(f"the image {reference} cannot be pulled", repository) as api,
    ):
        _follow(api.pull(repository, tag=tag, stream=True, decode=True, platform=platform or None), step)


def _follow(lines: Iterable[JsonObject], step: Step) -> None:
    layers: dict[str, tuple[float, float]] = {}
    for line in lines:
        if line.get("error"):
            raise RuntimeError(line["error"])
        if "id" in line:
            known = line.get("progressDetail") or {}
            if known.get("total") and line.get("status") == "Downloading":
                layers[line["id"]] = (known.get("current", 0), known["total"])
            elif line.get("status") in ("Download complete", "Pull complete") and line["id"] in layers:
                layers[line["id"]] = (layers[line["id"]][1],) * 2
        if layers:
            done, total = (sum(each) for each in zip(*layers.values(), strict=True))
            step.update(str(line.get("status", "")), done, total)


def build(stated: Build, directory: str, tag: str, *, fresh: bool, platform: str, report: Report) -> str:
    """From the project's own Dockerfile, by the client, which knows BuildKit; returns the id."""
    iid = os.path.join(paths.temporary(), f"image-{os.getpid()}")
    words = [engine.program(), "build", "--force-rm", "--tag", tag, "--iidfile", iid]
    words += ["--file", os.path.join(directory, stated.dockerfile)]
    for name, value in stated.arguments.items():
        words += ["--build-arg", f"{name}={value}"]
    for flag, text in (("--target", stated.target), ("--network", stated.network), ("--platform", platform)):
        words += [flag, text] if text else []
    words += ["--no-cache"] if fresh else []
    try:
        with report.step(f"building the image of {stated.dockerfile}") as step:
            done = process.run([*words, os.path.join(directory, stated.context)], on_line=step.update)
        if done.code:
            said = "\n".join([*done.out.splitlines()[-12:], *done.err.strip().splitlines()[-12:]])
            raise EnvironmentFailure(
                f"{stated.dockerfile} cannot be built:\n{said}", "docker build .  shows all of it"
            )
        with open(iid, encoding="utf-8") as file:
            return file.read().strip()
    finally:
        if os.path.exists(iid):
            os.unlink(iid)


def copy(context: Context, base: str, tag: str, place: str, report: Report) -> str:
    """An image with the project's files on top of `base`; returns its id."""
    with (
        report.step(f"building {tag}: {len(context.files)} files on {base}") as step,
        client(f"the image {tag} cannot be built") as api,
        tempfile.TemporaryFile() as file,
    ):
        pack(context, place, base, file)
        file.seek(0)
        _follow(
            api.build(fileobj=file, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True), step
        )
    return made(tag)


def made(tag: str) -> str:
    """The id of an image that has just been made under this name."""
    found = engine.image(tag)
    if found is None:
        raise EnvironmentFailure(f"the image {tag} was made and is not there", "docker images")
    return found.id


def remove(image: str) -> None:
    """An image that was made here and that no container uses."""
    process.run([engine.program(), "image", "rm", image])
