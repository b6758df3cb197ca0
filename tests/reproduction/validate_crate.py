"""Runs roc-validator without a network: the JSON-LD contexts that it would fetch come from here.

Usage: validate_crate.py FOLDER PROFILE. Prints what is wrong or advised against; exits with 1 when anything is.
"""

from __future__ import annotations

import email.message
import io
import json
import os
import sys
import urllib.request
from typing import Any

import rdflib._networking
import rocrate
from rocrate_validator import models, services
from rocrate_validator.utils import http

WFRUN = "https://w3id.org/ro/terms/workflow-run#"
TERMS = (
    "ParameterConnection",
    "connection",
    "environment",
    "resourceUsage",
    "containerImage",
    "sha256",
    "query",
)


def context(url: str) -> str:
    if "workflow-run/context" in url:
        return json.dumps({"@context": {term: WFRUN + term for term in TERMS}})
    if "crate/1.1/context" in url:
        # the package has the context of a later version, in which Bioschemas' terms moved
        with open(os.path.join(os.path.dirname(rocrate.__file__), "data", "ro-crate.jsonld")) as file:
            return file.read().replace("bioschemas.org/terms/", "bioschemas.org/")
    raise OSError(f"no network: {url}")


class Opened(io.BytesIO):
    status = 200

    def __init__(self, url: str) -> None:
        super().__init__(context(url).encode())
        self.url = url
        self.headers = email.message.Message()
        self.headers["Content-Type"] = "application/ld+json"

    def info(self) -> Any:
        return self.headers

    def geturl(self) -> str:
        return self.url


class Answer:
    status_code = 200
    ok = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.text = context(url)
        self.content = self.text.encode()
        self.headers = {"Content-Type": "application/ld+json"}

    def json(self) -> Any:
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        pass


def opened(request: Any, *_: Any, **__: Any) -> Opened:
    return Opened(request.full_url if isinstance(request, urllib.request.Request) else request)


def main(folder: str, profile: str) -> int:
    rdflib._networking._urlopen = opened
    http.HttpRequester.get = lambda self, url, *a, **k: Answer(url)  # type: ignore[method-assign]
    settings = services.ValidationSettings(
        rocrate_uri=folder, profile_identifier=profile, requirement_severity=models.Severity.RECOMMENDED
    )
    issues = services.validate(settings).get_issues()
    for issue in issues:
        print(issue.check.identifier, issue.message)
    return 1 if issues else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
