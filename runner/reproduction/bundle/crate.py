"""A run in the words of RO-Crate, so that archives understand it: profile Workflow Run Crate 0.5.

w3id.org/ro/wfrun/workflow/0.5; the crate itself: w3id.org/ro/crate/1.1.
"""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Iterator, Mapping
from math import isfinite
from time import gmtime, strftime
from urllib.parse import quote, unquote

from runner.reproduction.bundle import software
from runner.reproduction.bundle.archive import Member, digest, git_id, member_name
from runner.running.recorded import Recorded
from runner.text.encoding import visible, visible_values
from runner.tracking.events import Facts
from runner.tracking.fold import Run
from runner.values import JsonObject

__all__ = ["METADATA", "PREVIEW", "README", "describe"]

METADATA = "ro-crate-metadata.json"
PREVIEW = "ro-crate-preview.html"
README = "README.md"
LICENCE = "The licences of the code and the data in it hold; none is granted by this bundle."
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
ARCHIVE = "https://archive.softwareheritage.org/swh:1:cnt:"
SCHEMA, BIOSCHEMAS = "http://schema.org/", "https://bioschemas.org/"
FORMAL = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
WORKFLOW = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
TYPES = {bool: "Boolean", int: "Integer", float: "Float"}
STATUS = {"FINISHED": "CompletedActionStatus", "FAILED": "FailedActionStatus", "KILLED": "FailedActionStatus"}

Entity = JsonObject


def describe(recorded: Recorded, members: Mapping[str, Member]) -> str:
    """ro-crate-metadata.json: RO-Crate 1.1 with the profiles of Workflow Run Crate; `members`: path in the bundle ->
    file.
    """
    names = sorted(members)
    files = {name: _entity(name, members[name]) for name in names if name != PREVIEW}
    for name in names:
        if name.startswith("inputs/") and name.count("/") > 1:  # a file of a folder
            top = "/".join(name.split("/")[:2]) + "/"
            folder = files.setdefault(top, {**_folder(top), "hasPart": []})
            folder["hasPart"].append({"@id": files[name]["@id"]})
    workflow = _workflow(recorded, names, members)
    files[workflow["@id"]] = workflow
    inputs, given = _inputs(recorded, files)
    outputs, written = _outputs(recorded.run, files)
    workflow |= {"input": _references(inputs), "output": _references(outputs)}
    needed = list(software.applications(recorded))
    workflow["softwareRequirements"] = _references(needed)
    action = _action(recorded, workflow, given, written)
    known = {each["@id"] for each in files.values()}
    elsewhere = [each for each in given if each["@type"] == "File" and each["@id"] not in known]
    root = _root(recorded, [*files.values(), *elsewhere], workflow, action)
    graph = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": [
                {"@id": "https://w3id.org/ro/crate/1.1"},
                {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
            ],
        },
        root,
        {"@id": PREVIEW, "@type": "CreativeWork", "about": {"@id": "./"}, "encodingFormat": "text/html"},
        *files.values(),
        *elsewhere,
        *needed,
        *inputs,
        *(each for each in given if each["@type"] == "PropertyValue"),
        *outputs,
        *(each for each in written if each["@type"] == "PropertyValue"),
        action,
        *_people(recorded),
        _language(workflow),
        *(
            {"@id": iri, "@type": "CreativeWork", "name": name, "version": version}
            for iri, (name, version) in PROFILES.items()
        ),
    ]
    context = [*CONTEXT, _scope(members.get(unquote(workflow["@id"]), Member()))]
    text = {"@context": context, "@graph": visible_values([_compact(each) for each in graph])}
    return json.dumps(text, indent=1, ensure_ascii=False) + "\n"


def _scope(workflow: Member) -> JsonObject:
    """So that the workflow is a file of the crate to readers of JSON, and has an absolute IRI for readers of JSON-LD.

    The profile of workflows demands the one, that of processes the other. The IRI is the file's SWHID with its path as
    qualifier (ISO/IEC 18670), which its content decides: it says the same on every machine. Only what names the
    workflow is read with this base: the entity itself, and the properties that lead to it.
    """
    base = {"@base": f"{ARCHIVE}{git_id(workflow)};path=/"}
    return {
        "ComputationalWorkflow": {"@id": f"{BIOSCHEMAS}ComputationalWorkflow", "@context": base},
        "mainEntity": {"@id": f"{SCHEMA}mainEntity", "@context": base},
        "instrument": {"@id": f"{SCHEMA}instrument", "@context": base},
        "isPartOf": {"@reverse": f"{SCHEMA}hasPart"},
    }


