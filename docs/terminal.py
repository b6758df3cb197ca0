"""Makes images/terminal.svg, the picture of the README, from the real commands: `python docs/terminal.py`.

They run in a pseudo-terminal in /tmp/demo, with a user, a home and a store of their own.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import termios

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEMO = "/tmp/demo"  # noqa: S108 - a folder that says nothing about the machine
TARGET = os.path.join(ROOT, "docs", "images", "terminal.svg")
COLUMNS = 100
COMMANDS = (  # and how many lines of their output are shown
    ("proj run examples/sklearn-diabetes -P alpha=0.02", 50),
    ("proj run examples/sklearn-diabetes -P alpha=much", 50),
    ("proj runs", 50),
    ("proj show last", 18),
    ("proj reproduce last", 50),
)
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        *((110, 118, 129), (255, 123, 114), (63, 185, 80), (210, 153, 34)),
        *((88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)),
    ],
)
# rich's own picture fetches its font from the web; this one takes the reader's
PICTURE = """\
<svg class="{unique_id}" role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    shutil.rmtree(DEMO, ignore_errors=True)
    example = os.path.join("examples", "sklearn-diabetes")
    shutil.copytree(
        os.path.join(ROOT, example), os.path.join(DEMO, example), ignore=shutil.ignore_patterns("model.json")
    )
    try:
        shown = Text()
        for command, most in COMMANDS:
            shown.append("$ ", "bright_black").append(command, "bold").append("\n")
            lines = output_of(command).split("\n")
            shown.append(Text.from_ansi("\n".join(lines[:most])))
            shown.append("\n  …\n\n" if len(lines) > most else "\n\n", "bright_black")
    finally:
        shutil.rmtree(DEMO)
    shown.rstrip()
    picture = drawn(shown)
    check(picture)
    os.makedirs(os.path.dirname(TARGET), exist_ok=True)
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write(picture)
    sys.stdout.write(f"{TARGET}: {len(picture) // 1000} kB\n")


def output_of(command: str) -> str:
    """What the command writes to a terminal of COLUMNS columns."""
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("UV_", "PIP_", "SSL_"))}
    variables = {
        **kept,
        "PATH": sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"],
        "HOME": DEMO,
        "PROJ_HOME": os.path.join(DEMO, ".proj"),
        "USER": "ada",
        "LOGNAME": "ada",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
    }
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    child = subprocess.Popen(
        ["bash", "-c", command], cwd=DEMO, env=variables, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    chunks = []
    try:
        while chunk := os.read(master, 4096):
            chunks.append(chunk)
    except OSError:
        pass  # EIO on Linux is how a pseudo-terminal ends
    os.close(master)
    child.wait()
    text = b"".join(chunks).decode()
    return re.sub(r"\r+\n", "\n", text).rstrip("\n")


def drawn(text: Text) -> str:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(text, soft_wrap=True)
        return console.export_svg(title="", theme=THEME, code_format=PICTURE, unique_id="proj")


def check(picture: str) -> None:
    """Nothing of the machine or of the web is in the picture."""
    hosts = set(re.findall(r"https?://[^\s\"<)]+", picture)) - {"http://www.w3.org/2000/svg"}
    private = {os.path.expanduser("~"), ROOT, os.uname().nodename} - {"/", ""}
    found = [*hosts, *(word for word in private if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", picture))]
    if found or "@font-face" in picture or len(picture) > 150_000:
        raise SystemExit(f"the picture must not have: {found}, a font of the web, {len(picture)} characters")


if __name__ == "__main__":
    main()
