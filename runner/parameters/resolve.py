"""Given values and declarations -> typed values and the command. Pure: nothing is run, nothing is fetched."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from runner.errors import InputError
from runner.parameters import shell, template, types
from runner.typed import NamedTuple
from runner.values import EntryPoint, Json, Parameter

__all__ = ["LONGEST", "Resolved", "assignments", "is_too_long", "load_file", "meant", "resolve"]

LONGEST = 131_071  # bytes: what Linux takes for one argument, as the command is one of bash


class Resolved(NamedTuple):
    values: dict[str, Json]  # typed, for the record; secrets are not in it
    texts: dict[str, str]  # as they reach the command, unquoted; secrets are not in it
    command: str  # for `bash -c`; a secret is in it as "${PROJ_SECRET_NAME}"
    shown: str  # the same with *** for secrets
    secrets: tuple[str, ...] = ()  # names of the secret parameters that have a value
    variables: Mapping[str, str] = {}  # for the command's environment: what the secrets are
    inputs: tuple[str, ...] = ()  # absolute paths and URIs that were given as values of type path or uri
    downloads: tuple[tuple[str, str], ...] = ()  # (URI, path in the command): fetched before it starts
    warnings: tuple[str, ...] = ()


def assignments(given: Sequence[str]) -> dict[str, str]:
    """The values of `-P name=value`."""
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"-P {text}: there is no {'name' if sign else '='} in it", "-P name=value")
        if name in found:
            raise InputError(f"-P {name} is given twice", f"give one of {found[name]!r} and {value!r}")
        found[name] = value
    return found


def load_file(path: str, entry_point: EntryPoint) -> tuple[dict[str, Json], list[str]]:
    """The values of `--params-file`, a mapping as YAML or JSON; and warnings, as `proj check` has for defaults."""
    from runner.host.yamltext import load_entries, rewritten

    declared = {each.name: "secret" if each.secret else each.type for each in entry_point.parameters}
    entries, faults = load_entries(path)
    warnings = [fault.text for fault in faults]
    for entry in entries:
        as_text = declared.get(entry.key, "") in ("", "string", "path", "uri")
        if declared.get(entry.key) != "secret" and (what := rewritten(entry, as_text)):
            place = f"{os.path.basename(path)}:{entry.value_line}:{entry.value_column}"
            warnings.append(f"{place}: {entry.key}: {what}; put quotes around it if {entry.text} is meant")
    return {entry.key: entry.value for entry in entries}, warnings


def resolve(
    entry_point: EntryPoint,
    given: Mapping[str, Json],
    *,
    directory: str,
    storage: str = "",
    project: str = "",
    extra: Sequence[str] = (),
) -> Resolved:
    """`directory`: of the caller, for paths given; `project`: for default paths; `storage`: for downloads.

    InputError names every value that is missing or wrong.
    """
    if shell.MARK in entry_point.command or any(shell.MARK in text for text in extra):
        raise InputError(f"the command of {entry_point.name} contains a NUL character")
    _check_length(entry_point.command, "")
    declared = {parameter.name: parameter for parameter in entry_point.parameters}
    given = {name: value for name, value in given.items() if value is not None}
    in_command = set(template.placeholders(entry_point.command))
    undeclared = {name: value for name, value in given.items() if name not in declared}
    for name in undeclared:
        if name in in_command:  # the command asks for it, it was only not declared
            declared[name] = Parameter(name)
    gathered = _Gathered(directory, storage, project)
    for parameter in declared.values():
        inputs = len(gathered.inputs)
        gathered.take(parameter, given)
        if parameter.secret:
            gathered.hide(parameter.name)
            del gathered.inputs[inputs:]
    for name, value in undeclared.items():
        if name not in declared:
            _check_undeclared(name, entry_point, given, gathered.faults)
            gathered.take(Parameter(name), {name: value})
    if gathered.faults:
        raise InputError("\n".join(gathered.faults), _usage(entry_point))
    left = in_command.difference(declared)
    warnings = _stray(sorted(left), entry_point, declared) if left else []
    after = [
        f"--{shell.quote(name)} {shell.quote(gathered.texts[name])}"
        for name in undeclared
        if name not in declared
    ]
    after += [shell.quote(text) for text in extra]
    parsed = template.parse(entry_point.command, declared)
    command, shown = (template.render(parsed, gathered.writer(masked)) for masked in (False, True))
    if after:
        command, shown = (" ".join([template.open_end(parsed, text), *after]) for text in (command, shown))
    _check_length(command, max(gathered.texts, key=lambda name: len(gathered.texts[name]), default=""))
    return gathered.resolved(command, shown)._replace(warnings=tuple(warnings))


def _check_length(command: str, longest: str) -> None:
    """InputError for one that cannot be started. `longest`: the parameter with the longest value."""
    if is_too_long(command):
        raise InputError(
            f"the command is longer than {LONGEST} bytes, which is all that the system takes"
            + (f"; the longest value is that of {longest}" if longest else ""),
            "write long values to a file, and pass its path",
        )


def is_too_long(command: str) -> bool:
    """For one argument of `bash -c`: Linux takes 128 KiB of bytes (MAX_ARG_STRLEN of execve(2))."""
    return len(command) > LONGEST // 4 and len(command.encode("utf-8", "surrogatepass")) > LONGEST


class _Gathered:
    """The values that were accepted so far, and what is wrong with the others."""

    def __init__(self, directory: str, storage: str, project: str) -> None:
        self.directory = directory
        self.storage = storage
        self.project = project
        self.values: dict[str, Json] = {}
        self.texts: dict[str, str] = {}
        self.faults: list[str] = []
        self.secrets: dict[str, str] = {}  # name -> variable
        self.variables: dict[str, str] = {}
        self.inputs: list[str] = []
        self.downloads: list[tuple[str, str]] = []

    def take(self, parameter: Parameter, given: Mapping[str, Json]) -> None:
        name = parameter.name
        is_given = name in given
        if not is_given and not parameter.has_default:
            if parameter.required:
                note = f" ({parameter.note})" if parameter.note else ""
                what = f": {types.allowed(parameter)}" if parameter.type or parameter.choices else ""
                self.faults.append(f"parameter {name} needs a value{what}{note}")
            return
        value = given[name] if is_given else parameter.default
        text = str(value)
        if shell.MARK in text:
            self.faults.append(f"parameter {name}: a value cannot contain a NUL character")
            return
        try:
            typed = types.convert(parameter, value)
        except ValueError as error:
            if is_given or parameter.type == "uri":
                shown = "the value" if parameter.secret else repr(value)
                self.faults.append(f"parameter {name}: {shown} is not {error}")
                return
            typed = value  # a default is taken as it is, as MLflow does; `proj check` reports it
        if parameter.type == "path":
            text = self.path(parameter, text, is_given)  # recorded as it was given
        elif parameter.type == "uri":
            self.inputs.append(text)
        self.texts[name] = text
        self.values[name] = typed

    def path(self, parameter: Parameter, text: str, is_given: bool) -> str:
        """The absolute path; of a remote one, the place where its download will be."""
        kind = types.scheme(text)
        if kind and kind != "file":
            self.inputs.append(text)
            if not self.storage:
                return text
            from hashlib import sha256

            last = text.partition("?")[0].rstrip("/").rpartition("/")[2]
            name = last if last not in ("", ".", "..") else "data"
            local = os.path.join(self.storage, sha256(text.encode("utf-8", "replace")).hexdigest()[:16], name)
            self.downloads.append((text, local))
            return local
        if kind == "file":
            from runner.text.uri import path_of

            text = path_of(text)
        places = [self.directory] if is_given or not self.project else [self.project, self.directory]
        found = [
            path for place in places if os.path.exists(path := os.path.abspath(os.path.join(place, text)))
        ]
        if not found:
            where = " and in ".join(places)
            what = "of that name" if parameter.secret else repr(text)
            self.faults.append(f"parameter {parameter.name}: there is no file or folder {what} in {where}")
            return text
        self.inputs.append(found[0])
        return found[0]

    def hide(self, name: str) -> None:
        """Takes a secret out of what is recorded."""
        if name not in self.texts:
            return
        from runner.text.secrets import SHORTEST, VARIABLE

        if self.texts[name] and len(self.texts[name].strip()) < SHORTEST:
            self.faults.append(
                f"parameter {name}: a secret needs {SHORTEST} characters; a shorter one cannot be masked in the output"
                " without making it unreadable (give a longer one, or declare it without `secret: true`)"
            )
        variable = VARIABLE + "".join(c if c.isalnum() and c.isascii() else "_" for c in name).upper()
        while variable in self.variables:
            variable += "_"
        self.secrets[name] = variable
        self.variables[variable] = self.texts.pop(name)
        del self.values[name]

    def writer(self, masked: bool) -> Callable[[str, shell.Layers], str | None]:
        def written(name: str, layers: shell.Layers) -> str | None:
            if name in self.secrets:
                text = "***" if masked else shell.reference(self.secrets[name], layers)
            elif name in self.texts:
                text = shell.write(self.texts[name], layers)
            else:
                return None
            if text is None:
                value = "its value" if name in self.secrets else repr(self.texts[name])
                raise InputError(
                    f"parameter {name}: {value} cannot be put where the command has {{{name}}}: in a "
                    "here-document, in arithmetic, in ${ }, or after a $ or a backslash",
                    "only letters, digits and _@%+=:,./- can stand there; or change the command",
                )
            return text

        return written

    def resolved(self, command: str, shown: str) -> Resolved:
        return Resolved(
            self.values,
            self.texts,
            command,
            shown,
            tuple(self.secrets),
            self.variables,
            tuple(self.inputs),
            tuple(self.downloads),
        )


def _check_undeclared(
    name: str, entry_point: EntryPoint, given: Mapping[str, Json], faults: list[str]
) -> None:
    """A name that MLflow would pass on as `--name value`."""
    if not all(character.isalnum() or character in "_.-" for character in name) or name[:1] in "-.":
        faults.append(
            f"parameter {name!r} is not declared, and is no name that can be passed on as an option"
        )
        return
    close = meant(
        name, [parameter.name for parameter in entry_point.parameters if parameter.name not in given]
    )
    if close:
        faults.append(
            f"there is no parameter {name}; did you mean {close}? (to pass it on as it is: -- --{name} ...)"
        )


def _stray(names: Sequence[str], entry_point: EntryPoint, declared: Mapping[str, Parameter]) -> list[str]:
    """Warnings of `{lr}` that nothing declares. `{alhpa}`, where alpha is declared and has no place, is an InputError.

    MLflow fails on both. What is quoted (awk '{print}', python -c "f'{x}'") is the program's own.
    """
    layers = shell.contexts(entry_point.command)
    used = template.parse(entry_point.command, declared).names
    warnings = []
    for name in names:
        what = f"{{{name}}}, in the command of {entry_point.name}, names no parameter"
        if close := meant(name, [each for each in declared if each not in used]):
            as_it_is = f"to pass it on as it is, {{{{{name}}}}}"
            raise InputError(what, f"did you mean {{{close}}}?  ({as_it_is})")
        at = entry_point.command.find("{" + name + "}")
        if layers[at] == shell.PLAIN and name.replace("-", "_").isidentifier():
            warnings.append(
                f"{what}: it reaches the program as it is; declare it: parameters: {{{name}: string}}"
            )
    return warnings


def meant(name: str, declared: Sequence[str]) -> str:
    """A declared name that was probably meant. `x2` is not close to `x1`: their digits tell them apart."""
    from difflib import get_close_matches

    def folded(text: str) -> str:
        return "".join(character for character in text.lower() if character.isalnum())

    def digits(text: str) -> str:
        return "".join(character for character in text if character.isdigit())

    names = {folded(each): each for each in declared if digits(each) == digits(name)}
    for match in get_close_matches(folded(name), names, 1, 0.8):
        return names[match]
    swapped = (each for each in names if len(each) > 2 and sorted(each) == sorted(folded(name)))
    return names.get(next(swapped, ""), "")


def _usage(entry_point: EntryPoint) -> str:
    return f"the same line with --help-params shows the parameters of {shell.quote(entry_point.name)}"
