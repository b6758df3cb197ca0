"""A guard outlives its supervisor: if that is killed (SIGKILL, out of memory), the guard ends the command's processes.

It is a small shell that waits on a pipe which only the supervisor holds open. Starting it costs half a
millisecond; a Python process would cost twenty. It is posted before the command starts: behind it, it would have
to wait for a processor, and the supervisor with it.
"""

from __future__ import annotations

import os

from runner.backends.contained import Farewell

__all__ = ["dismiss", "post", "watch"]

# $1 the mark in the environment of every process of the run, $2 seconds of grace. First line of the pipe: the
# command's process group ("done" when it could not be started), second line: "done" when all has ended well.
# A daemon has left the group but has kept the environment; processes are looked for again until none is left.
# $3 and what follows, if given, is run last: it removes the run's container, which no signal to its client ends.
NOTHING = Farewell()
SCRIPT = """
trap '' HUP INT TERM TSTP TTIN TTOU
group= word=
IFS= read -r group
[ "$group" = done ] && exit 0
[ -n "$group" ] && IFS= read -r word
[ "$word" = done ] && exit 0
marked() {
  [ -r /proc/self/environ ] || return
  grep -lsazxF -- "$2" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n' | grep -vx $$
}
strike() {
  [ -n "$2" ] && kill -"$1" -- "-$2" 2>/dev/null
  for pid in $(marked "$2" "$3"); do kill -"$1" "$pid" 2>/dev/null; done
}
alive() { { [ -n "$group" ] && kill -0 -- "-$group" 2>/dev/null; } || [ -n "$(marked "$group" "$mark")" ]; }
unset PROJ_RUN_ID
mark=$1 left=$2
shift 2
[ $# -gt 0 ] && trap '"$@"' EXIT
strike TERM "$group" "$mark"
while [ "$left" -gt 0 ]; do
  alive || exit 0
  sleep 1; left=$((left - 1))
done
for turn in 1 2 3 4 5; do
  strike KILL "$group" "$mark"
  alive || exit 0
  sleep 0.2
done
"""


def post(run_id: str, grace: float, farewell: Farewell = NOTHING) -> tuple[int, int]:
    """Starts a guard over the processes of a run; returns what the others need: (pid, pipe)."""
    read_end, write_end = os.pipe()
    actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, read_end, 0)]
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    actions += [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    # its own environment has no mark of the run: it must not find itself
    variables = {"PATH": os.environ.get("PATH", os.defpath), **dict(farewell.variables)}
    argv = ["sh", "-c", SCRIPT, "proj-guard", f"PROJ_RUN_ID={run_id}", str(int(grace))]
    argv += farewell.argv
    try:
        pid = os.posix_spawn("/bin/sh", argv, variables, file_actions=actions, setsid=True)
    finally:
        os.close(read_end)
        os.close(null)
    return pid, write_end


def watch(guard: tuple[int, int], group: int) -> None:
    """Tells the guard the process group of the command that was started."""
    _say(guard, b"%d\n" % group)


def dismiss(guard: tuple[int, int]) -> None:
    _say(guard, b"done\n")
    os.close(guard[1])
    try:
        os.waitpid(guard[0], os.WNOHANG)  # it ends by itself; waiting for it would cost a millisecond
    except ChildProcessError:
        pass


def _say(guard: tuple[int, int], line: bytes) -> None:
    try:
        os.write(guard[1], line)
    except OSError:
        pass  # somebody killed the guard: the run goes on
