// @ts-check
// One line chart on a canvas. It draws what it is given, and says where the pointer is and which part was chosen.
import { Axis, extent, grouped, moment, short } from "./scale.js";
import { nearest, smooth, spikes, usual } from "./smooth.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [62, 12, 10, 26];
const [FEW, NEAR, LEAST] = [3, 40, 4]; // lines with a band; px from the pointer; px of a part that is chosen

/**
 * @typedef {object} Line  as the server sends it; at width 1 the points, else buckets
 * @property {string} run @property {string} name @property {number} colour
 * @property {number} width @property {number} points @property {number} members
 * @property {number[]} xs @property {number[]} ends @property {number[]} middles  places on the axis
 * @property {number[]} means @property {number[]} lows @property {number[]} highs
 * @property {(number | string)[]} lasts @property {[number, number, number][]} [spikes]
 *
 * @typedef {object} View
 * @property {boolean} logX @property {boolean} logY @property {number} smooth @property {boolean} cut
 * @property {number | null} first @property {number | null} last
 * @property {Set<string>} hidden @property {string} chosen  a run, drawn above the others
 *
 * @typedef {{line: Line, at: number, x: number, y: number}} Hit
 */

/** What was sent, made complete. @param {any} sent @returns {Line} */
export function line(sent) {
  const ends = sent.ends ?? sent.xs;
  const numbers = (/** @type {any[]} */ values) => values.map((value) => (typeof value === "number" ? value : NaN));
  const means = numbers(sent.means);
  const middles = ends === sent.xs ? sent.xs : sent.xs.map((/** @type {number} */ x, /** @type {number} */ at) => (x + ends[at]) / 2);
  return {
    ...sent, ends, means, middles,
    lows: sent.lows ? numbers(sent.lows) : means,
    highs: sent.highs ? numbers(sent.highs) : means,
    lasts: sent.lasts ?? sent.means,
  };
}

export class LineChart {
  /** @param {HTMLCanvasElement} canvas @param {string} x  step, time, relative, metrics.NAME */
  constructor(canvas, x) {
    this.canvas = canvas;
    this.x = x;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {View} */
    this.view = { logX: false, logY: false, smooth: 0, cut: false, first: null, last: null, hidden: new Set(), chosen: "" };
    /** @type {number | null} */
    this.cursor = null; // place on the axis
    /** @type {[number, number] | null} */
    this.part = null; // px, while it is being chosen
    this.left_out = 0;
    this.across = new Axis(0, 1, 0, 1);
    this.up = new Axis(0, 1, 0, 1);
    /** @type {Map<Line, number[]>} */
    this.smoothed = new Map();
    this.listen();
  }

  /** Those that are drawn: where there are means of groups, these. */
  get shown() {
    const groups = this.lines.some((each) => !each.run);
    return this.lines.filter((each) => groups === !each.run && !this.view.hidden.has(each.run || each.name));
  }

