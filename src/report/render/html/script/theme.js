// Light, dark, or as the system says.

const THEMES = ["auto", "light", "dark"];
const themeButton = byId("theme");
themeButton.addEventListener("click", () => {
  root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
  themeButton.textContent = "Theme: " + root.dataset.theme;
  tell("theme");
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tell("theme"));

/** A colour of the style sheet, as the theme has it now. */
const probe = document.body.appendChild(element("span", { hidden: "" }));
const color = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};
const themedAxis = () => ({ gridcolor: color("line"), linecolor: color("line"), zerolinecolor: color("line") });
