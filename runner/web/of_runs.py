"""Addresses of the pages about one run, or some: what it was, its charts, its log and files, how it differs."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from runner.web import changes, chart_data, code, compare, environment, files, lineage, log, proof, run, why

__all__ = ["ROUTES"]

ROUTES: list[BaseRoute] = [
    Route("/compare", compare.show),
    Route("/why", why.show),
    Route("/chart", chart_data.show),
    Route("/chart.json", chart_data.as_json),
    Route("/chart.svg", chart_data.as_svg),
    Route("/chart.csv", chart_data.as_csv),
    Route("/runs/{run_id}", run.show),
    Route("/runs/{run_id}/note", run.note, methods=["POST"]),
    Route("/runs/{run_id}/changes", changes.show),
    Route("/runs/{run_id}/code", code.show),
    Route("/runs/{run_id}/code/{path:path}", code.show),
    Route("/runs/{run_id}/environment", environment.show),
    Route("/runs/{run_id}/lineage", lineage.show),
    Route("/runs/{run_id}/proof", proof.show),
    Route("/runs/{run_id}/log", log.show),
    Route("/runs/{run_id}/log.json", log.as_json),
    Route("/runs/{run_id}/log.txt", log.whole),
    Route("/runs/{run_id}/files", files.show),
    Route("/runs/{run_id}/files/{path:path}", files.show),
    Route("/runs/{run_id}/raw/{path:path}", files.raw),
]
