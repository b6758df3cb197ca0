// @ts-check
// A log of any length: only the lines that are seen are fetched and in the page; it follows a run that is on.
import { grouped } from "./scale.js";

const [HEIGHT, CHUNK, KEPT] = [24, 200, 60]; // px of a line, as a target for a finger must have; lines of a request; requests whose lines are kept
const TALLEST = 8_000_000; // px: browsers end an element at some 16 million
const [SOON, LATER] = [1000, 10_000]; // ms between two looks at a run that is on

/** @typedef {[number, string, boolean, [string, string][], string]} Line  number, time, stderr, spans, length of a cut one */

class Log {
  /** @param {HTMLElement} old */
  constructor(old) {
    this.total = Number(old.dataset.total);
    this.ended = "ended" in old.dataset;
    this.hit = Number(old.dataset.where ?? 0);
    /** @type {Map<number, Line[] | Promise<void>>} */
    this.chunks = new Map();
    this.box = document.createElement("div");
    this.box.className = "log whole";
    this.box.id = "log";
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "log");
    this.box.setAttribute("aria-label", "What the run wrote");
    this.box.setAttribute("aria-live", "off");
    this.space = document.createElement("div");
    this.space.className = "space";
    this.list = document.createElement("ol");
    this.space.append(this.list);
    this.box.append(this.space);
    this.follow = this.checkbox();
    old.replaceWith(this.box);
    document.querySelectorAll(".still").forEach((each) => each.remove());
    this.resize();
    this.box.addEventListener("scroll", () => this.scrolled());
    new ResizeObserver(() => this.draw()).observe(this.box);
    addEventListener("hashchange", () => this.toAddress());
    this.box.addEventListener("keydown", (event) => this.key(event));
    document.getElementById("search")?.addEventListener("submit", (event) => this.find(event));
    if (!this.toAddress()) this.go(this.hit || this.total, this.hit ? 0.3 : 1);
    if (!this.ended) this.wait();
  }

  checkbox() {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !this.ended && !location.hash && !this.hit;
    label.append(box, " follow");
    box.addEventListener("change", () => box.checked && this.go(this.total, 1));
    document.getElementById("count")?.before(label);
    return box;
  }

  /** How many px a line has of the scroll height: less than HEIGHT in a log that is too long for that. */
  get unit() {
    return Math.min(HEIGHT, TALLEST / Math.max(this.total, 1));
  }

  get seen() {
    return Math.max(Math.ceil(this.box.clientHeight / HEIGHT), 1);
  }

  /** The number of the first line that is seen, from 0, with a fraction. */
  get first() {
    const most = this.box.scrollHeight - this.box.clientHeight;
    const last = Math.max(this.total - this.box.clientHeight / HEIGHT, 0);
    return this.unit === HEIGHT ? this.box.scrollTop / HEIGHT : (this.box.scrollTop / Math.max(most, 1)) * last;
  }

  resize() {
    this.space.style.height = `${Math.max(this.total, 1) * this.unit}px`;
  }

  /** @param {number} number  from 1 @param {number} share  0: it stands at the top, 1: at the bottom */
  go(number, share) {
    const room = this.box.clientHeight / HEIGHT;
    const first = Math.max(0, Math.min(number - 1 - (room - 1) * share, this.total - room));
    const most = this.box.scrollHeight - this.box.clientHeight;
    this.box.scrollTop = this.unit === HEIGHT ? first * HEIGHT : (first / Math.max(this.total - room, 1)) * most;
    this.draw();
  }

  toAddress() {
    const found = /^#L(\d+)$/.exec(location.hash);
    if (!found) return false;
    this.hit = Math.min(Number(found[1]), this.total);
    this.follow.checked = false;
    this.go(this.hit, 0.3);
    return true;
  }

  scrolled() {
    const end = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 2;
    if (!end) this.follow.checked = false;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const to = { Home: 1, End: this.total }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.follow.checked = event.key === "End" && !this.ended;
    this.go(to, event.key === "End" ? 1 : 0);
  }

  draw() {
    const first = Math.floor(this.first);
    const last = Math.min(first + this.seen + 1, this.total);
    const rows = [];
    for (let at = first; at < last; at++) {
      const chunk = this.chunk(Math.floor(at / CHUNK));
      rows.push(this.row(at + 1, Array.isArray(chunk) ? chunk[at % CHUNK] : undefined));
    }
    this.list.replaceChildren(...rows);
    const shift = this.box.scrollTop - (this.first - first) * HEIGHT;
    this.list.style.transform = `translateY(${Math.max(0, Math.min(shift, this.total * this.unit - rows.length * HEIGHT))}px)`;
  }

  /** @param {number} number @param {Line | undefined} line */
  row(number, line) {
    const row = document.createElement("li");
    row.dataset.line = String(number); // no id: the browser would scroll there by itself
    row.classList.toggle("hit", number === this.hit);
    const place = document.createElement("a");
    place.className = "place";
    place.href = `#L${number}`;
    place.textContent = String(number);
    const text = document.createElement("span");
    row.append(place, text);
    if (!line) return row;
    if (line[1]) place.title = line[1];
    row.classList.toggle("stderr", line[2]);
    for (const [classes, part] of line[3]) {
      const span = document.createElement("span");
      span.className = classes;
      span.textContent = part;
      text.append(span);
    }
    if (line[4]) text.append(` … ${line[4]} in all`);
    return row;
  }

  /** @param {number} number */
  chunk(number) {
    let found = this.chunks.get(number);
    if (found === undefined) {
      for (const old of this.chunks.keys()) {
        if (this.chunks.size < KEPT) break;
        this.chunks.delete(old);
      }
      found = this.fetch(number).then((drawn) => (drawn ? this.draw() : undefined));
      this.chunks.set(number, found);
    }
    return found;
  }

  /** @param {number} number */
  async fetch(number) {
    const answer = await fetch(`log.json?from=${number * CHUNK + 1}&count=${CHUNK}`).catch(() => null);
    if (!answer?.ok) {
      setTimeout(() => this.chunks.delete(number) && this.draw(), LATER / 5);
      return false;
    }
    this.chunks.set(number, (await answer.json()).lines);
    return true;
  }

  wait() {
    setTimeout(() => void this.look(), document.visibilityState === "visible" ? SOON : LATER);
  }

  /** What was written since: from the last line on, which may not have been whole. */
  async look() {
    const from = Math.max(this.total, 1);
    const answer = await fetch(`log.json?from=${from}&count=${CHUNK}`).catch(() => null);
    if (answer?.ok) {
      const found = await answer.json();
      this.ended = found.ended;
      const known = this.chunks.get(Math.floor((from - 1) / CHUNK));
      if (Array.isArray(known) && found.lines.length) {
        const at = (from - 1) % CHUNK;
        known.splice(at, known.length, ...found.lines.slice(0, CHUNK - at));
      }
      const grown = found.total !== this.total;
      this.total = found.total;
      this.resize();
      this.say(`${grouped(this.total)} lines`);
      if (this.follow.checked) this.go(this.total, 1);
      else if (grown || found.lines.length) this.draw();
    }
    if (!this.ended) this.wait();
  }

  /** @param {string} text */
  say(text) {
    const count = document.getElementById("count");
    if (count && !new URLSearchParams(location.search).get("find")) count.textContent = text;
  }

  /** The next line with the text, without another page. @param {SubmitEvent} event */
  async find(event) {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const given = new FormData(form);
    const text = String(given.get("find") ?? "");
    if (given.get("stream") || !text) return; // another page: other lines
    event.preventDefault();
    const answer = await fetch(`log.json?${new URLSearchParams({ find: text, from: String(this.hit + 1), count: "0" })}`);
    if (!answer.ok) return;
    const found = await answer.json();
    const count = document.getElementById("count");
    if (count) count.textContent = `${grouped(found.total)} lines, ${grouped(found.hits)} with this text`;
    history.replaceState(null, "", `?${new URLSearchParams({ find: text })}${found.where ? `#L${found.where}` : ""}`);
    this.hit = found.where; // 0: the next search begins at the first line
    this.follow.checked = false;
    if (found.where) this.go(found.where, 0.3);
    else if (count && found.hits) count.textContent += ", none below";
    const button = form.querySelector("button");
    if (button) button.textContent = found.hits ? "Next" : "Find";
  }
}

const old = document.getElementById("log");
if (old && !new URLSearchParams(location.search).get("stream")) new Log(old);
