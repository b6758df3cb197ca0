// @ts-check
/* Light, dark, or as the system has it: before anything is drawn. The only thing that is kept in the browser. */
(() => {
  const order = ["", "light", "dark"];
  let theme = "";
  try {
    theme = localStorage.getItem("theme") ?? "";
  } catch {
    // storage is switched off
  }
  const apply = () => {
    document.documentElement.classList.add("js");
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = { "": "◐ Auto", light: "○ Light", dark: "● Dark" }[theme] ?? "";
  };
  apply();
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || event.target.id !== "theme") return;
    theme = order[(order.indexOf(theme) + 1) % order.length];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // for this page only
    }
    apply();
  });
})();
