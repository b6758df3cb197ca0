// @ts-check
/* Which runs are ticked is in the address: it stays when one sorts, scrolls or comes back. */

import { note } from "./part.js";

const MOST = 200;

/** @returns {HTMLInputElement[]} */
const boxes = () => [...document.querySelectorAll("input")].filter((each) => each.type === "checkbox" && each.name === "run");
const chosen = () => new URL(location.href).searchParams.getAll("sel");

function count() {
  const ids = chosen();
  const output = document.getElementById("chosen");
  if (output) output.textContent = ids.length ? `${ids.length} chosen` : "Tick runs to";
  const clear = document.getElementById("clear");
  if (clear instanceof HTMLAnchorElement) {
    const to = new URL(location.href);
    to.searchParams.delete("sel");
    [clear.href, clear.hidden] = [to.href, !ids.length];
  }
  for (const button of document.querySelectorAll("#act button[name=do]")) {
    const what = button.getAttribute("value");
    const least = what === "compare" ? 2 : 1;
    button.toggleAttribute("disabled", what === "why" ? ids.length !== 2 : ids.length < least);
  }
  const here = new Set(boxes().map((box) => box.value));
  document.getElementById("unseen")?.replaceChildren(
    ...ids.filter((id) => !here.has(id)).map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "run", value: id })),
  );
}

/** A form leads back to where one was: the address has changed since the page was made. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  const state = form instanceof HTMLFormElement ? form.querySelector("input[name=state], input[name=address][type=hidden]") : null;
  if (state instanceof HTMLInputElement) state.value = state.name === "state" ? location.search.slice(1) : location.search;
});

/** @param {string[]} ids */
function write(ids) {
  const to = new URL(location.href);
  to.searchParams.delete("sel");
  for (const id of ids.slice(0, MOST)) to.searchParams.append("sel", id);
  note(to.href, true);
  count();
}

/** @type {HTMLInputElement | null} */
let last = null;

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.name !== "run" || box.type !== "checkbox") return;
  const ids = new Set(chosen());
  const all = boxes();
  const [from, to] = [last ? all.indexOf(last) : -1, all.indexOf(box)];
  const range = event.shiftKey && from >= 0 ? all.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
  for (const each of range) {
    each.checked = box.checked;
    if (box.checked) ids.add(each.value);
    else ids.delete(each.value);
  }
  last = box;
  write([...ids]);
});

document.addEventListener("part", count);
count();
