"""Images: pulled when missing, built from the project's Dockerfile, or made with its files in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner import paths
from runner.containers import engine as container_engine
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.values import Report, Step

if TYPE_CHECKING:
    from runner.environments.docker.context import Context
    from runner.environments.docker.spec import Build

__all__ = ["build", "copy", "digest_of", "pull", "remove"]


def digest_of(image: Mapping[str, Any], reference: str) -> str:
    """`name@sha256:...` under which a registry has it; "" for an image that was made here."""
    found = [str(each) for each in image.get("RepoDigests") or ()]
    name = reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return next(
        (each for each in found if each.partition("@")[0].rpartition("/")[2] == name),
        found[0] if found else "",
    )


def client() -> Any:
    import docker
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    where = container_engine.address()
    settings: dict[str, Any] = {
        **kwargs_from_env(),
        "base_url": where,
        "use_ssh_client": where.startswith("ssh:"),
    }
    try:
        return docker.DockerClient(**settings, timeout=600)
    except DockerException as error:
        raise EnvironmentFailure(f"there is no container engine at {where}: {error}", "docker info") from None


def pull(reference: str, platform: str, report: Report) -> None:
    """By the engine, with the logins of docker's own configuration."""
    from docker.errors import DockerException
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(reference)
    engine = client()
    try:
        with report.step(f"pulling {reference}") as step:
            lines = engine.api.pull(
                repository, tag=tag or "latest", stream=True, decode=True, platform=platform or None
            )
            _follow(lines, step)
    except (DockerException, RuntimeError) as error:
        said = str(getattr(error, "explanation", None) or error)
        raise EnvironmentFailure(
            f"the image {reference} cannot be pulled: {said}", _hint(said, repository)
        ) from None
    finally:
        engine.close()


def _follow(lines: Any, step: Step) -> None:
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


def _hint(said: str, repository: str) -> str:
    registry = (
        repository.partition("/")[0]
        if "." in repository.partition("/")[0] or ":" in repository.partition("/")[0]
        else ""
    )
    if any(word in said.lower() for word in ("denied", "unauthorized", "authentication", "credentials")):
        return f"docker login {registry}".strip()
    return "check its name and that its registry can be reached, or build it here: docker build -t NAME ."


def build(stated: Build, directory: str, tag: str, *, fresh: bool, platform: str, report: Report) -> str:
    """From the project's own Dockerfile, by the client, which knows BuildKit; returns the id."""
    iid = os.path.join(paths.temporary(), f"image-{os.getpid()}")
    words = [container_engine.program(), "build", "--force-rm", "--tag", tag, "--iidfile", iid]
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
    import tempfile

    from docker.errors import DockerException

    from runner.environments.docker.context import pack

    engine = client()
    try:
        with (
            report.step(f"building {tag}: {len(context.files)} files on {base}"),
            tempfile.TemporaryFile() as file,
        ):
            pack(context, place, base, file)
            file.seek(0)
            lines = engine.api.build(
                fileobj=file, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True
            )
            for line in lines:
                if line.get("error"):
                    raise RuntimeError(line["error"])
    except (DockerException, RuntimeError) as error:
        raise EnvironmentFailure(f"the image {tag} cannot be built: {error}", "docker info") from None
    finally:
        engine.close()
    made = container_engine.inspect("image", tag)
    if made is None:
        raise EnvironmentFailure(f"the image {tag} was built and is not there", "docker images")
    return str(made["Id"])


def remove(image: str) -> None:
    """An image that was made here and that no container uses."""
    process.run([container_engine.program(), "image", "rm", image])
