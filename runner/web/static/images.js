// @ts-check
// Two images over each other, with an edge between them that is moved.

for (const box of document.querySelectorAll("[data-images]")) {
  const images = [...box.querySelectorAll("img")];
  if (images.length < 2) continue;
  const names = images.map((image) => image.closest("figure")?.querySelector("figcaption")?.textContent ?? "");
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
    names.forEach((name, place) => select.append(new Option(name, String(place), place === at, place === at)));
    return select;
  });
  const edge = Object.assign(document.createElement("input"), { type: "range", min: "0", max: "100", value: "50" });
  edge.setAttribute("aria-label", "The edge between A and B");
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "A over B" });
  button.setAttribute("aria-pressed", "false");
  form.append(button, one, two, edge);
  box.before(form, both);
  const draw = () => {
    [under.src, under.alt] = [images[Number(two.value)].src, names[Number(two.value)]];
    [above.src, above.alt] = [images[Number(one.value)].src, names[Number(one.value)]];
    above.style.clipPath = `inset(0 ${100 - Number(edge.value)}% 0 0)`;
  };
  button.addEventListener("click", () => {
    both.hidden = !both.hidden;
    button.setAttribute("aria-pressed", String(!both.hidden));
    draw();
  });
  form.addEventListener("input", draw);
}
