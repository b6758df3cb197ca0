"""Installs a lock of Python packages into an image: by a container of it, which then becomes the new image."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

from runner import paths
from runner.containers import engine
from runner.containers.engine import Image
from runner.environments import building
from runner.environments.docker import images
from runner.environments.docker.images import client
from runner.environments.docker.packages import Python, python_of
from runner.environments.python import indexes, locking, requirements, seed
from runner.environments.python.copies import Copies
from runner.environments.python.plan import Plan
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.host.files import Exclusive
from runner.text.credentials import redact
from runner.values import JsonObject, Report, Step

__all__ = ["clear", "ensure"]

# Not `docker build`: whatever its steps are told (a password of an index) stays in the image's history, and secrets
# exist only where BuildKit does. What this container is told lies in a folder that is mounted, and is not committed.
NAME = "proj-build-"
PLACE = "/proj/packages"
COPIES = "/tmp/proj-packages"  # noqa: S108 inside the container
COPY = "import shutil, sys; shutil.copytree(*sys.argv[1:])"
PIP = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_ROOT_USER_ACTION": "ignore",
}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


class Told:
    """The folder that is mounted into the container, and the folders of this machine that are mounted in it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.mounts: dict[str, str] = {folder: PLACE}

    def write(self, name: str, text: str) -> str:
        """Makes a file that the build sees; its path there."""
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)
        return f"{PLACE}/{name}"

    def mounted(self, path: str) -> str:
        """Where a file or folder of this machine is in the container; a URL, as it is."""
        bare = path.removeprefix("file://")
        if not os.path.isabs(bare) or not os.path.exists(bare):
            return path
        place = self.mounts.setdefault(bare, f"/proj/mounted/{len(self.mounts)}/{os.path.basename(bare)}")
        return f"file://{place}" if path.startswith("file://") else place


def ensure(plan: Plan, lock: str, base: str, report: Report) -> tuple[str, str]:
    """Name and id of the image that is `base` (an id) with the packages of the lock; projects share it."""
    local = [[each.text, each.digest] for each in plan.local]
    parts = json.dumps([base, lock, plan.binary, local])
    name = f"proj/packages:{sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    path = paths.cache("locks", f"{name.rpartition(':')[2]}.installing")
    with Exclusive(path, report, "waiting: another proj installs the same packages into this image"):
        made = engine.image(name)
        return name, made.id if made else _install(plan, lock, base, name, report)


def _install(plan: Plan, lock: str, base: str, tag: str, report: Report) -> str:
    with (
        Copies(plan.local) as copies,
        TemporaryDirectory(prefix="image-", dir=paths.temporary()) as folder,  # open to us only
    ):
        told = Told(folder)
        lines = _script(plan, lock, python_of(base, base), told, copies)
        script = told.write("install.sh", "\n".join(lines) + "\n")
        return _committed(plan, told, script, base, tag, report)


def _script(plan: Plan, lock: str, python: Python, told: Told, copies: Copies) -> Iterator[str]:
    yield "set -e"
    for name, value in (PIP | _where(plan, told)).items():
        yield f"export {name}={shlex.quote(value)}"
    wheel = seed.pip_wheel(python.version)  # also where the image has none
    pip = f"{told.mounted(wheel)}/pip" if wheel else "-m pip"
    call = f"{shlex.quote(python.path)} {pip} install --no-deps"
    if "[[packages]]" in lock:
        yield f"{call} -r {told.write('pylock.toml', lock)}"
        return
    copy = f"{shlex.quote(python.path)} -c {shlex.quote(COPY)}"
    hashed, bare = list[str](), list[str]()
    for entry in locking.entries(lock):
        line = requirements.expanded(indexes.with_credentials(entry, plan.stated))
        for text, path, *_ in plan.local:
            source = copies.folders.get(text, path)
            written = next((each for each in (f"file://{quote(source)}", source, text) if each in line), "")
            if not written:
                continue
            place = told.mounted(source)
            if os.path.isdir(source):  # a build backend leaves its files in the folder it works in
                copied = place.replace("/proj/mounted", COPIES)
                yield f"{copy} {shlex.quote(place)} {shlex.quote(copied)}"
                place = copied
            line = line.replace(written, f"file://{quote(place)}")
        (hashed if "--hash=" in line else bare).append(line)
    for name, lines, flag in (("hashed", hashed, " --require-hashes"), ("others", bare, "")):
        if lines:
            yield f"{call}{flag} -r {told.write(name + '.txt', chr(10).join([*plan.binary, *lines]))}"
    yield f"rm -rf {COPIES}"