  listen() {
    const canvas = this.canvas;
    const tell = (/** @type {string} */ name, /** @type {object} */ detail) =>
      canvas.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
    canvas.addEventListener("pointermove", (event) => {
      if (this.part) {
        this.part[1] = this.inside(event.offsetX);
        this.draw();
      }
      tell("chart-hover", { x: this.across.value(this.inside(event.offsetX)), y: event.offsetY });
    });
    canvas.addEventListener("pointerleave", () => this.part || tell("chart-hover", { x: null, y: 0 }));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.part = [this.inside(event.offsetX), this.inside(event.offsetX)];
    });
    canvas.addEventListener("pointercancel", () => (this.part = null));
    canvas.addEventListener("pointerup", () => {
      const part = this.part;
      this.part = null;
      if (part && Math.abs(part[1] - part[0]) >= LEAST) {
        const [first, last] = part.map((place) => this.across.value(place)).sort((one, two) => one - two);
        tell("chart-zoom", { first, last });
      } else this.draw();
    });
    canvas.addEventListener("dblclick", () => tell("chart-zoom", { first: null, last: null }));
    canvas.addEventListener("keydown", (event) => this.key(event, tell));
  }

  /** Arrows walk along the line, + and - zoom, 0 shows all. @param {KeyboardEvent} event @param {(name: string, detail: object) => void} tell */
  key(event, tell) {
    const { low, high } = this.across;
    const at = this.cursor ?? (low + high) / 2;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const factor = { "+": 0.25, "-": 1 }[event.key];
    if (step) {
      const line = this.shown[0];
      const place = line ? nearest(line.middles, at) + step : -1;
      tell("chart-hover", { x: line?.middles[place] ?? at, y: 0 });
    } else if (factor) tell("chart-zoom", { first: at - (high - low) * factor, last: at + (high - low) * factor });
    else if (event.key === "0" || event.key === "Escape") tell("chart-zoom", { first: null, last: null });
    else return;
    event.preventDefault();
  }

  /** @param {number} place px */
  inside(place) {
    return Math.min(Math.max(place, LEFT), this.canvas.clientWidth - RIGHT);
  }

  /** @param {Line[]} lines */
  set(lines) {
    this.lines = lines;
    this.smoothed.clear();
  }

  /** @param {Line} line */
  ys(line) {
    let found = this.smoothed.get(line);
    if (!found) {
      const values = this.view.logY ? line.means.map((value) => (value > 0 ? value : NaN)) : line.means;
      found = this.view.smooth ? smooth(values, this.view.smooth) : values;
      this.smoothed.set(line, found);
    }
    return found;
  }

  scales() {
    const { view, shown } = this;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const all = this.lines.filter((each) => shown.some((one) => !one.run === !each.run));
    // the axes stay where they are when a run is hidden
    const places = extent(all.flatMap((each) => [...each.xs, ...each.ends]), view.logX);
    let values = all.flatMap((each) => [...each.lows, ...each.highs, ...(each.spikes ?? []).flatMap(([, low, high]) => [low, high])]);
    if (view.cut) values = usual(values);
    const range = extent(values, view.logY);
    let [first, last] = places ?? [1, 2];
    if (view.first !== null) first = view.logX ? Math.max(view.first, Number.MIN_VALUE) : view.first;
    if (view.last !== null && view.last > first) last = view.last;
    const kind = view.logX ? "log" : this.x === "step" ? "whole" : this.x === "time" ? "time" : "";
    this.across = new Axis(first, last, LEFT, width - RIGHT, kind);
    this.up = new Axis(...(range ?? [1, 2]), height - BOTTOM, TOP, view.logY ? "log" : "");
    this.left_out = 0;
    for (const each of shown) {
      if (view.logY) this.left_out += each.means.filter((value) => value <= 0).length;
      if (view.logX) this.left_out += each.middles.filter((value) => value <= 0).length;
    }
  }

  draw() {
    const canvas = this.canvas;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.scales();
    const colours = palette(canvas);
    this.frame(pen, colours);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT - 4, TOP - 4, width - LEFT - RIGHT + 8, height - TOP - BOTTOM + 8);
    pen.clip();
    const shown = this.shown;
    const chosen = shown.filter((each) => each.run === this.view.chosen);
    for (const each of [...shown.filter((one) => !chosen.includes(one)), ...chosen]) {
      const grey = chosen.length > 0 && !chosen.includes(each);
      this.stroke(pen, each, colours.own(each.colour), grey, shown.length <= FEW || chosen.includes(each) || !each.run);
    }
    this.marks(pen, colours);
    pen.restore();
  }

  /** Grid and labels. @param {CanvasRenderingContext2D} pen @param {ReturnType<typeof palette>} colours */
  frame(pen, colours) {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.strokeStyle = colours.line;
    pen.fillStyle = colours.quiet;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of this.up.ticks()) {
      segment(pen, LEFT, tick.at, width - RIGHT, tick.at);
      pen.fillText(tick.label, LEFT - 6, tick.at, LEFT - 8);
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    let free = 0;
    for (const tick of this.across.ticks()) {
      const half = pen.measureText(tick.label).width / 2;
      const place = Math.min(tick.at, width - half - 1);
      if (place - half < free) continue;
      pen.fillText(tick.label, place, height - BOTTOM + 8);
      free = place + half + 8;
    }
    pen.strokeStyle = colours.quiet;
    segment(pen, LEFT, height - BOTTOM, width - RIGHT, height - BOTTOM);
  }

  /** @param {CanvasRenderingContext2D} pen @param {Line} line @param {string} colour @param {boolean} grey @param {boolean} banded */
  stroke(pen, line, colour, grey, banded) {
    const floor = this.canvas.clientHeight - BOTTOM;
    const xs = line.middles.map((x) => this.across.at(x));
    const ys = this.ys(line).map((value) => this.up.at(value));
    const low = (/** @type {number} */ at) => (this.view.logY && !(line.lows[at] > 0) ? floor : this.up.at(line.lows[at]));
    pen.strokeStyle = pen.fillStyle = colour;
    const wide = (line.width > 1 || line.members > 1) && line.lows !== line.means;
    pen.globalAlpha = grey ? 0.12 : 0.16;
    for (const [start, end] of wide && banded ? runs(xs, ys) : []) {
      pen.beginPath();
      for (let at = start; at < end; at++) pen.lineTo(xs[at], this.up.at(line.highs[at]));
      for (let at = end - 1; at >= start; at--) pen.lineTo(xs[at], low(at));
      pen.fill();
    }
    pen.globalAlpha = grey ? 0.25 : 1;
    pen.lineWidth = line.run === this.view.chosen && line.run ? 2.4 : 1.6;
    pen.lineJoin = "round";
    for (const [start, end] of runs(xs, ys)) {
      pen.beginPath();
      if (end - start === 1) pen.arc(xs[start], ys[start], 2.5, 0, 7), pen.fill();
      for (let at = start; at < end; at++) pen.lineTo(xs[at], ys[at]);
      pen.stroke();
    }
    pen.lineWidth = 1;
    const tall = line.spikes ?? (wide ? spikes(line.lows, line.highs).map((at) => [at, line.lows[at], line.highs[at]]) : []);
    for (const [at, least, most] of tall) {
      segment(pen, xs[at], this.view.logY && !(least > 0) ? floor : this.up.at(least), xs[at], this.up.at(most));
    }
    pen.globalAlpha = 1;
  }

  /** The cursor, the points at it, and the part that is being chosen. @param {CanvasRenderingContext2D} pen @param {ReturnType<typeof palette>} colours */
  marks(pen, colours) {
    const height = this.canvas.clientHeight;
    if (this.part) {
      pen.fillStyle = colours.quiet;
      pen.globalAlpha = 0.2;
      pen.fillRect(Math.min(...this.part), TOP, Math.abs(this.part[1] - this.part[0]), height - TOP - BOTTOM);
      pen.globalAlpha = 1;
    }
    if (this.cursor === null) return;
    pen.strokeStyle = colours.quiet;
    const place = this.across.at(this.cursor);
    segment(pen, place, TOP, place, height - BOTTOM);
    for (const hit of this.hits(this.cursor)) {
      pen.fillStyle = colours.own(hit.line.colour);
      pen.beginPath();
      pen.arc(hit.x, hit.y, 3.5, 0, 7);
      pen.fill();
    }
  }

  /** Of each line the point or bucket that is nearest to a place on the axis. @param {number} x @returns {Hit[]} */
  hits(x) {
    const found = [];
    const ascending = !this.x.startsWith("metrics.");
    for (const each of this.shown) {
      const at = ascending ? nearest(each.middles, x) : closest(each.middles, x);
      if (at < 0) continue;
      const place = this.across.at(each.middles[at]);
      if (Math.abs(place - this.across.at(x)) > NEAR) continue;
      found.push({ line: each, at, x: place, y: this.up.at(this.ys(each)[at]) });
    }
    return found;
  }
}

