"""What must be shown before a protected alias or stage moves, and whether given operations show it.

needs:
  - run: {project: ., entry_point: validate, parameters: {a: 1}, pass: "metrics.auc >= 0.9"}
  - better-than: {alias: production, metric: auc, by: 0.01}
  - rebuild: {tolerance: "rel:1e-6"}
  - model-signature: true
  - documented: {fields: [description, tags.owner]}
  - signed: {by: [team-key]}
  - approvals: {count: 2, role: approver, not_author: true, signed: true}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from runner.errors import InputError
from runner.tracking.events import Event
from runner.tracking.index.grammar import Filter, Grammar, parse_filter
from runner.tracking.registry.state import Version
from runner.values import Json, JsonMapping, JsonObject

__all__ = [
    "AUTOMATIC",
    "INPUT_EXAMPLE",
    "Need",
    "Texts",
    "Unmet",
    "Verify",
    "conditions",
    "needs_of",
    "parse",
    "person",
    "signable",
    "undocumented",
    "unmet",
]  # fmt: skip

Verify: TypeAlias = "Callable[[Event], str]"  # a signed operation -> whose signature it has; "": nobody's

OPTIONS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "run": {
        "project": (str,),
        "entry_point": (str,),
        "parameters": (dict,),
        "pass": (str,),
        "version": (str,),
    },
    "better-than": {"alias": (str,), "metric": (str,), "by": (int, float), "lower": (bool,)},
    "rebuild": {"tolerance": (str,)},
    "model-signature": {},
    "documented": {"fields": (list,)},
    "signed": {"by": (list,)},
    "approvals": {"count": (int,), "role": (str,), "not_author": (bool,), "signed": (bool,)},
}
REQUIRED = {"run": ("pass",), "better-than": ("alias", "metric"), "documented": ("fields",)}
AUTOMATIC = (
    "run",
    "better-than",
    "rebuild",
    "model-signature",
    "documented",
)  # what `promote` finds out itself
ROLES = ("approver", "admin")
INPUT_EXAMPLE = "input_example"  # a field of `documented` that is among the files
_FIELD = re.compile(rf"(model\.)?(description|tags\..+)|{INPUT_EXAMPLE}", re.DOTALL)
_TOLERANCE = re.compile(r"(.+=)?(rel:)?\d*\.?\d+(e[+-]?\d+)?", re.DOTALL | re.IGNORECASE)
_METRICS = Grammar(
    {**dict.fromkeys(("metric", "metrics"), "metric"), **dict.fromkeys(("param", "params"), "param")}, (), ()
)
_OF_TOKEN = re.compile(r"\A[0-9a-f]{8} (?=.)", re.DOTALL)


class Need(NamedTuple):
    kind: str
    options: JsonMapping

    @property
    def key(self) -> str:
        """By which a verdict names it: the same words, the same key."""
        from binascii import crc32

        text = json.dumps([self.kind, self.options], sort_keys=True, separators=(",", ":"))
        return f"{self.kind}-{crc32(text.encode()):08x}"


class Unmet(NamedTuple):
    need: Need
    reason: str


def needs_of(policy: Event) -> list[Need]:
    """Of an operation that set it."""
    return [Need(str(each["kind"]), dict(each["options"])) for each in policy.get("needs", ())]


def parse(text: str, name: str = "the policy") -> list[JsonObject]:
    """The needs of a policy's text. InputError for one that is wrong: a gate is never weaker than it was written."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date such as 2024-99-99
        raise InputError(f"{name} is no YAML: {error}") from None
    if not isinstance(found, dict) or set(found) != {"needs"} or not isinstance(found["needs"], list):
        raise InputError(f"{name} must have a list `needs:`, and nothing else", EXAMPLE)
    if not found["needs"]:
        raise InputError(f"{name} needs nothing: it would protect nothing", EXAMPLE)
    return [_need(each, name) for each in found["needs"]]


def _need(given: object, name: str) -> JsonObject:
    if not isinstance(given, dict) or len(given) != 1:
        raise InputError(f"{name}: {given!r} is not one need, such as  - approvals: {{count: 1}}", EXAMPLE)
    ((kind, options),) = given.items()
    if kind not in OPTIONS:
        raise InputError(f"{name}: there is no need {kind!r}", f"there are {', '.join(OPTIONS)}")
    options = {} if options in (True, None) else options
    if not isinstance(options, dict):
        raise InputError(f"{name}: {kind} takes options, not {options!r}", EXAMPLE)
    for key, value in options.items():
        types = OPTIONS[kind].get(key)
        if types is None:
            known = ", ".join(OPTIONS[kind]) or "none"
            raise InputError(f"{name}: {kind} has no option {key!r}", f"its options: {known}")
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise InputError(f"{name}: {kind}.{key} cannot be {value!r}", EXAMPLE)
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            raise InputError(f"{name}: {kind}.{key} must be a list of texts, not {value!r}", EXAMPLE)
        try:
            json.dumps(value, allow_nan=False, sort_keys=True)
        except (TypeError, ValueError):  # a date, .inf
            raise InputError(
                f"{name}: {kind}.{key} has a value that JSON has no word for: {value!r}", "write it in quotes"
            ) from None
    for key in REQUIRED.get(kind, ()):
        if key not in options:
            raise InputError(f"{name}: {kind} needs the option {key!r}", EXAMPLE)
    count = options.get("count", 1)
    if kind == "approvals" and count < 1:
        raise InputError(f"{name}: approvals.count must be at least 1")
    for key, value in options.items():
        if wrong := _wrong(key, value):
            raise InputError(f"{name}: {kind}.{key} {value!r}: {wrong}", EXAMPLE)
    return {"kind": kind, "options": options}


