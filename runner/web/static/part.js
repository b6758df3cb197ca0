// @ts-check
/* Links and forms of a page that lead to the same page with another query: only its content is replaced. */

/** @param {string | URL} to */
const isHere = (to) => new URL(to, location.href).pathname === location.pathname && new URL(to, location.href).origin === location.origin;

let latest = 0;

/** Replaces the content of the page by that of another address. What cannot be had in this way is loaded as usual.
 * @param {string} to
 * @param {{push?: boolean, focus?: string, scroll?: number}} [options] push: a new entry of the history */
export async function show(to, { push = true, focus = "", scroll = 0 } = {}) {
  const turn = ++latest;
  const main = document.getElementById("main");
  main?.setAttribute("aria-busy", "true");
  let answer, text;
  try {
    answer = await fetch(to, { headers: { Accept: "text/html" } });
    text = await answer.text();
  } catch {
    location.assign(to);
    return;
  }
  if (turn !== latest) return; // another one was asked for meanwhile
  const page = new DOMParser().parseFromString(text, "text/html");
  const found = page.getElementById("main");
  if (!main || !found || !isHere(answer.url) || answer.headers.has("Refresh")) {
    location.assign(to);
    return;
  }
  const again = focus || document.activeElement?.id || "";
  const open = [...main.querySelectorAll("details[open] > summary")].map((each) => each.textContent);
  if (push) history.pushState(null, "", to);
  document.title = page.title;
  main.replaceWith(document.adoptNode(found));
  if (!push) for (const each of found.querySelectorAll("details > summary"))
    if (open.includes(each.textContent) && each.parentElement instanceof HTMLDetailsElement) each.parentElement.open = true;
  if (again) document.getElementById(again)?.focus({ preventScroll: true });
  if (push) scrollTo(0, scroll);
  document.dispatchEvent(new CustomEvent("part"));
}

/** The address that a form asks for.
 * @param {HTMLFormElement} form */
function addressOf(form) {
  const to = new URL(form.action);
  const fields = [...new FormData(form)].filter(([, value]) => value !== "").map(([name, value]) => [name, String(value)]);
  to.search = new URLSearchParams(fields).toString();
  return to.href;
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  if (!link.closest("main") || !isHere(link.href) || link.hash) return;
  event.preventDefault();
  show(link.href, { scroll: scrollY });
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "get" || event.defaultPrevented || !isHere(form.action)) return;
  event.preventDefault();
  show(addressOf(form), { scroll: scrollY });
});

let shown = location.pathname + location.search;
addEventListener("popstate", () => {
  const now = location.pathname + location.search;
  if (now !== shown) show(location.href, { push: false });
});
document.addEventListener("part", () => (shown = location.pathname + location.search));

/** The address is another one now, and the page is as it says already.
 * @param {string} to
 * @param {boolean} push */
export function note(to, push) {
  if (push) history.pushState(null, "", to);
  else history.replaceState(null, "", to);
  shown = location.pathname + location.search;
}
