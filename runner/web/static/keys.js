// @ts-check
/* Keys for all that a page does, and `?` to see them. A key is never taken from a field in which one writes. */

/** @typedef {{keys: string, what: string, go: () => void}} Key */

/** @param {string} selector */
const press = (selector) => () => {
  const found = document.querySelector(selector);
  if (found instanceof HTMLElement) found.click();
};
/** @param {string} selector */
const focusOn = (selector) => () => {
  const found = document.querySelector(selector);
  if (found instanceof HTMLElement) found.focus();
  if (found instanceof HTMLInputElement) found.select();
};
/** @param {string} value */
const act = (value) => press(`#act button[name=do][value=${value}]`);

/** @param {number} step */
const move = (step) => () => {
  const rows = [...document.querySelectorAll("main .table tbody > tr")].filter((row) => row.querySelector("a[href]"));
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, here + step))];
  const link = next?.querySelector("th a[href^='runs/'], a[href]");
  if (link instanceof HTMLElement) {
    link.focus();
    next.scrollIntoView({ block: "nearest" });
  }
};
const tick = () => {
  const box = document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]");
  if (box instanceof HTMLElement) box.click();
};

/** @type {Key[]} */
const KEYS = [
  { keys: "?", what: "show these keys", go: () => help() },
  { keys: "/", what: "write a filter, or find in a log", go: focusOn("#q, #find[name=find]") },
  { keys: "j", what: "the next row", go: move(1) },
  { keys: "k", what: "the row before", go: move(-1) },
  { keys: "x", what: "tick the run", go: tick },
  { keys: "c", what: "compare the runs that are ticked", go: act("compare") },
  { keys: "w", what: "why two runs differ", go: act("why") },
  { keys: "b", what: "make the run the baseline", go: act("base") },
  { keys: "n", what: "the next page", go: press("a[rel=next]") },
  { keys: "p", what: "the page before", go: press("a[rel=prev]") },
  { keys: "y", what: "copy the command", go: press("button.copy") },
  { keys: "t", what: "light or dark", go: press("#theme") },
  { keys: "g r", what: "go to the runs", go: press("nav a[data-key=r]") },
  { keys: "g o", what: "go to the overview", go: press("nav a[data-key=o]") },
];

function help() {
  let dialog = document.getElementById("keys");
  if (!(dialog instanceof HTMLDialogElement)) {
    dialog = document.createElement("dialog");
    dialog.id = "keys";
    dialog.setAttribute("aria-labelledby", "keys-title");
    const title = Object.assign(document.createElement("h2"), { id: "keys-title", textContent: "Keys" });
    const all = document.createElement("dl");
    for (const key of KEYS) {
      const term = document.createElement("dt");
      term.append(Object.assign(document.createElement("kbd"), { textContent: key.keys }));
      all.append(term, Object.assign(document.createElement("dd"), { textContent: key.what }));
    }
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
    close.addEventListener("click", () => dialog instanceof HTMLDialogElement && dialog.close());
    dialog.append(title, all, close);
    document.body.append(dialog);
  }
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

let before = "";
let since = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target;
  const writes = target instanceof HTMLElement && target.matches("textarea, select, input:not([type=checkbox]):not([type=radio]), [contenteditable]");
  if (writes) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const both = event.timeStamp - since < 1500 ? `${before} ${event.key}` : "";
  const found = KEYS.find((key) => key.keys === both) ?? KEYS.find((key) => key.keys === event.key);
  [before, since] = [event.key, event.timeStamp];
  if (found) {
    event.preventDefault();
    found.go();
  } else if (event.key === "Escape") {
    for (const each of document.querySelectorAll("details[name=tool][open]")) each.removeAttribute("open");
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (button?.id === "help") help();
  if (!button?.classList.contains("copy")) return;
  const words = [...button.childNodes];
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? "");
    button.textContent = "Copied";
  } catch {
    // only pages under TLS, or of this machine, may write to the clipboard
    const text = button.parentElement?.querySelector("code");
    if (text) getSelection()?.selectAllChildren(text);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => button.replaceChildren(...words), 1500);
});