def _where(plan: Plan, told: Told) -> dict[str, str]:
    """pip's own variables for the indexes, proxies and certificates that hold here."""
    settings = indexes.settings(plan.stated)
    of_uv = {**os.environ, **settings.variables}
    index, extra, links = indexes.places(of_uv)
    for line in map(requirements.expanded, plan.stated):
        option = re.match(r"(-[if]|--[a-z-]+)[\s=]*(.*)", line)
        if not option or not option[2]:
            continue
        name, value = option[1], option[2]
        if name in ("--index-url", "-i"):
            index = value
        elif name == "--extra-index-url":
            extra.append(value)
        elif name in ("--find-links", "-f"):
            links.append(os.path.join(plan.base, value) if "://" not in value else value)
    netrc = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    ask = _with_password if of_uv.get("UV_KEYRING_PROVIDER") == "subprocess" else str
    found = {
        "PIP_INDEX_URL": told.mounted(ask(index)),
        "PIP_EXTRA_INDEX_URL": " ".join(told.mounted(ask(each)) for each in extra),
        "PIP_FIND_LINKS": " ".join(told.mounted(each) for each in links),
        "PIP_NO_INDEX": "1" if "--no-index" in settings.arguments or plan.offline else "",
        "PIP_TRUSTED_HOST": of_uv.get("UV_INSECURE_HOST", ""),
        "PIP_CERT": told.mounted(of_uv.get("SSL_CERT_FILE", "")),
        "PIP_DEFAULT_TIMEOUT": of_uv.get("UV_HTTP_TIMEOUT", ""),
        "NETRC": told.mounted(netrc) if os.path.exists(netrc) else "",
    }
    for name in PROXIES:
        value = os.environ.get(name) or os.environ.get(name.lower()) or settings.variables.get(name, "")
        found |= {name: value, name.lower(): value}
    return {name: value for name, value in found.items() if value}


def _with_password(url: str) -> str:
    """A URL that names a user only, with what keyring knows: there is no keyring in the container."""
    scheme, _, rest = url.partition("://")
    user, at, address = rest.partition("@")
    if not at or ":" in user or "/" in user:
        return url
    for service in (f"{scheme}://{address}", address.partition("/")[0]):
        done = process.run(["keyring", "get", service, unquote(user)])
        if done.code == 0 and done.out.strip():
            return f"{scheme}://{user}:{quote(done.out.strip(), safe='')}@{address}"
    return url


def _committed(plan: Plan, told: Told, script: str, base: str, tag: str, report: Report) -> str:
    # another name each time: processes that do not share our cache may do the same on this engine
    name = f"{NAME}{tag.rpartition(':')[2]}-{os.urandom(4).hex()}"
    image = engine.image(base)
    words = ["/bin/sh", script]
    # an entrypoint cannot be taken away again when the image had none
    entrypoint, started = (words, None) if image and image.entrypoint else (None, words)
    try:
        with (
            report.step(f"installing the packages of {plan.shown} into the image") as step,
            client(f"the image {tag} cannot be made") as api,
        ):
            # as root, whoever the image's user is; by the engine and not by its client, which would
            # write the user's proxies, with passwords, into the new image
            host = api.create_host_config(**_host(plan, told))
            made = api.create_container(
                base, started, entrypoint=entrypoint, user="0", name=name, host_config=host
            )["Id"]
            api.start(made)
            last = _followed(api.logs(made, stream=True, follow=True), step)
            if api.wait(made)["StatusCode"]:
                said = "\n".join(f"  {line}" for line in last)
                raise EnvironmentFailure(
                    f"the packages of {plan.shown} cannot be installed into the image:\n{said}",
                    "an image with a compiler, or packages with wheels for its Python",
                )
            repository, _, version = tag.rpartition(":")
            api.commit(made, repository, version, changes=_as_before(image))
    finally:
        engine.remove(name)
    return images.made(tag)


def _host(plan: Plan, told: Told) -> JsonObject:
    network = "none" if plan.offline else "host" if sys.platform == "linux" else "bridge"
    mounts = [
        {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}
        for source, target in told.mounts.items()
    ]
    users = {"userns_mode": "host"} if engine.info().remapped else {}
    return {"mounts": mounts, "network_mode": network, **users}


def _followed(chunks: Iterable[bytes], step: Step) -> Sequence[str]:
    """Shows what pip says; returns its last lines."""
    rest, last = "", list[str]()
    for chunk in chunks:
        *lines, rest = (rest + chunk.decode("utf-8", "replace")).split("\n")
        for line in filter(str.strip, lines):
            text = redact(line.rstrip())
            last = [*last[-29:], text]
            step.update(text)
    return last


def _as_before(image: Image | None) -> list[str]:
    """What an image of a container takes over from the container, and must not."""
    user, entrypoint, command = (image.user, image.entrypoint, image.command) if image else ("", (), ())
    changes = [f"USER {user or 'root'}"]
    if entrypoint:
        changes.append(f"ENTRYPOINT {json.dumps(entrypoint)}")
    if command or not entrypoint:
        changes.append(f"CMD {json.dumps(command or ['/bin/sh'])}")
    return changes


def clear() -> list[str]:
    """Removes the containers that killed builds left a day ago or earlier; returns their names."""
    limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - building.DAY))
    done = process.run([engine.program(), "ps", "-a", "--filter", f"name={NAME}", "--format", "{{.Names}}"])
    old = []
    for name in done.out.split():
        state = engine.container(name) if name.startswith(NAME) else None
        if state and state.created[:19] < limit:
            engine.remove(name)
            old.append(name)
    return old
