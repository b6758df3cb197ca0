"""Which variables of the caller are kept in the record: those that explain results, and never a likely secret."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

__all__ = ["chosen", "looks_secret"]

ALLOWED = tuple(
    (
        "CUDA_VISIBLE_DEVICES HIP_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES OMP_NUM_THREADS "
        "OPENBLAS_NUM_THREADS MKL_NUM_THREADS NUMEXPR_NUM_THREADS POLARS_MAX_THREADS PYTHONHASHSEED "
        "PYTHONPATH PROJ_SEED CUBLAS_WORKSPACE_CONFIG TF_DETERMINISTIC_OPS NVIDIA_TF32_OVERRIDE XLA_FLAGS "
        "LANG LC_ALL TZ WORLD_SIZE RANK LOCAL_RANK SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_JOB_NODELIST "
        "SLURM_CPUS_PER_TASK SLURM_GPUS"
    ).split()
)
MORE = "PROJ_RECORD_VARIABLES"  # names of others to keep, with commas; MODEL_* stands for all that begin so
HIDDEN = "****"
SECRET_NAMES = tuple("TOKEN SECRET PASSWORD PASSWD CREDENTIAL API_KEY APIKEY PRIVATE _KEY AUTH".split())
# how the keys of well-known services begin
SECRET_STARTS = (
    *(
        "sk-",
        "sk_",
        "pk_",
        "rk_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "hf_",
        "xox",
    ),
    *(
        "AKIA",
        "ASIA",
        "AIza",
        "ya29.",
        "eyJ",
        "dapi",
        "npm_",
        "pypi-",
        "SG.",
        "-----BEGIN",
        "Bearer ",
        "Basic ",
    ),
)
SEPARATORS = str.maketrans(",=:;-", "     ")
LONG = 24  # characters; a shorter word is no key


def chosen(variables: Mapping[str, str], secrets: Iterable[str] = ()) -> dict[str, str]:
    """Those to be kept, by name; of one that looks like a secret only that it is set."""
    more = [name.strip() for name in os.environ.get(MORE, "").split(",") if name.strip()]
    stems = tuple(name[:-1] for name in more if name.endswith("*") and len(name) > 1)
    known = [secret for secret in secrets if secret]
    found = {}
    for name in [
        *ALLOWED,
        *sorted(name for name in variables if name in more or (stems and name.startswith(stems))),
    ]:
        value = variables.get(name)
        if value is None:
            continue
        hidden = looks_secret(name, value) or any(secret in value for secret in known)
        found[name] = HIDDEN if hidden else value
    return found


def looks_secret(name: str, value: str) -> bool:
    """By the name, by how keys of well-known services begin, by a password in a URL, or by being a long random word."""
    if not value:
        return False
    if any(part in name.upper() for part in SECRET_NAMES):
        return True
    if value.startswith(SECRET_STARTS):
        return True
    before, found, rest = value.partition("://")
    if found and before and "@" in rest.split("/")[0]:
        return True
    return any(_random(word) for word in value.translate(SEPARATORS).split())


def _random(word: str) -> bool:
    """Long, of one piece, with digits and letters of both cases, and no path or list of words."""
    if len(word) < LONG or not word.replace("_", "").replace("+", "").isalnum():
        return False
    kinds = (any(map(str.isdigit, word)), any(map(str.isupper, word)), any(map(str.islower, word)))
    if all(kinds):
        return True
    return len(word) >= 32 and not word.strip("0123456789abcdefABCDEF")
