// @ts-check
// The charts of a page: fetched when they are seen, zoomed and hovered together; the address has what was chosen.
import { LineChart, line, value, where } from "./chart.js";

const [MANY, LINES, LATER] = [10, 12, 4096]; // runs that are many; lines of a tip; points after which all is fetched again
const KEYS = ["x", "logx", "logy", "smooth", "cut", "group", "first", "last", "hide"];
const FETCHED = ["x", "group", "first", "last"]; // what the server must know

/** @typedef {{figure: HTMLElement, metric: string, chart: LineChart, tip: HTMLElement, note: HTMLElement, seen: boolean, asked: AbortController | null, added: number}} Shown */

export class Charts {
  /** @param {HTMLElement} root  the section; data-runs, data-top */
  constructor(root) {
    this.root = root;
    this.runs = (root.dataset.runs ?? "").split(" ");
    this.top = root.dataset.top ?? "./";
    /** @type {Map<string, Shown>} */
    this.charts = new Map();
    this.chosen = "";
    this.watch = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const shown = this.charts.get(/** @type {HTMLElement} */ (entry.target).dataset.metric ?? "");
        if (!shown) continue;
        const first = entry.isIntersecting && !shown.seen;
        shown.seen ||= entry.isIntersecting;
        if (first) void this.fetch(shown);
      }
    }, { rootMargin: "300px" });
    this.sizes = new ResizeObserver((entries) => entries.forEach((entry) => this.of(entry.target)?.chart.draw()));
    root.querySelectorAll("figure[data-metric]").forEach((each) => this.add(/** @type {HTMLElement} */ (each)));
    this.form = /** @type {HTMLFormElement | null} */ (root.querySelector("form.look"));
    this.listen();
    this.apply();
  }

  get state() {
    return new URLSearchParams(location.search);
  }

  /** @param {Element} target @returns {Shown | undefined} */
  of(target) {
    return this.charts.get(/** @type {HTMLElement | null} */ (target.closest("figure"))?.dataset.metric ?? "");
  }

  /** @param {HTMLElement} figure */
  add(figure) {
    const metric = figure.dataset.metric ?? "";
    figure.querySelectorAll("noscript, .still").forEach((each) => each.remove());
    const box = element("div", "canvas");
    const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", ""));
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    const tip = element("div", "tip");
    tip.hidden = true;
    tip.setAttribute("role", "status");
    const note = element("p", "note");
    box.append(canvas, tip);
    figure.querySelector("figcaption")?.after(box, note);
    canvas.setAttribute("aria-label", `${metric}; arrow keys walk along it, Values has it as a table`);
    const save = element("button", "", "PNG");
    save.addEventListener("click", () => png(canvas, metric));
    figure.querySelector(".tools")?.append(" ", save);
    const shown = { figure, metric, chart: new LineChart(canvas, "step"), tip, note, seen: false, asked: null, added: 0 };
    this.charts.set(metric, shown);
    this.watch.observe(figure);
    this.sizes.observe(canvas);
  }

  listen() {
    this.root.addEventListener("chart-hover", (event) => {
      const { detail, target } = /** @type {CustomEvent} */ (event);
      this.hover(/** @type {Element} */ (target), detail.x, detail.y);
    });
    this.root.addEventListener("chart-zoom", (event) => {
      const { first, last } = /** @type {CustomEvent} */ (event).detail;
      this.change({ first: first === null ? "" : String(first), last: last === null ? "" : String(last) });
    });
    this.form?.addEventListener("input", () => this.change(this.chosenInForm(), this.form?.smooth === document.activeElement));
    this.form?.querySelector(".whole")?.addEventListener("click", (event) => {
      event.preventDefault();
      this.change({ first: "", last: "" });
    });
    this.form?.addEventListener("submit", (event) => event.preventDefault());
    this.root.querySelectorAll(".legend [data-run]").forEach((each) => this.legend(/** @type {HTMLElement} */ (each)));
    addEventListener("popstate", () => this.apply(true));
    addEventListener("chart-colours", () => this.draw());
  }

  /** A run is hidden by its button, and shown before the others by the pointer. @param {HTMLElement} item */
  legend(item) {
    const run = item.dataset.run ?? "";
    const button = element("button", "swatch");
    button.append(element("span", "unseen", `Show ${item.textContent?.trim() ?? ""}`));
    item.querySelector(".swatch")?.replaceWith(button);
    button.addEventListener("click", () => {
      const hidden = new Set(this.state.getAll("hide"));
      if (!hidden.delete(run)) hidden.add(run);
      this.change({ hide: [...hidden] });
    });
    const choose = (/** @type {string} */ chosen) => {
      this.chosen = chosen;
      this.view();
      this.draw();
    };
    for (const name of ["pointerenter", "focusin"]) item.addEventListener(name, () => choose(run));
    for (const name of ["pointerleave", "focusout"]) item.addEventListener(name, () => choose(""));
  }

  chosenInForm() {
    const given = new FormData(/** @type {HTMLFormElement} */ (this.form));
    const found = /** @type {Record<string, string>} */ ({});
    for (const name of ["x", "logx", "logy", "smooth", "cut", "group"]) found[name] = String(given.get(name) ?? "");
    if (found.x === "step") found.x = "";
    if (found.smooth === "0") found.smooth = "";
    if (found.x !== (this.state.get("x") ?? "")) Object.assign(found, { first: "", last: "" });
    return found;
  }

  /** @param {Record<string, string | string[]>} changes @param {boolean} replace  a slider makes one entry in the history */
  change(changes, replace = false) {
    const before = this.state;
    const after = this.state;
    for (const [name, given] of Object.entries(changes)) {
      after.delete(name);
      for (const each of [given].flat()) if (each) after.append(name, each);
    }
    if (String(before) === String(after)) return;
    history[replace ? "replaceState" : "pushState"](null, "", `?${after}`);
    this.apply(FETCHED.some((name) => before.get(name) !== after.get(name)));
  }

  /** As the address says. */
  apply(fetched = false) {
    const state = this.state;
    if (this.form) {
      for (const name of ["logx", "logy", "cut"]) this.field(name, (each) => (each.checked = state.has(name)));
      this.field("smooth", (each) => (each.value = state.get("smooth") ?? "0"));
      this.field("x", (each) => (each.value = state.get("x") ?? "step"));
      this.field("group", (each) => (each.value = state.get("group") ?? ""));
      const all = this.form.querySelector(".whole");
      if (all) /** @type {HTMLElement} */ (all).hidden = !(state.has("first") || state.has("last"));
    }
    const hidden = new Set(state.getAll("hide"));
    this.root.querySelectorAll(".legend [data-run]").forEach((each) => {
      const off = hidden.has(/** @type {HTMLElement} */ (each).dataset.run ?? "");
      each.classList.toggle("off", off);
      each.querySelector("button")?.setAttribute("aria-pressed", String(!off));
    });
    this.links(state);
    this.view();
    for (const shown of this.charts.values()) if (shown.seen && fetched) void this.fetch(shown);
    this.draw();
  }

  /** @param {string} name @param {(field: HTMLInputElement) => void} set */
  field(name, set) {
    const found = this.form?.elements.namedItem(name);
    if (found) set(/** @type {HTMLInputElement} */ (found));
  }

  /** Each chart's links say what is seen. @param {URLSearchParams} state */
  links(state) {
    for (const link of this.root.querySelectorAll(".chart figcaption a, .chart .tools a")) {
      const address = new URL(/** @type {HTMLAnchorElement} */ (link).href);
      for (const key of KEYS) {
        address.searchParams.delete(key);
        for (const each of state.getAll(key)) address.searchParams.append(key, each);
      }
      /** @type {HTMLAnchorElement} */ (link).href = address.href;
    }
  }

  view() {
    const state = this.state;
    const number = (/** @type {string} */ name) => (state.get(name) ? Number(state.get(name)) : null);
    const view = {
      logX: state.has("logx"), logY: state.has("logy"), smooth: number("smooth") ?? 0, cut: state.has("cut"),
      first: number("first"), last: number("last"), hidden: new Set(state.getAll("hide")), chosen: this.chosen,
    };
    for (const { chart } of this.charts.values()) {
      if (chart.view.smooth !== view.smooth || chart.view.logY !== view.logY) chart.smoothed.clear();
      chart.view = view;
    }
  }

  draw() {
    for (const shown of this.charts.values()) if (shown.seen) this.drawOne(shown);
  }

  /** @param {Shown} shown */
  drawOne(shown) {
    shown.chart.draw();
    const count = shown.chart.left_out;
    shown.note.textContent = count ? `${count} values ≤ 0 have no place on a logarithmic axis` : "";
  }

  /** @param {Shown} shown */
  async fetch(shown) {
    const state = this.state;
    const asked = new URLSearchParams();
    for (const run of this.runs) asked.append("run", run);
    asked.set("metric", shown.metric);
    for (const name of FETCHED) if (state.get(name)) asked.set(name, state.get(name) ?? "");
    const width = shown.chart.canvas.clientWidth || 600;
    asked.set("most", String(Math.max(64, Math.round(this.runs.length > MANY ? width / 2 : width))));
    shown.asked?.abort();
    const control = (shown.asked = new AbortController());
    try {
      const answer = await fetch(`${this.top}chart.json?${asked}`, { signal: control.signal });
      if (!answer.ok) throw new Error(`the server said ${answer.status}`);
      const found = await answer.json();
      if (control.signal.aborted) return;
      shown.chart.x = found.x;
      shown.chart.set(found.lines.map(line));
      shown.added = 0;
      this.drawOne(shown);
      shown.figure.dataset.state = "drawn";
      if (!found.lines.length) shown.note.textContent = "No run has it here.";
    } catch (problem) {
      if (control.signal.aborted) return;
      shown.note.textContent = `Not drawn: ${/** @type {Error} */ (problem).message}`;
    }
  }

  /** @param {Element} target @param {number | null} x @param {number} y */
  hover(target, x, y) {
    const here = this.of(target);
    for (const shown of this.charts.values()) {
      const linked = shown === here || shown.chart.x === here?.chart.x;
      const before = shown.chart.cursor;
      shown.chart.cursor = linked ? x : null;
      shown.tip.hidden = true;
      if (before !== shown.chart.cursor && shown.seen) shown.chart.draw();
    }
    if (here && x !== null) this.tip(here, x, y);
  }

  /** @param {Shown} shown @param {number} x @param {number} y */
  tip(shown, x, y) {
    const { chart, tip } = shown;
    const hits = chart.hits(x).sort((one, two) => Math.abs(one.y - y) - Math.abs(two.y - y));
    tip.replaceChildren();
    tip.hidden = !hits.length;
    if (!hits.length) return;
    const first = hits[0];
    tip.append(element("div", "where", where(chart.x, first.line.xs[first.at], first.line.ends[first.at])));
    for (const hit of hits.slice(0, LINES)) {
      const row = element("div", "");
      row.append(element("span", `swatch c${hit.line.colour}`), `${hit.line.name} `, element("b", "", value(hit)));
      tip.append(row);
    }
    if (hits.length > LINES) tip.append(element("div", "where", `and ${hits.length - LINES} more`));
    const place = chart.across.at(x);
    const right = place > chart.canvas.clientWidth / 2;
    tip.style.left = right ? "" : `${place + 12}px`;
    tip.style.right = right ? `${chart.canvas.clientWidth - place + 12}px` : "";
  }

  /** Points that a run has logged since. @param {string} run @param {string} metric @param {[number, number, number | string][]} points */
  append(run, metric, points) {
    const shown = this.charts.get(metric);
    if (!shown?.seen || this.state.get("group")) return;
    const chart = shown.chart;
    const found = chart.lines.find((each) => each.run === run);
    shown.added += points.length;
    if (!found || shown.added > LATER || !["step", "time"].includes(chart.x)) return void this.fetch(shown);
    const last = this.state.get("last");
    for (const [step, time, given] of points) {
      const x = chart.x === "time" ? time : step;
      if (x <= found.ends[found.ends.length - 1] || (last && x > Number(last))) continue;
      const number = typeof given === "number" ? given : NaN;
      const same = found.lows === found.means;
      found.xs.push(x);
      if (found.ends !== found.xs) found.ends.push(x);
      if (found.middles !== found.xs) found.middles.push(x);
      found.means.push(number);
      if (!same) found.lows.push(number), found.highs.push(number);
      if (/** @type {unknown} */ (found.lasts) !== found.means) found.lasts.push(given);
      found.points++;
    }
    chart.smoothed.clear();
    this.drawOne(shown);
  }
}

/** @param {HTMLCanvasElement} canvas @param {string} name */
function png(canvas, name) {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const pen = /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d"));
  pen.fillStyle = getComputedStyle(document.body).backgroundColor;
  pen.fillRect(0, 0, copy.width, copy.height);
  pen.drawImage(canvas, 0, 0);
  const link = document.createElement("a");
  link.download = `${name.replace(/[^\w.-]+/g, "_")}.png`;
  link.href = copy.toDataURL("image/png");
  link.click();
}

/** @param {string} tag @param {string} kind @param {string} text */
function element(tag, kind, text = "") {
  const found = document.createElement(tag);
  if (kind) found.className = kind;
  if (text) found.textContent = text;
  return found;
}

/** @type {Charts[]} */
export const all = [...document.querySelectorAll("[data-charts]")].map((each) => new Charts(/** @type {HTMLElement} */ (each)));
