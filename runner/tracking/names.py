"""A name for a run that was given none: two words and a number, as MLflow does."""

from __future__ import annotations

import os

__all__ = ["random_name"]

FIRST = """
able amber ample azure bold brave bright brisk calm candid clean clear clever cosy crisp deft eager
early fair fine firm fond frank fresh gentle glad golden grand green happy hardy honest humble jolly
keen kind lively loyal lucid lucky mellow merry mild neat nimble noble patient plain polite proud
quick quiet rapid ready robust rosy sage serene silent silver sleek smart snowy sober solid spry
stable steady still stout sunny swift tidy tranquil upbeat valiant vivid warm wise witty young zesty
""".split()
SECOND = """
adder alder ant asp auk badger bass bear beaver bee birch bison boar bream carp cat cedar cod colt
cow crab crane crow cub dace deer doe dove duck eagle eel elk elm ewe fawn finch fir fox frog gnat
goat goose gull hare hawk hen heron ibis jay kite koi lamb lark lynx mare mink mole moose moth newt
oak otter owl ox perch pike pine pony quail ram raven robin rook seal shad shrew skate skunk sloth
snail sparrow stag stoat stork swan tern toad trout vole wasp whale wolf wren yak yew
""".split()


def random_name() -> str:
    one, two, three, four = os.urandom(4)
    return f"{FIRST[one % len(FIRST)]}-{SECOND[two % len(SECOND)]}-{(three << 8 | four) % 1000}"
