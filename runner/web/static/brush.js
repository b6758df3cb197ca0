// @ts-check
// Parallel coordinates: a part of an axis that is dragged over leaves the runs that go through it. The address has it.

const figure = document.getElementById("parallel");
if (figure) brushes(figure);

/** @param {HTMLElement} figure */
function brushes(figure) {
  const svg = /** @type {SVGSVGElement} */ (figure.querySelector("svg"));
  const [top, bottom] = [Number(figure.dataset.top), Number(figure.dataset.bottom)];
  const columns = /** @type {SVGGElement[]} */ ([...figure.querySelectorAll(".column")]);
  const threads = /** @type {SVGGElement[]} */ ([...figure.querySelectorAll(".thread")]);
  const rows = new Map([...document.querySelectorAll("tr[data-run]")].map((row) => [/** @type {HTMLElement} */ (row).dataset.run, row]));
  /** @type {Map<string, [number, number]>} shares of the height, from the top */
  let chosen = new Map();

  const read = () => {
    chosen = new Map();
    for (const text of new URLSearchParams(location.search).getAll("brush")) {
      const [low, high, ...name] = text.split(":");
      chosen.set(name.join(":"), [Number(low), Number(high)]);
    }
    draw();
  };
  const write = () => {
    const state = new URLSearchParams(location.search);
    state.delete("brush");
    for (const [name, [low, high]] of chosen) state.append("brush", `${low.toFixed(3)}:${high.toFixed(3)}:${name}`);
    history.pushState(null, "", `?${state}`);
  };
  const draw = () => {
    /** @type {string[]} */
    const left = [];
    for (const thread of threads) {
      const ys = (thread.dataset.ys ?? "").split(" ").map(Number);
      const off = columns.some((column, at) => {
        const part = chosen.get(column.dataset.name ?? "");
        if (!part) return false;
        const share = (ys[at] - top) / (bottom - top);
        return !(share >= part[0] - 0.002 && share <= part[1] + 0.002);
      });
      thread.classList.toggle("off", off);
      rows.get(thread.dataset.run)?.classList.toggle("off", off);
      if (!off) left.push(thread.dataset.run ?? "");
    }
    for (const column of columns) {
      const part = chosen.get(column.dataset.name ?? "");
      const box = /** @type {SVGRectElement} */ (column.querySelector(".brush"));
      box.classList.toggle("chosen", Boolean(part));
      const [low, high] = part ?? [0, 1];
      box.setAttribute("y", String(top + low * (bottom - top)));
      box.setAttribute("height", String(Math.max(1, (high - low) * (bottom - top))));
    }
    say(left);
  };
  /** @param {string[]} left */
  const say = (left) => {
    const place = document.getElementById("brushed");
    if (!place) return;
    place.replaceChildren();
    if (!chosen.size) return;
    place.append(`${left.length} of ${threads.length} runs · `);
    const state = new URLSearchParams(location.search);
    state.delete("brush");
    const whole = Object.assign(document.createElement("a"), { href: `?${state}`, textContent: "Without the brushes" });
    state.delete("run");
    for (const run of left) state.append("run", run);
    const only = Object.assign(document.createElement("a"), { href: `?${state}`, textContent: "Only these" });
    place.append(...(left.length > 1 ? [only, " · "] : []), whole);
  };
  /** @param {PointerEvent} event */
  const share = (event) => {
    const box = svg.getBoundingClientRect();
    const y = ((event.clientY - box.top) / box.height) * svg.viewBox.baseVal.height;
    const found = (y - top) / (bottom - top);
    return found < 0.01 ? 0 : found > 0.99 ? 1 : found; // an end is hard to meet
  };
  /** @type {{name: string, from: number} | null} */
  let drag = null;
  svg.addEventListener("pointerdown", (event) => {
    // also where a brush has made the handle of an axis small
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const column = columns.find((each) => Math.abs(Number(each.querySelector("line")?.getAttribute("x1")) - x) < 14);
    if (!column || event.button) return;
    svg.setPointerCapture(event.pointerId);
    drag = { name: column.dataset.name ?? "", from: share(event) };
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [low, high] = [drag.from, share(event)].sort((one, two) => one - two);
    chosen.set(drag.name, [low, high]);
    draw();
  });
  svg.addEventListener("pointerup", (event) => {
    if (!drag) return;
    if (Math.abs(share(event) - drag.from) < 0.01) chosen.delete(drag.name); // a click takes the brush away
    drag = null;
    write();
    draw();
  });
  addEventListener("popstate", read);
  read();
}
