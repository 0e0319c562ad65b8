// Tables that sort by a column and show the rows that hold some words.

const cellValue = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
const compareCells = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b);
};

for (const table of all("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if (heading.classList.contains("unsorted")) return;
    const button = element("button", { type: "button" });
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const first = heading.classList.contains("n") ? "descending" : "ascending";
      const order = before === null ? first : before === "ascending" ? "descending" : "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const body = table.tBodies[0];
      const by = (a, b) => sign * compareCells(cellValue(a, column), cellValue(b, column));
      body.append(...[...body.rows].sort(by));
    });
  });
}

for (const input of all("input.table-search")) {
  const rows = [...byId(input.getAttribute("aria-controls")).tBodies[0].rows];
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase();
    for (const row of rows) row.classList.toggle("unfound", !row.textContent.toLowerCase().includes(words));
  });
}