def conditions(text: str) -> Filter:
    """Of `run.pass`. InputError for what is none."""
    return parse_filter(text, _METRICS)


def _wrong(key: str, value: object) -> str:
    """Why an option of the right type would be met by everything, or by nothing."""
    if key == "pass":
        try:
            return "" if conditions(str(value)) else "it asks for nothing"
        except InputError as error:
            return error.message
    if key == "role" and value not in ROLES:
        return f"only {' and '.join(ROLES)} approve"
    if key == "tolerance" and not _TOLERANCE.fullmatch(str(value)):
        return "is no tolerance, such as 1e-6 or rel:0.01"
    if key == "fields" and isinstance(value, list):
        unknown = [each for each in value if not _FIELD.fullmatch(str(each))]
        known = f"description, tags.NAME, model.description, model.tags.NAME and {INPUT_EXAMPLE}"
        return "" if value and not unknown else f"the fields are {known}"
    if key in ("alias", "metric") and not value:
        return "is empty"
    return ""


EXAMPLE = "such as\n  needs:\n  - better-than: {alias: production, metric: auc, by: 0.01}\n  - approvals: {count: 1}"


def signable(event: Event) -> str:
    """What is signed of an approval: all of what it says but who says it where."""
    facts: dict[str, Json] = {
        key: event.get(key, "") for key in ("type", "target", "version_id", "digest", "by")
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


# ---- whether it is met -------------------------------------------------------------------------------------


class Texts(NamedTuple):
    """What is said of the model itself."""

    description: str = ""
    tags: Mapping[str, str] = {}


class Shown(NamedTuple):
    """What a move brings along, and what is known at that moment."""

    target: str
    version: Version
    evidence: Sequence[Event]
    rejects: Iterable[Event]  # of this target, whichever version
    current: Callable[[str], str]  # alias -> version_id to which it leads
    verify: Verify
    texts: Texts


def unmet(needs: Sequence[Need], shown: Shown) -> list[Unmet]:
    """The needs that these operations do not show, each with the reason. Evidence counts for the exact bytes only."""
    version = shown.version
    if not version.digest:
        return [Unmet(need, "the files of the version are not in the store") for need in needs]
    about = [
        each
        for each in shown.evidence
        if each.get("version_id") == version.version_id and each.get("digest") == version.digest
    ]
    found = []
    for need in needs:
        reason = CHECKS.get(need.kind, _gate)(need, shown, about)
        if reason:
            found.append(Unmet(need, reason))
    return found


def _gate(need: Need, shown: Shown, about: Sequence[Event]) -> str:
    verdicts = [each for each in about if each["type"] == "gate" and each.get("need") == need.key]
    if not verdicts:
        return "not shown for these files"
    last = verdicts[-1]
    if last.get("verdict") != "pass":
        return str(last.get("detail") or "failed")
    if need.kind == "better-than" and last.get("against", "") != shown.current(need.options["alias"]):
        return f"{need.options['alias']} has moved since"
    return ""


def _signed(need: Need, shown: Shown, about: Sequence[Event]) -> str:
    wanted = need.options.get("by", [])
    signers = [shown.verify(each) for each in about if each["type"] == "signature"]
    good = [who for who in signers if who and (not wanted or who in wanted)]
    if good:
        return ""
    return (
        "no signature"
        if not signers
        else f"the signature is not of {' or '.join(map(str, wanted)) or 'an allowed signer'}"
    )


def _approvals(need: Need, shown: Shown, about: Sequence[Event]) -> str:
    options, version = need.options, shown.version
    for each in shown.rejects:
        if each.get("version_id") == version.version_id and each.get("digest") == version.digest:
            return f"rejected by {each.get('by', '')}" + (f": {each['why']}" if each.get("why") else "")
    who = set()
    for each in about:
        if each["type"] != "approve" or each.get("target") != shown.target:
            continue
        by = person(str(each.get("by", "")))
        name = person(shown.verify(each)) if options.get("signed") else by
        if not name or (options.get("role") and not _has_role(str(each.get("role", "")), options["role"])):
            continue
        if options.get("not_author") and person(version.user) in (name, by):
            continue
        who.add(name)
    missing = options.get("count", 1) - len(who)
    if missing <= 0:
        return ""
    kind = " signed" if options.get("signed") else ""
    return f"{missing}{kind} approval{'s' if missing > 1 else ''} missing"


def person(by: str) -> str:
    """Whose name it is: a server writes `ID NAME` for a token, and a person may have several, and a shell besides."""
    return _OF_TOKEN.sub("", by)


def _has_role(role: str, wanted: str) -> bool:
    return role == wanted or (wanted in ROLES and role == "admin")


def undocumented(fields: Iterable[str], version: Version, texts: Texts) -> list[str]:
    """Those of the fields that are empty, of what somebody may say or take back at any time."""
    found: dict[str, str] = {"description": version.description, "model.description": texts.description}
    found |= {f"tags.{key}": value for key, value in version.tags.items()}
    found |= {f"model.tags.{key}": value for key, value in texts.tags.items()}
    return [each for each in fields if each != INPUT_EXAMPLE and not found.get(each)]


def _documented(need: Need, shown: Shown, about: Sequence[Event]) -> str:
    """As it is now: what the gate found may have been taken back since."""
    missing = undocumented(map(str, need.options["fields"]), shown.version, shown.texts)
    return f"not documented: {', '.join(missing)}" if missing else _gate(need, shown, about)


CHECKS = {"documented": _documented, "signed": _signed, "approvals": _approvals}
