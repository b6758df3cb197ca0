"""Installs a lock of Python packages into an image: by a container of it, which then becomes the new image."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner import paths
from runner.containers import engine as container_engine
from runner.environments.python import indexes, locking, requirements, seed
from runner.environments.python.copies import Copies
from runner.environments.python.virtualenv import BINARY
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.host.files import exclusive
from runner.text.credentials import redact
from runner.values import Json, Report, Step

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


def ensure(packages: Mapping[str, Any], lock: str, base: str, report: Report) -> dict[str, Json]:
    """Name and id of the image that is `base` (an id) with the packages of the lock; projects share it."""
    import json
    from hashlib import sha256

    from runner.environments.docker.packages import python_of

    plan = packages["plan"]
    built = [line for line in (*plan["build"], *plan["lines"]) if line.startswith(BINARY)]
    local = [[text, digest] for text, _, _, digest in plan["local"]]
    parts = json.dumps([base, lock, built, local])
    name = f"proj/packages:{sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    path = paths.cache("locks", f"{name.rpartition(':')[2]}.installing")
    with exclusive(path, report, "waiting: another proj installs the same packages into this image"):
        made = container_engine.inspect("image", name)
        image = str(made["Id"]) if made else _install(plan, lock, python_of(base, base), base, name, report)
    return {"image": name, "id": image}


def _install(
    plan: Mapping[str, Any], lock: str, python: Mapping[str, str], base: str, tag: str, report: Report
) -> str:
    import shutil
    import tempfile

    with Copies(plan["local"]) as copies:
        folder = tempfile.mkdtemp(prefix="image-", dir=paths.temporary())  # open to us only
        try:
            told = Told(folder)
            script = told.write("install.sh", "\n".join(_script(plan, lock, python, told, copies)) + "\n")
            return _committed(plan, told, script, base, tag, report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _script(
    plan: Mapping[str, Any], lock: str, python: Mapping[str, str], told: Told, copies: Copies
) -> Iterator[str]:
    yield "set -e"
    for name, value in (PIP | _where(plan, told)).items():
        yield f"export {name}={shlex.quote(value)}"
    wheel = seed.pip_wheel(python["version"])  # also where the image has none
    pip = f"{told.mounted(wheel)}/pip" if wheel else "-m pip"
    call = f"{shlex.quote(python['path'])} {pip} install --no-deps"
    if "[[packages]]" in lock:
        yield f"{call} -r {told.write('pylock.toml', lock)}"
        return
    from urllib.parse import quote

    stated = (*plan["build"], *plan["lines"])
    copy = f"{shlex.quote(python['path'])} -c {shlex.quote(COPY)}"
    hashed, bare = list[str](), list[str]()
    for entry in locking.entries(lock):
        line = requirements.expanded(indexes.with_credentials(entry, stated))
        for text, path, _, _ in plan["local"]:
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
            options = [line for line in stated if line.startswith(BINARY)]
            yield f"{call}{flag} -r {told.write(name + '.txt', chr(10).join([*options, *lines]))}"
    yield f"rm -rf {COPIES}"


def _where(plan: Mapping[str, Any], told: Told) -> dict[str, str]:
    """pip's own variables for the indexes, proxies and certificates that hold here."""
    if plan["wheels"]:
        return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": told.mounted(plan["wheels"])}
    settings = indexes.settings((*plan["build"], *plan["lines"]))
    of_uv = {
        **{name: os.environ[name] for name in os.environ if name.startswith("UV_")},
        **settings.variables,
    }
    index = of_uv.get("UV_DEFAULT_INDEX") or of_uv.get("UV_INDEX_URL") or ""
    extra = (of_uv.get("UV_INDEX") or of_uv.get("UV_EXTRA_INDEX_URL") or "").split()
    links = [each for each in of_uv.get("UV_FIND_LINKS", "").split(",") if each]
    for line in map(requirements.expanded, (*plan["build"], *plan["lines"])):
        option = re.match(r"(-[if]|--[a-z-]+)[\s=]*(.*)", line)
        if not option or not option[2]:
            continue
        name, value = option[1], option[2]
        if name in ("--index-url", "-i"):
            index = value
        elif name == "--extra-index-url":
            extra.append(value)
        elif name in ("--find-links", "-f"):
            links.append(os.path.join(plan["base"], value) if "://" not in value else value)
    ask = _with_password if of_uv.get("UV_KEYRING_PROVIDER") == "subprocess" else str
    found = {
        "PIP_INDEX_URL": told.mounted(ask(index)),
        "PIP_EXTRA_INDEX_URL": " ".join(told.mounted(ask(re.sub(r"^[\w.-]+=", "", each))) for each in extra),
        "PIP_FIND_LINKS": " ".join(told.mounted(each) for each in links),
        "PIP_NO_INDEX": "1" if "--no-index" in settings.arguments or plan["offline"] else "",
        "PIP_TRUSTED_HOST": of_uv.get("UV_INSECURE_HOST", ""),
        "PIP_CERT": told.mounted(of_uv.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_FILE", "")),
        "PIP_DEFAULT_TIMEOUT": of_uv.get("UV_HTTP_TIMEOUT", ""),
        "NETRC": told.mounted(os.environ.get("NETRC") or os.path.expanduser("~/.netrc")),
    }
    for name in PROXIES:
        value = os.environ.get(name) or os.environ.get(name.lower()) or settings.variables.get(name, "")
        found |= {name: value, name.lower(): value}
    if not os.path.exists(os.environ.get("NETRC") or os.path.expanduser("~/.netrc")):
        del found["NETRC"]
    return {name: value for name, value in found.items() if value}


def _with_password(url: str) -> str:
    """A URL that names a user only, with what keyring knows: there is no keyring in the container."""
    scheme, _, rest = url.partition("://")
    user, at, address = rest.partition("@")
    if not at or ":" in user or "/" in user:
        return url
    from urllib.parse import quote, unquote

    for service in (f"{scheme}://{address}", address.partition("/")[0]):
        done = process.run(["keyring", "get", service, unquote(user)])
        if done.code == 0 and done.out.strip():
            return f"{scheme}://{user}:{quote(done.out.strip(), safe='')}@{address}"
    return url


def _committed(plan: Mapping[str, Any], told: Told, script: str, base: str, tag: str, report: Report) -> str:
    from docker.errors import DockerException

    from runner.environments.docker import images

    engine = images.client()
    # another name each time: processes that do not share our cache may do the same on this engine
    name = f"{NAME}{tag.rpartition(':')[2]}-{os.urandom(4).hex()}"
    try:
        with report.step(f"installing the packages of {plan['shown']} into the image") as step:
            config = (container_engine.inspect("image", base) or {}).get("Config") or {}
            words = ["/bin/sh", script]
            # as root, whoever the image's user is; by the engine and not by its client, which would
            # write the user's proxies, with passwords, into the new image
            made = engine.api.create_container(
                base,
                # an entrypoint cannot be taken away again when the image had none
                **({"entrypoint": words} if config.get("Entrypoint") else {"command": words}),
                user="0",
                name=name,
                host_config=engine.api.create_host_config(**_host(plan, told)),
            )["Id"]
            engine.api.start(made)
            last = _followed(engine.api.logs(made, stream=True, follow=True), step)
            code = engine.api.wait(made)["StatusCode"]
            if code:
                said = "\n".join(f"  {line}" for line in last)
                raise EnvironmentFailure(
                    f"the packages of {plan['shown']} cannot be installed into the image:\n{said}",
                    "an image with a compiler, or packages with wheels for its Python",
                )
            repository, _, version = tag.rpartition(":")
            engine.api.commit(made, repository, version, changes=_as_before(config))
    except DockerException as error:
        raise EnvironmentFailure(f"the image {tag} cannot be made: {error}", "docker info") from None
    finally:
        container_engine.remove(name)
        engine.close()
    image = container_engine.inspect("image", tag)
    if image is None:
        raise EnvironmentFailure(f"the image {tag} was made and is not there", "docker images")
    return str(image["Id"])


def _host(plan: Mapping[str, Any], told: Told) -> dict[str, Any]:
    network = "none" if plan["offline"] else "host" if sys.platform == "linux" else "bridge"
    mounts = [
        {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}
        for source, target in told.mounts.items()
    ]
    options = (container_engine.info().get("SecurityOptions") or ()) if mounts else ()
    remapped = any("userns" in str(each) for each in options)
    return {"mounts": mounts, "network_mode": network, **({"userns_mode": "host"} if remapped else {})}


def _followed(chunks: Any, step: Step) -> Sequence[str]:
    """Shows what pip says; returns its last lines."""
    rest, last = "", list[str]()
    for chunk in chunks:
        *lines, rest = (rest + chunk.decode("utf-8", "replace")).split("\n")
        for line in filter(str.strip, lines):
            text = redact(line.rstrip())
            last = [*last[-29:], text]
            step.update(text)
    return last


def _as_before(config: Mapping[str, Any]) -> list[str]:
    """What an image of a container takes over from the container, and must not."""
    import json

    changes = [f"USER {config.get('User') or 'root'}"]
    if config.get("Entrypoint"):
        changes.append(f"ENTRYPOINT {json.dumps(config['Entrypoint'])}")
    if config.get("Cmd") or not config.get("Entrypoint"):
        changes.append(f"CMD {json.dumps(config.get('Cmd') or ['/bin/sh'])}")
    return changes


def clear() -> list[str]:
    """Removes the containers that killed builds left a day ago or earlier; returns their names."""
    import time

    limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 86400))
    done = process.run(
        [container_engine.program(), "ps", "-a", "--filter", f"name={NAME}", "--format", "{{.Names}}"]
    )
    names = [name for name in done.out.split() if name.startswith(NAME)]
    old = [
        name
        for name in names
        if str((container_engine.inspect("container", name) or {}).get("Created", "9"))[:19] < limit
    ]
    for name in old:
        container_engine.remove(name)
    return old
