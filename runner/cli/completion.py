"""The shells' side of completion: a script for each, and where it is installed.

All of them hand the line up to the cursor to `proj` as fish does in Typer's protocol, and get lines of
`word<TAB>what it is`. bash cuts words at `=` and `:` (COMP_WORDBREAKS) and replaces only what follows: what it takes
for done is cut off from each word. A space follows only a word that is whole.
"""

from __future__ import annotations

import os
from importlib import import_module

from runner.errors import InputError, ProjError
from runner.host import files

__all__ = ["SHELLS", "install", "script", "shell"]

ASK = "_PROJ_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args"
BASH = f"""\
_proj_completion() {{
    local IFS=$'\\n' line=${{COMP_LINE:0:COMP_POINT}} current=${{COMP_WORDS[COMP_CWORD]}} word begun each
    [[ $current == [=:] ]] && current=
    begun=${{line##*[[:space:]]}}
    begun=${{begun%"$current"}}
    COMPREPLY=()
    for each in $({ASK} _TYPER_COMPLETE_ARGS="$line" "$1" 2>/dev/null); do
        word=${{each%%$'\\t'*}}
        COMPREPLY+=("${{word#"$begun"}}")
    done
    [[ ${{#COMPREPLY[@]}} == 1 && ${{COMPREPLY[0]}} == *[=:./] ]] && compopt -o nospace
    return 0
}}
complete -o default -o nosort -F _proj_completion proj
"""
ZSH = f"""\
#compdef proj
_proj_completion() {{
    local line="${{(j: :)words[1,CURRENT-1]}} $PREFIX" each word
    local -a open whole
    for each in ${{(f)"$({ASK} _TYPER_COMPLETE_ARGS="$line" ${{words[1]}} 2>/dev/null)"}}; do
        word=${{each%%$'\\t'*}}
        each=${{word//:/\\\\:}}${{${{each#$word}}/#$'\\t'/:}}
        if [[ $word == *[=:./] ]]; then open+=("$each"); else whole+=("$each"); fi
    done
    if (( $#open + $#whole == 0 )); then _files; return; fi
    (( $#open )) && _describe -V proj open -S ''
    (( $#whole )) && _describe -V proj whole
}}
if [[ $funcstack[1] == _proj ]]; then _proj_completion "$@"; else compdef _proj_completion proj; fi
"""
FISH = f"""\
function __proj_completion
    env {ASK} _TYPER_COMPLETE_ARGS=(commandline -cp) (commandline -opc)[1] 2>/dev/null
end
complete --command proj --keep-order --no-files --condition '__proj_completion | string length -q' \\
    --arguments '(__proj_completion)'
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def shell() -> str:
    """The user's. InputError when it is none of those."""
    name = ""
    try:
        name = import_module("shellingham").detect_shell()[0]
    except Exception:  # noqa: BLE001  there is no shell above us, or no such package
        name = os.path.basename(os.environ.get("SHELL", ""))
    if name not in SHELLS:
        raise InputError(
            f"there is no completion for {name or 'an unknown shell'}; there is for {', '.join(SHELLS)}",
            "SHELL=/bin/bash proj --show-completion",
        )
    return name


def script(name: str) -> str:
    return SHELLS[name]


def install(name: str) -> str:
    """Writes the script where the shell looks for it, and has it read at the next start; returns its path."""
    home = os.path.expanduser("~")
    path, reader, line = {
        "bash": (".bash_completions/proj.sh", ".bashrc", f"source {home}/.bash_completions/proj.sh"),
        "zsh": (".zfunc/_proj", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
        "fish": (".config/fish/completions/proj.fish", "", ""),
    }[name]
    path = os.path.join(home, path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.write(path, script(name))
        if reader:
            _add(os.path.join(home, reader), line)
    except OSError as error:
        raise ProjError(f"{error.filename or path} cannot be written: {error.strerror or error}") from error
    return path


def _add(path: str, line: str) -> None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    if line in text.splitlines():
        return
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n")
