// @ts-check
/* A table of any length: rows come from the server fifty at a time, those far out of sight leave again, and what
   is in sight is asked for anew while the page is looked at: only rows that are not as before are sent. */

import { note } from "./part.js";

const PAGE = 50; // rows of a request
const KEPT = 300; // rows in the document
const LIVE = 2000; // ms between looks at what is in sight
const QUIET = 5000; // ms, when none of it is running

class RunTable extends HTMLElement {
  body = document.createElement("tbody");
  above = document.createElement("tr"); // as high as the rows that are not in the document
  below = document.createElement("tr");
  total = 0;
  start = 0; // numbers of rows in the document
  end = 0;
  height = 30; // px, of a row
  etag = "";
  etagOf = "";
  loading = false;
  failures = 0;
  frame = 0;
  timer = 0;
  settling = 0;

  connectedCallback() {
    const body = this.querySelector("tbody.body");
    if (!(body instanceof HTMLTableSectionElement)) return;
    this.body = body;
    this.total = Number(this.dataset.total);
    this.start = Number(this.dataset.start);
    this.end = Number(this.dataset.end);
    this.etag = this.dataset.etag ?? "";
    this.etagOf = `${this.start}`;
    this.classList.add("live"); // it scrolls by itself
    this.above = this.spacer("thead", "afterend");
    this.below = this.spacer("tbody.body", "afterend");
    this.height = this.measure();
    this.pad();
    if (this.start) this.scrollTop = this.start * this.height;
    this.addEventListener("scroll", this.onScroll, { passive: true });
    this.timer = setTimeout(() => this.poll(), LIVE);
    requestAnimationFrame(() => this.isConnected && this.sight()[1] > this.end && this.fill()); // of a high window
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    clearTimeout(this.settling);
  }

  /** @param {string} beside @param {InsertPosition} where */
  spacer(beside, where) {
    const body = document.createElement("tbody");
    body.className = "space";
    body.setAttribute("aria-hidden", "true");
    const row = body.insertRow();
    row.insertCell().colSpan = 99;
    const last = [...this.querySelectorAll(beside)].pop();
    (beside === "thead" ? this.querySelector("tbody.pinned") ?? last : last)?.insertAdjacentElement(where, body);
    return row;
  }

  /** Height of a row, in pixels. */
  measure() {
    const rows = this.body.rows.length;
    return rows ? this.body.getBoundingClientRect().height / rows : 30;
  }

  pad() {
    this.above.style.height = `${this.start * this.height}px`;
    this.below.style.height = `${Math.max(0, this.total - this.end) * this.height}px`;
    this.above.hidden = this.start === 0;
    this.below.hidden = this.end >= this.total;
  }

