// @ts-check
// Images of several runs: a slider goes through their steps, and two of them are laid over each other with an edge between.

/** @param {string} path */
const escaped = (path) => path.split("/").map(encodeURIComponent).join("/");

/** Of each run the image that was the latest by that step.
 * @param {HTMLElement} box @param {number} step */
function showStep(box, step) {
  for (const figure of box.querySelectorAll("figure")) {
    const known = JSON.parse(figure.dataset.of ?? "{}");
    const last = Math.max(...Object.keys(known).map(Number).filter((each) => each <= step));
    let image = figure.querySelector("img");
    let nothing = figure.querySelector("p");
    if (!nothing) {
      nothing = Object.assign(document.createElement("p"), { className: "empty", textContent: "It has none yet at this step." });
      figure.append(nothing);
    }
    if (!image && Number.isFinite(last)) {
      image = document.createElement("img");
      figure.append(image);
    }
    if (image) image.hidden = !Number.isFinite(last);
    nothing.hidden = Number.isFinite(last);
    if (!image || !Number.isFinite(last)) continue;
    image.alt = `${known[last]} of ${figure.querySelector("figcaption")?.textContent ?? ""}`;
    const source = `${figure.dataset.raw}${escaped(known[last])}?show=1`;
    if (image.getAttribute("src") !== source) image.src = source;
  }
}

/** The slider stops at steps that there are; where it stands is in the address.
 * @param {HTMLElement} box @param {HTMLInputElement} slider */
function steps(box, slider) {
  const known = (slider.dataset.steps ?? "").split(" ").map(Number);
  const shown = document.getElementById("step");
  slider.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!move) return; // a step of the run, not one of numbers
    const place = known.indexOf(Number(slider.value)) + move;
    if (place >= 0 && place < known.length) slider.value = String(known[place]);
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change"));
    event.preventDefault();
  });
  slider.addEventListener("input", () => {
    const wanted = Number(slider.value);
    const step = known.reduce((one, two) => (Math.abs(two - wanted) < Math.abs(one - wanted) ? two : one));
    slider.value = String(step);
    if (shown) shown.textContent = step.toLocaleString("en");
    showStep(box, step);
    box.dispatchEvent(new Event("step"));
  });
  slider.addEventListener("change", () => {
    const to = new URL(location.href);
    to.searchParams.set("step", slider.value);
    if (to.href !== location.href) history.pushState(null, "", to);
  });
  addEventListener("popstate", () => {
    slider.value = new URL(location.href).searchParams.get("step") ?? slider.defaultValue;
    slider.dispatchEvent(new Event("input"));
  });
}

/** Two over each other. @param {HTMLElement} box */
function over(box) {
  const figures = [...box.querySelectorAll("figure")];
  const names = figures.map((figure) => figure.querySelector("figcaption")?.textContent ?? "");
  const having = figures.flatMap((figure, place) => (figure.querySelector("img") ? [place] : []));
  if (having.length < 2) return;
  const form = document.createElement("form");
  form.className = "look";
  const both = document.createElement("div");
  both.className = "over";
  both.hidden = true;
  const [under, above] = [0, 1].map(() => document.createElement("img"));
  both.append(under, above);
  const [one, two] = [0, 1].map((at) => {
    const select = document.createElement("select");
    select.setAttribute("aria-label", at ? "B" : "A");
    for (const place of having) select.append(new Option(names[place], String(place), false, place === having[at]));
    return select;
  });
  const edge = Object.assign(document.createElement("input"), { type: "range", min: "0", max: "100", value: "50" });
  edge.setAttribute("aria-label", "The edge between A and B");
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "A over B" });
  button.setAttribute("aria-pressed", "false");
  form.append(button, one, two, edge);
  box.before(form, both);
  const image = (/** @type {HTMLSelectElement} */ chosen) => figures[Number(chosen.value)].querySelector("img");
  const draw = () => {
    [under.src, under.alt] = [image(two)?.src ?? "", names[Number(two.value)]];
    [above.src, above.alt] = [image(one)?.src ?? "", names[Number(one.value)]];
    above.style.clipPath = `inset(0 ${100 - Number(edge.value)}% 0 0)`;
  };
  button.addEventListener("click", () => {
    both.hidden = !both.hidden;
    button.setAttribute("aria-pressed", String(!both.hidden));
    draw();
  });
  form.addEventListener("input", draw);
  box.addEventListener("step", () => both.hidden || draw());
}

for (const box of document.querySelectorAll("[data-images]")) {
  if (!(box instanceof HTMLElement)) continue;
  over(box);
  const slider = document.querySelector("input[data-steps]");
  if (slider instanceof HTMLInputElement) steps(box, slider);
}
