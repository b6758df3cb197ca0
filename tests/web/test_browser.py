"""What the pages do in a real browser."""

from __future__ import annotations

from tests.browser import Tabs
from tests.cli.records import make_run
from tests.web.conftest import Browser


def test_the_pages_open_in_a_browser_without_a_complaint(tabs: Tabs) -> None:
    run_id = make_run("elk", metrics={"loss": [3, 2, 1]})
    page = tabs.open("/ui/")
    page.get_by_role("link", name="elk").click()
    assert page.url.endswith(f"/ui/runs/{run_id}")
    assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex"


def test_the_links_that_mlflow_prints_lead_to_the_pages(tabs: Tabs) -> None:
    run_id = make_run("elk")
    page = tabs.open(f"/#/experiments/0/runs/{run_id}")
    page.wait_for_url(f"**/ui/runs/{run_id}")
    page = tabs.open("/#/experiments/0")
    page.wait_for_url("**/ui/experiments/0")


def test_what_a_page_complains_of_is_seen(tabs: Tabs) -> None:
    page = tabs.open("/ui/")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://192.0.2.1/x.png'}))")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
    )
    page.evaluate("setTimeout(() => missing.name)")
    page.wait_for_timeout(200)
    found = "\n".join(tabs.problems)
    for each in ("Content Security Policy", "script failed", "inline script"):
        assert each in found
    tabs.problems.clear()


def test_styles_are_kept_by_their_content(browser: Browser) -> None:
    (path,) = [
        each.removeprefix("http://x") for each in browser.get("/ui/").links if each.endswith("app.css")
    ]
    kept = browser.get(path)
    assert (kept.status, kept.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    old = browser.get("/ui/static/0123456789abcdef/app.css")
    assert (old.status, old.headers["cache-control"], old.text) == (200, "no-store", kept.text)
    assert browser.get(path.replace("app.css", "../render.py")).status == 404
