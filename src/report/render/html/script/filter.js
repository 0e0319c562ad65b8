// One region at a time: every row and card of another one is hidden.

let region = null;
const regionNames = new Map();

const only = (id) => {
  region = id;
  if (id === null) delete root.dataset.region;
  else root.dataset.region = id;
  for (const part of all("tr[data-region], article[data-region]")) {
    part.classList.toggle("elsewhere", id !== null && part.dataset.region !== String(id));
  }
  byId("filter").hidden = id === null;
  byId("filter-name").textContent = id === null ? "" : (regionNames.get(id) ?? id);
  tell("filter");
};

for (const button of all("button.only")) {
  button.addEventListener("click", () => {
    only(Number(button.dataset.region));
    byId("map").scrollIntoView();
  });
}
byId("filter-clear").addEventListener("click", () => only(null));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && region !== null) only(null);
});