/** What is said of a point, as the API says it; of a bucket its mean and how far it reaches. @param {Hit} hit */
export function value(hit) {
  const { line, at } = hit;
  if (line.members > 1 || !line.run) return `${short(line.means[at])} ± ${short(line.highs[at] - line.means[at])} of ${line.members}`;
  if (line.width === 1) return String(line.lasts[at]);
  const reach = line.lows === line.means ? "" : ` (${line.lows[at]} … ${line.highs[at]})`;
  return `${Number.isFinite(line.means[at]) ? short(line.means[at]) : "NaN"}${reach}`;
}

/** Where it is. @param {string} x @param {number} first @param {number} last */
export function where(x, first, last) {
  const text = (/** @type {number} */ each) =>
    x === "step" ? grouped(each) : x === "time" ? moment(each) : x === "relative" ? `${short(each)} s` : short(each);
  return first === last ? text(first) : `${text(first)} – ${text(last)}`;
}

/** Pieces between gaps, [start, end). @param {number[]} xs @param {number[]} ys @returns {[number, number][]} */
export function runs(xs, ys) {
  /** @type {[number, number][]} */
  const found = [];
  let start = 0;
  for (let at = 0; at <= ys.length; at++) {
    if (at < ys.length && Number.isFinite(ys[at]) && Number.isFinite(xs[at])) continue;
    if (at > start) found.push([start, at]);
    start = at + 1;
  }
  return found;
}

/** @param {number[]} values @param {number} wanted */
function closest(values, wanted) {
  let best = -1;
  values.forEach((value, at) => {
    if (best < 0 || Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = at;
  });
  return best;
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} x2 @param {number} y2 */
export function segment(pen, x, y, x2, y2) {
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x2, y2);
  pen.stroke();
}

/** @type {Map<string, string>} */
const known = new Map();
new MutationObserver(() => {
  known.clear();
  dispatchEvent(new Event("chart-colours"));
}).observe(document.documentElement, { attributeFilter: ["data-theme"] });
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
  matchMedia(query).addEventListener("change", () => {
    known.clear();
    dispatchEvent(new Event("chart-colours"));
  });
}

/** The colours of the sheet, as they are in this theme. @param {Element} near */
export function palette(near) {
  const of = (/** @type {string} */ name) => {
    let found = known.get(name);
    if (found === undefined) {
      const probe = document.createElement("span");
      probe.className = name;
      probe.hidden = true;
      (near.parentElement ?? document.body).append(probe);
      found = getComputedStyle(probe).color;
      probe.remove();
      known.set(name, found);
    }
    return found;
  };
  return { ink: of("ink"), quiet: of("quiet"), line: of("rule"), own: (/** @type {number} */ number) => of(`own c${number}`) };
}