def _people(recorded: Recorded) -> Iterator[Entity]:
    """The record does not say to which organization they belong: it is the one that keeps the code."""
    keeper, name = {"@id": "#keeper"}, recorded.run.user or "unknown"
    yield {"@id": "#agent", "@type": "Person", "name": name, "affiliation": keeper}
    address = _address(recorded)
    yield {**keeper, "@type": "Organization", "name": f"who keeps {address}", "url": address}
    yield {
        "@id": "#licence",
        "@type": "CreativeWork",
        "name": "as it is stated in it",
        "description": LICENCE,
    }


def _compact(entity: Entity) -> Entity:
    """One value is written as itself, not as a list of it."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
        if value != []
    }


def _root(recorded: Recorded, parts: list[Entity], workflow: Entity, action: Entity) -> Entity:
    run = recorded.run
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Run {run.name} of {run.project}",
        "description": f"Code, packages, inputs and results of a run of {run.project}, entry point {run.entry_point}.",
        "datePublished": _time(run.end_time or run.start_time),
        "license": {"@id": "#licence"},
        "publisher": {"@id": "#keeper"},
        "conformsTo": _references([{"@id": iri} for iri in PROFILES]),
        "hasPart": _references(parts),
        "mainEntity": {"@id": workflow["@id"]},
        "mentions": {"@id": action["@id"]},
        "author": {"@id": "#agent"},
    }


def _workflow(recorded: Recorded, names: list[str], members: Mapping[str, Member]) -> Entity:
    """The file that says what is run: MLproject, or the script of a folder without one."""
    prefix = f"code/{recorded.subdirectory}/" if recorded.subdirectory else "code/"
    known = [name for name in names if name.startswith(prefix)]
    lower = {name[len(prefix) :].lower(): name for name in known}
    words = str(recorded.section("command").get("command", "")).split()
    candidates = [
        "mlproject",
        "mlproject.yaml",
        "mlproject.yml",
        recorded.run.entry_point.lower(),
        *map(str.lower, words),
    ]
    found = next((lower[name] for name in candidates if name in lower), "run/events.jsonl")
    return {
        **_entity(found, members.get(found, Member())),
        "@type": ["ComputationalWorkflow", "SoftwareSourceCode", "File"],
        "name": recorded.run.project or recorded.run.name,
        "programmingLanguage": {"@id": "#language"},
        "version": recorded.code.commit or recorded.code.tree,
        "url": _address(recorded),
        "conformsTo": {"@id": WORKFLOW},
        "isPartOf": {"@id": "./"},
        "sdDatePublished": _time(recorded.run.end_time or recorded.run.start_time),
    }


def _language(workflow: Entity) -> Entity:
    name = "Python" if workflow["@id"].endswith(".py") else "MLproject"
    url = "https://www.python.org/" if name == "Python" else "https://mlflow.org/docs/latest/ml/projects/"
    return {"@id": "#language", "@type": "ComputerLanguage", "name": name, "url": {"@id": url}}


def _action(recorded: Recorded, workflow: Entity, given: list[Entity], written: list[Entity]) -> Entity:
    run = recorded.run
    action: Entity = {
        "@id": f"#{run.run_id}",
        "@type": "CreateAction",
        "name": f"{run.project} {run.entry_point}",
        "instrument": {"@id": workflow["@id"]},
        "agent": {"@id": "#agent"},
        "startTime": _time(run.start_time),
        "actionStatus": f"http://schema.org/{STATUS.get(run.status, 'FailedActionStatus')}",
        "description": str(recorded.section("command").get("command", "")),
        "object": _references(given),
        "result": _references(written),
    }
    if run.end_time:
        action["endTime"] = _time(run.end_time)
    if run.status != "FINISHED":
        action["error"] = run.end.get("message") or f"exit code {run.end.get('exit_code')}"
    return action


def _inputs(recorded: Recorded, files: Mapping[str, Entity]) -> tuple[list[Entity], list[Entity]]:
    """(formal parameters, what they were): values of parameters, and files that were read."""
    formal, given = [], []
    for name, value in recorded.params.items():
        slot = _formal(f"#parameter-{_part(name)}", name, TYPES.get(type(value), "Text"))
        formal.append(slot)
        given.append(_value(f"#value-{_part(name)}", name, value, slot))
    for each in recorded.run.inputs:
        name = str(each.get("path") or each.get("uri"))
        slot = _formal(f"#input-{_part(name)}", name, "File")
        place = f"inputs/{str(each.get('digest')).replace(':', '-')}"
        inside = member_name(
            f"code/{recorded.subdirectory}/{name}" if recorded.subdirectory else f"code/{name}"
        )
        found = next((files[key] for key in (place, f"{place}/", inside) if key in files), None)
        formal.append(slot)
        if found is not None:
            found["exampleOfWork"] = {"@id": slot["@id"]}
            given.append(found)
        else:
            given.append(_elsewhere(each, name, recorded.project) | {"exampleOfWork": {"@id": slot["@id"]}})
    return formal, given


def _outputs(run: Run, files: Mapping[str, Entity]) -> tuple[list[Entity], list[Entity]]:
    formal, written = [], []
    for name in run.artifacts:
        found = files.get(member_name(f"run/artifacts/{name}"))
        if found is not None:
            slot = _formal(f"#output-{_part(name)}", name, "File")
            found["exampleOfWork"] = {"@id": slot["@id"]}
            formal.append(slot)
            written.append(found)
    for name, metric in sorted(run.metrics.items()):
        slot = _formal(f"#metric-{_part(name)}", name, "Float")
        formal.append(slot)
        written.append(_value(f"#result-{_part(name)}", name, metric.value, slot))
    return formal, written


def _part(name: str) -> str:
    """Of an IRI."""
    return quote(visible(name), safe="")


def _formal(iri: str, name: str, kind: str) -> Entity:
    return {
        "@id": iri,
        "@type": "FormalParameter",
        "name": name,
        "additionalType": kind,
        "conformsTo": {"@id": FORMAL},
    }


def _value(iri: str, name: str, value: object, slot: Entity) -> Entity:
    finite = isinstance(value, (bool, int)) or (isinstance(value, float) and isfinite(value))
    plain = value if finite else str(value)
    return {
        "@id": iri,
        "@type": "PropertyValue",
        "name": name,
        "value": plain,
        "exampleOfWork": {"@id": slot["@id"]},
    }


def _entity(name: str, member: Member) -> Entity:
    if name.endswith("/"):
        return _folder(name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    found = digest(member)
    entity = {
        "@id": quote(name),
        "@type": "File",
        "name": name.rpartition("/")[2],
        "encodingFormat": "text/markdown" if name == README else kind,
        "contentSize": str(found.size),
        "sha256": found.hex,
    }
    return entity | {"about": {"@id": "./"}} if name == README else entity


def _elsewhere(each: Facts, name: str, project: str) -> Entity:
    """An input that is not in the bundle: where it was, and what it was."""
    address = str(each.get("uri") or f"file://{quote(visible(os.path.join(project, name)))}")
    algorithm, _, value = str(each.get("digest") or "").partition(":")
    known = (
        {"sha256": value}
        if algorithm == "sha256"
        else {"identifier": f"{algorithm}:{value}"}
        if value
        else {}
    )
    return {"@id": address, "@type": "File", "name": name, **known}


def _address(recorded: Recorded) -> str:
    for address in (recorded.code.repository, str(recorded.section("source").get("repository", ""))):
        if "://" in address:
            return address
    return f"file://{quote(visible(recorded.project))}"


def _folder(name: str) -> Entity:
    return {"@id": quote(name), "@type": "Dataset", "name": name.rstrip("/").rpartition("/")[2]}


def _references(entities: list[Entity]) -> list[Entity]:
    return [{"@id": each["@id"]} for each in entities]


def _time(moment: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S+00:00", gmtime(moment / 1000))
