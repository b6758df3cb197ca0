// @ts-check
/* Names of metrics, parameters and tags are offered while one writes them (the combobox pattern of ARIA). */

const WORDS = ["AND", "OR", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"];

/** @type {HTMLUListElement | null} */
let list = null;
/** @type {HTMLInputElement | null} */
let owner = null;
let at = -1;
let turn = 0;

/** The word that is written at the cursor, and where it begins.
 * @param {HTMLInputElement} input */
function word(input) {
  const before = input.value.slice(0, input.selectionStart ?? 0);
  const quoted = (before.match(/'/g) ?? []).length % 2 === 1;
  const found = input.dataset.names === "columns" ? before.match(/[^,]*$/) : before.match(/[^\s()=<>!,'"`]*$/);
  const text = (found?.[0] ?? "").trimStart();
  return { text: quoted ? "" : text, start: before.length - text.length };
}

/** @param {HTMLInputElement} input */
async function offer(input) {
  const { text } = word(input);
  const mine = ++turn;
  if (text.length < 1) return close();
  narrow(text);
  const kinds = input.dataset.names === "group" ? "&kind=params&kind=tags" : "";
  let names = [];
  try {
    const answer = await fetch(`names?q=${encodeURIComponent(text)}${kinds}`);
    if (answer.ok) names = await answer.json();
  } catch {
    return close();
  }
  if (mine !== turn || document.activeElement !== input) return;
  if (input.dataset.names === "filter") names.push(...WORDS.filter((each) => each.startsWith(text.toUpperCase()) && text.length > 1));
  if (!names.length || (names.length === 1 && names[0] === text)) return close();
  draw(input, names);
}

/** What is offered for a shorter word may not be for this one.
 * @param {string} text */
function narrow(text) {
  for (const item of [...(list?.children ?? [])]) if (!item.textContent?.toLowerCase().includes(text.toLowerCase())) item.remove();
  if (list && !list.children.length) close();
}

/** @param {HTMLInputElement} input @param {string[]} names */
function draw(input, names) {
  close();
  owner = input;
  list = document.createElement("ul");
  list.className = "offered";
  list.id = "offered";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Names");
  names.slice(0, 12).forEach((name, number) => {
    const item = document.createElement("li");
    item.textContent = name;
    item.id = `offered-${number}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(name);
    });
    list?.append(item);
  });
  input.after(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-expanded", "true");
  input.setAttribute("aria-controls", "offered");
  input.setAttribute("aria-autocomplete", "list");
  list.style.left = `${input.offsetLeft}px`;
  list.style.top = `${input.offsetTop + input.offsetHeight + 2}px`;
}

function close() {
  list?.remove();
  owner?.setAttribute("aria-expanded", "false");
  owner?.removeAttribute("aria-activedescendant");
  list = null;
  at = -1;
}

/** @param {string} name */
function take(name) {
  const input = owner;
  if (!input) return;
  const { start } = word(input);
  const rest = input.value.slice(input.selectionStart ?? 0);
  const [kind, ...key] = name.split(".");
  const odd = input.dataset.names !== "columns" && key.length && !/^[\w./-]+$/.test(key.join("."));
  const text = odd ? `${kind}.\`${key.join(".")}\`` : name;
  const after = input.dataset.names === "columns" ? ", " : input.dataset.names === "filter" ? " " : "";
  input.value = input.value.slice(0, start) + text + after + rest.trimStart();
  const place = start + text.length + after.length;
  input.setSelectionRange(place, place);
  close();
}

document.addEventListener("input", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.names) offer(event.target);
});
document.addEventListener("focusout", close);
document.addEventListener("keydown", (event) => {
  if (!list || event.target !== owner) return;
  const items = [...list.children];
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    at = (at + (event.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1) + items.length) % items.length;
    items.forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
    items[at].scrollIntoView({ block: "nearest" });
    owner?.setAttribute("aria-activedescendant", items[at].id);
    event.preventDefault();
  } else if ((event.key === "Enter" || event.key === "Tab") && at >= 0) {
    take(items[at].textContent ?? "");
    event.preventDefault();
  } else if (event.key === "Escape") {
    close();
    event.preventDefault();
    event.stopPropagation();
  }
}, true);