  onScroll() {
    if (!this.frame) this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.fill();
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.remember(), 300);
    });
  }

  /** The first and the last row in sight. */
  sight() {
    const head = this.querySelector("thead")?.getBoundingClientRect().height ?? 0;
    const first = Math.floor((this.scrollTop + 1) / this.height); // it is rounded to a pixel
    return [Math.max(0, first), Math.min(this.total, first + Math.ceil((this.clientHeight - head) / this.height) + 1)];
  }

  async fill() {
    if (this.loading) return;
    const [first, last] = this.sight();
    if (last > this.end && first < this.end + PAGE && this.end < this.total) await this.load(this.end, "end");
    else if (first < this.start && last > this.start - PAGE) await this.load(Math.max(0, this.start - PAGE), "start");
    else if (first >= this.end || last <= this.start) await this.load(Math.max(0, Math.floor(first / PAGE) * PAGE), "instead");
    else return;
    requestAnimationFrame(() => this.isConnected && this.fill());
  }

  /** Rows of the document by their numbers; those below an opened one go with it.
   * @param {number} start @param {number} end */
  block(start, end) {
    let number = this.start - 1;
    return [...this.body.rows].filter((row) => {
      if (!/\bd\d/.test(row.className)) number++;
      return number >= start && number < end;
    });
  }

  /** @param {number} start @param {string} where */
  async load(start, where) {
    this.loading = true;
    try {
      const answer = await this.ask(start);
      const rows = answer && (await this.read(answer));
      if (!rows || !this.isConnected) return;
      const end = Number(answer.headers.get("X-End"));
      if (where === "end") {
        this.body.append(...this.fresh(rows));
        this.end = end;
        for (; this.end - this.start > KEPT; this.start += PAGE) this.drop(this.start, this.start + PAGE);
      } else if (where === "start" && end >= this.start) {
        this.body.prepend(...this.fresh(rows));
        this.start = start;
        for (; this.end - this.start > KEPT; this.end -= PAGE) this.drop(this.end - PAGE, this.end);
      } else {
        this.body.replaceChildren(...rows);
        [this.start, this.end] = [start, end];
      }
      this.pad();
    } finally {
      this.loading = false;
    }
  }

  /** Those that are not there already: runs that began meanwhile move the others on.
   * @param {HTMLTableRowElement[]} rows */
  fresh(rows) {
    return rows.filter((row) => !document.getElementById(row.id));
  }

  /** @param {number} start @param {number} end */
  drop(start, end) {
    for (const row of this.block(start, end)) row.remove();
  }

  /** @param {number} start @param {Record<string, string>} [headers] */
  async ask(start, headers = {}) {
    const fields = new URLSearchParams(location.search);
    fields.delete("columns");
    fields.delete("column");
    fields.delete("start");
    for (const head of this.querySelectorAll("thead th[data-name]")) fields.append("column", head.getAttribute("data-name") ?? "");
    if (start) fields.set("start", String(start));
    try {
      const answer = await fetch(`rows?${fields}`, { headers });
      this.failures = answer.ok || answer.status === 304 ? 0 : this.failures + 1;
      if (answer.redirected) location.reload(); // the session has ended
      return answer.ok ? answer : null;
    } catch {
      this.failures++;
      return null; // the server is started again: the next look finds it
    }
  }

  /** @param {Response} answer */
  async read(answer) {
    this.total = Number(answer.headers.get("X-Total"));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const chosen = new Set(new URL(location.href).searchParams.getAll("sel"));
    const rows = [...page.querySelectorAll("tr")];
    for (const row of rows) {
      const box = row.querySelector("input[type=checkbox]");
      if (box instanceof HTMLInputElement) box.checked = chosen.has(box.value);
    }
    return rows.map((row) => document.adoptNode(row));
  }

  /** What is in sight, when it has changed. */
  async poll() {
    let pause = QUIET;
    if (!document.hidden && !this.loading) {
      const [first] = this.sight();
      const start = Math.max(this.start, Math.min(Math.floor(first / PAGE) * PAGE, this.end - 1));
      const old = this.block(start, start + PAGE);
      const keys = old.map((row) => row.dataset.key).join(",");
      /** @type {Record<string, string>} */
      const headers = { "X-Rows": keys };
      if (this.etagOf === `${start}`) headers["If-None-Match"] = this.etag;
      const answer = await this.ask(start, headers);
      if (answer && this.isConnected && !this.loading) await this.update(answer, start);
      if (this.querySelector(".mark.live")) pause = LIVE;
    }
    if (!this.isConnected) return;
    this.timer = setTimeout(() => this.poll(), document.hidden ? 10_000 : pause * Math.min(8, 1 + this.failures));
  }

  /** @param {Response} answer @param {number} start */
  async update(answer, start) {
    const before = this.total;
    const rows = await this.read(answer);
    const end = Number(answer.headers.get("X-End")); // fewer than a page when records are large
    this.etag = answer.headers.get("ETag") ?? "";
    this.etagOf = `${start}`;
    const focus = document.activeElement?.closest("tr")?.id;
    const old = this.block(start, end);
    const place = /** @type {HTMLTableRowElement | null} */ (old.length ? old[old.length - 1].nextElementSibling : null);
    const there = new Map([...this.body.rows].map((row) => [row.id, row]));
    const now = rows.map((row) => ("same" in row.dataset ? there.get(row.id) ?? row : row));
    for (const row of now) if (there.get(row.id) !== row) there.get(row.id)?.remove();
    for (const row of old) if (!now.includes(row)) row.remove();
    const after = place && place.parentNode === this.body && !now.includes(place) ? place : null;
    for (const row of now) this.body.insertBefore(row, after);
    this.end = this.start + this.block(this.start, Infinity).filter((row) => !/\bd\d/.test(row.className)).length;
    this.pad();
    const again = focus && !document.activeElement?.closest("tr") ? document.getElementById(focus)?.querySelector("a, input") : null;
    if (again instanceof HTMLElement) again.focus();
    const count = document.getElementById("count");
    if (count && before !== this.total) count.textContent = `${this.total.toLocaleString("en")} ${this.total === 1 ? "run" : "runs"}`;
  }

  /** How far one has scrolled is in the address, for a reload and for others. */
  remember() {
    if (!this.isConnected) return;
    const [first] = this.sight();
    const start = first < 10 ? 0 : first;
    const to = new URL(location.href);
    if (start) to.searchParams.set("start", String(start));
    else to.searchParams.delete("start");
    if (to.href !== location.href) note(to.href, false);
  }
}

customElements.define("run-table", RunTable);
