"""Texts are written into commands and read back by a real bash."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.parameters import shell, template
from tests.helpers import examples

# what bash, or one of the readers before it, could take for more than a character
RISKY = "'\"\\$`(){}[]<>|&;#!*?~=%^@+,-. \t\n\r\x01\x7fé😀ab0EOF:/"
VALUES = st.one_of(
    st.text(RISKY, max_size=12),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12),
)
# command -> what the program `show` gets for the value v
PLACES = {
    "show {v}": "v",
    "show a{v}b": "avb",
    "show --opt={v} x": "--opt=v|x",
    "show '{v}'": "v",
    "show 'a {v} b'": "a v b",
    'show "{v}"': "v",
    'show "a $USER {v} b"': "a  v b",
    "show \\'{v}\\'": "'v'",
    'show "$(printf %s. {v})"': "v.",
    'show "$(printf %s. "{v}")"': "v.",
    "show \"$(printf %s. '{v}')\"": "v.",
    "x=`printf %s. {v}`; show \"$x\"": "v.",
    "x=`printf %s. '{v}'`; show \"$x\"": "v.",
    "x=`printf %s. \"{v}\"`; show \"$x\"": "v.",
    "bash -c 'show {v}'": "v",
    'bash -c "show {v} $USER"': "v",
    "bash -c \"show '{v}' x\"": "v|x",
    "eval 'show {v}'": "v",
    "(show {v})": "v",
    "{ show {v}; }": "v",
    "if [[ x{v} == x{v} ]]; then show {v}; fi": "v",
    "case {v} in *) show {v};; esac": "v",
    "show $'a\\'b' {v}": "a'b|v",
    "show \\$'a' {v}": "$a|v",
    "show $$'a' {v} | tail -c +1": None,
    "x={v} && show \"$x\"": "v",
    "show ${USER:-a} {v} # '": "a|v",
    "show $((1 + (2 * 3))) {v}": "7|v",
    "((1)); show {v}": "v",
    "show \"${USER:-\"it's\"}\" {v}": "it's|v",
    "cat > /dev/null <<'END'\n it's $( ` \"\nEND\nshow {v}": "v",
    "cat > /dev/null <<< 'a' ; show {v}": "v",
    "show a#b {v}": "a#b|v",
    "show {v} # {v}": "v",
    "show a\\\n  {v} \\\n  c": "a|v|c",
}  # fmt: skip
TESTED = {command: expected for command, expected in PLACES.items() if expected is not None}


def bash(script: str) -> bytes:
    """Runs a script where nothing but builtins, cat, and the function `show` can be found."""
    begin = 'show() { printf \'%s\\0\' "$#" "$@"; }; export -f show; unset USER\n'
    done = subprocess.run(
        ["/bin/bash", "-c", begin + script],
        capture_output=True,
        timeout=20,
        env={"PATH": "/bin", "LC_ALL": "C.UTF-8"},
    )
    assert not done.stderr, done.stderr.decode(errors="replace")
    return done.stdout


def written(command: str, value: str) -> str | None:
    """The command for a value, or None when it is refused."""
    refused = []

    def write(name: str, layers: shell.Layers) -> str:
        text = shell.write(value, layers)
        if text is None:
            refused.append(name)
        return text or ""

    text = template.render(template.parse(command, {"v"}), write)
    return None if refused else text


def printed(*arguments: str) -> bytes:
    return b"".join(text.encode("utf-8") + b"\0" for text in (str(len(arguments)), *arguments))


@settings(max_examples=examples(150), deadline=None)
@given(VALUES)
@example("")
@example("a b")
@example("$(echo x)")
@example("'; show injected; '")
@example("\\'; show injected; #")
@example('"; show injected; "')
@example("a\nshow injected")
@example("`show injected`")
@example("a[$(show injected)]")
@example("-e")
@example("!!")
def test_any_text_arrives_unchanged_wherever_it_stands(value: str) -> None:
    script, expected = [], b""
    for command, arguments in TESTED.items():
        text = written(command, value)
        assert text is not None, command
        script.append(text)
        expected += printed(*(part.replace("v", value) for part in arguments.split("|")))
    assert bash("\n".join(script)) == expected


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=20))
def test_quoting_is_that_of_shlex(text: str) -> None:
    assert shell.quote(text) == shlex.quote(text)


@pytest.mark.parametrize(
    "command",
    [
        "show ${HOME:-{v}}",
        "show $((1 + {v}))",
        "show $[1 + {v}]",
        "((x = {v}))",
        "show $'{v}'",
        "show \\{v}",
        'show "\\{v}"',
        "show ${v}",
        'show "${v}"',
        "[[ {v} -eq 1 ]]",
        "cat <<END\n{v}\nEND",
        'bash -c "show \\"{v}\\""',
        'bash -c "x=$(true); show {v}"',
        'x="$(case a in a) show {v};; esac)"',
        'echo "`echo {v}`"',
        "echo `echo \\`echo {v}\\``",
    ],
)
def test_where_bash_would_read_more_than_a_word_only_plain_words_are_taken(command: str) -> None:
    assert written(command, "a b") is None
    assert written(command, "lr=0.1,x:y/z-1") == command.replace("{v}", "lr=0.1,x:y/z-1")


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.sampled_from(["'", '"', "\\", "$(", "(", ")", "`", "${", "}", "$((", "))", " ", "\n", "$'", "#", "x",
                                 "{v}", "<<E\n", "E\n", ";", "case ", "[[ ", "bash -c "]), max_size=10), VALUES)  # fmt: skip
def test_no_value_gets_out_of_its_place_in_any_command_that_bash_accepts(
    pieces: list[str], value: str
) -> None:
    """The same command with `x` for the value and with the real value: bash must find the same words, but for it."""
    command = "".join(pieces)
    if "{v}" not in command:
        return
    canary = written(command, f"{value};canary\n$(canary)`canary`';canary;'\";canary;\"\ncanary\n")
    if canary is None:
        return
    plain = written(command, "x")
    accepted = subprocess.run(["/bin/bash", "-n", "-c", plain or ""], capture_output=True, env={})
    if accepted.returncode or accepted.stderr:
        return
    done = subprocess.run(
        [
            "/bin/bash",
            "-c",
            "canary() { echo INJECTED >&3; }; export -f canary; exec 3>&2 2>/dev/null\n" + canary,
        ],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=20,
        env={"PATH": "/nonexistent"},
        cwd="/",
    )
    assert b"INJECTED" not in done.stderr, canary
