// @ts-check
// Axes of charts: where a value stands, which value stands there, and the ticks. Pure. ../scale.py is the same in Python.

const TICKS = 5;
// s, of an axis of time
const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const DAYS = [1, 2, 7, 30, 90, 365];
const DAY = 86400;
const YEAR = 31556952; // s
const FAR = 8000 * YEAR * 1000; // ms from 1970
const LEAST = 1e-300; // two values that are nearer to each other are one
const EXACT = 2 ** 52; // whole numbers below it have a number each

/** @typedef {"" | "whole" | "log" | "time"} Kind  linear, of whole numbers, logarithmic, of ms since the epoch */
/** @typedef {{at: number, label: string}} Tick */

/** From the least to the greatest value, in pixels. A single value has room around it. */
export class Axis {
  /**
   * @param {number} low  of a logarithmic axis above 0
   * @param {number} high
   * @param {number} start  pixels at which `low` stands
   * @param {number} end
   * @param {Kind} kind
   */
  constructor(low, high, start, end, kind = "") {
    if (kind === "log" && Math.log10(low) === Math.log10(high)) {
      [low, high] = [low / 2 || low, Math.min(high * 2, Number.MAX_VALUE)];
    } else if ((kind === "whole" || kind === "time") && low === high && Math.abs(low) < EXACT) {
      high = low + 1;
    } else if (kind !== "log" && high - low < LEAST) {
      const room = Math.max(Math.abs(low) * 0.1, 0.5);
      [low, high] = [Math.max(low - room, -Number.MAX_VALUE), Math.min(high + room, Number.MAX_VALUE)];
    }
    this.low = low;
    this.high = high;
    this.start = start;
    this.end = end;
    this.kind = kind;
  }

  /** @param {number} value @returns {number} NaN for what has no place on the axis */
  at(value) {
    let { low, high } = this;
    if (this.kind === "log") [low, high, value] = [Math.log10(low), Math.log10(high), value > 0 ? Math.log10(value) : NaN];
    // halves: the span of two finite numbers may be none
    return this.start + ((value / 2 - low / 2) / (high / 2 - low / 2)) * (this.end - this.start);
  }

  /** @param {number} place  pixels */
  value(place) {
    const share = (place - this.start) / (this.end - this.start);
    if (this.kind === "log") return this.low * (this.high / this.low) ** share;
    return this.low * (1 - share) + this.high * share;
  }

  /** @returns {Tick[]} */
  ticks() {
    if (this.kind === "log") return this.powers();
    const span = this.high - this.low;
    if (!Number.isFinite(span)) return [this.low, this.high].map((value) => ({ at: this.at(value), label: short(value) }));
    if (this.kind === "time") return this.times(span / 1000);
    let step = nice(span);
    if (this.kind === "whole") step = Math.max(step, 1);
    const first = Math.ceil(this.low / step);
    const found = [];
    for (let count = 0; count <= TICKS; count++) {
      const value = (first + count) * step;
      if (value <= this.high) found.push({ at: this.at(value), label: this.kind === "whole" ? grouped(value) : short(value) });
    }
    return found;
  }

  /** @returns {Tick[]} */
  powers() {
    const [low, high] = [Math.log10(this.low), Math.log10(this.high)];
    if (high - low < 1) {
      return [0, 1, 2, 3].map((at) => {
        const value = this.low * (this.high / this.low) ** (at / 3);
        return { at: this.at(value), label: short(value, 3) };
      });
    }
    const every = Math.ceil((high - low) / (TICKS + 1));
    const found = [];
    for (let power = Math.ceil(low); power <= Math.floor(high); power += every) {
      found.push({ at: this.at(10 ** power), label: short(10 ** power) });
    }
    return found;
  }

  /** @param {number} span  s @returns {Tick[]} */
  times(span) {
    let days = DAYS.find((count) => span / DAY / count <= TICKS) ?? 3650;
    // a client that took ns for ms
    if (span / DAY / days > TICKS) days *= 2 ** Math.ceil(Math.log2(span / DAY / days / TICKS));
    const step = SPANS.find((each) => span / each <= TICKS) ?? DAY * days;
    const found = [];
    const first = Math.ceil(this.low / 1000 / step);
    for (let count = 0; count <= TICKS; count++) {
      const value = (first + count) * step;
      if (value * 1000 <= this.high) found.push({ at: this.at(value * 1000), label: moment(value * 1000, step) });
    }
    return found;
  }
}

/** 1, 2 or 5 times a power of ten: at most TICKS of them in a span. @param {number} span */
export function nice(span) {
  const size = 10 ** Math.floor(Math.log10(span / TICKS));
  return size * (/** @type {number} */ ([1, 2, 5, 10].find((factor) => span / (size * factor) <= TICKS)) || 10);
}

/** @param {number} value @param {number} digits */
export function short(value, digits = 6) {
  const text = String(Number(value.toPrecision(digits)));
  return text.replace("e+", "e");
}

/** @param {number} value */
export function grouped(value) {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** A time, UTC, as finely as `step` (s) needs it; far from now, where calendars end, only the year. @param {number} value  ms since the epoch @param {number} step */
export function moment(value, step = 0) {
  if (!(Math.abs(value) <= FAR)) return String(Math.floor(1970 + value / 1000 / YEAR));
  const text = new Date(value).toISOString();
  if (step >= DAY * 30) return text.slice(0, 10);
  if (step >= DAY) return text.slice(5, 10);
  return step >= 60 ? text.slice(11, 16) : step ? text.slice(11, 19) : text.slice(0, 19).replace("T", " ");
}

/** The least and the greatest of those that an axis can show; null when there are none.
 * @param {Iterable<number>} values @param {boolean} log @returns {[number, number] | null} */
export function extent(values, log = false) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}
