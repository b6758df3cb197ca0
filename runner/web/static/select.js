// @ts-check
/* Which runs are ticked is in the address: it stays when one sorts, scrolls or comes back. */

import { note } from "./part.js";

const MOST = 200;

/** @returns {HTMLInputElement[]} */
const boxes = () => [...document.querySelectorAll("input[type=checkbox][name=run]")];
const chosen = () => new URL(location.href).searchParams.getAll("sel");

function count() {
  const ids = chosen();
  const output = document.getElementById("chosen");
  if (output) output.textContent = ids.length ? `${ids.length} chosen` : "Tick runs to";
  for (const button of document.querySelectorAll("#act button[name=do]")) {
    const what = button.getAttribute("value");
    const least = what === "compare" ? 2 : 1;
    button.toggleAttribute("disabled", what === "why" ? ids.length !== 2 : ids.length < least);
  }
  const here = new Set(boxes().map((box) => box.value));
  document.getElementById("unseen")?.replaceChildren(
    ...ids.filter((id) => !here.has(id)).map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "run", value: id })),
  );
  const state = document.querySelector("#act input[name=state]");
  if (state instanceof HTMLInputElement) state.value = location.search.slice(1);
}

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
