// @ts-check
// Follows a run that is on: its newest points come by an offset of its log, so an answer does not grow with the history.
import { all } from "./charts.js";
import { short } from "./scale.js";

const [SOON, LATER] = [1000, 10_000]; // ms, while the page is seen, and while it is not or the server does not answer

class Live {
  /** @param {HTMLElement} root  data-live: the offset, data-changes: the address, data-run */
  constructor(root) {
    this.root = root;
    this.after = Number(root.dataset.live);
    this.failed = false;
    /** @type {Set<string>} metrics for which the page was asked: of very many there are no charts */
    this.asked = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    document.addEventListener("visibilitychange", () => this.timer && this.wait());
    this.wait();
  }

  wait() {
    clearTimeout(this.timer);
    const soon = document.visibilityState === "visible" && !this.failed;
    this.timer = setTimeout(() => void this.look(), soon ? SOON : LATER);
  }

  async look() {
    this.timer = undefined;
    const answer = await fetch(`${this.root.dataset.changes}?after=${this.after}`).catch(() => null);
    if (answer && [401, 403, 404].includes(answer.status)) return; // signed out, or the run is gone
    this.failed = !answer?.ok;
    if (!answer?.ok) return this.wait();
    const found = await answer.json();
    this.after = found.after;
    const run = this.root.dataset.run ?? "";
    const known = new Set(all.flatMap((charts) => [...charts.charts.keys()]));
    const shown = new Map([...document.querySelectorAll("[data-last]")].map((each) => [/** @type {HTMLElement} */ (each).dataset.last, each]));
    let unknown = found.again || found.ended;
    for (const [metric, points] of Object.entries(found.points)) {
      const cell = shown.get(metric);
      const last = points[points.length - 1][2];
      if (cell) cell.textContent = typeof last === "number" ? short(last) : last;
      if ((!cell || !known.has(metric)) && !this.asked.has(metric)) {
        if (cell && points.length + Number(points.at(-1)[0]) < 2) continue; // a number, and no line yet
        this.asked.add(metric);
        unknown = true;
      }
      for (const charts of all) charts.append(run, metric, points);
    }
    if (unknown) await this.refresh();
    if (found.again) for (const charts of all) charts.apply(true);
    if (!found.ended) this.wait();
  }

  /** The parts of the page that say more than numbers, from the server; charts, zoom and scroll stay. */
  async refresh() {
    const answer = await fetch(location.href).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of page.querySelectorAll("[data-part]")) {
      const name = /** @type {HTMLElement} */ (part).dataset.part;
      const here = [...document.querySelectorAll("[data-part]")].find((each) => /** @type {HTMLElement} */ (each).dataset.part === name);
      if (here && !here.contains(document.activeElement)) here.replaceWith(part);
    }
    for (const charts of all) {
      const folder = charts.root.querySelector(".charts");
      for (const figure of page.querySelectorAll("figure[data-metric]")) {
        const metric = /** @type {HTMLElement} */ (figure).dataset.metric ?? "";
        if (folder && !charts.charts.has(metric)) {
          folder.append(figure);
          charts.add(/** @type {HTMLElement} */ (figure));
        }
      }
    }
  }
}

document.querySelectorAll("[data-live]").forEach((each) => new Live(/** @type {HTMLElement} */ (each)));
