// To the clipboard, and into files.

const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page from a file has no clipboard in some browsers.
    const area = document.body.appendChild(element("textarea", { readonly: "" }, text));
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};

for (const button of all("button.copy")) {
  button.addEventListener("click", async () => {
    await copyText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
  });
}

if (byId("review")) {
  /** The rows chosen, or else all that are shown. */
  const queue = () => {
    const rows = all("#review-table tbody tr:not(.elsewhere):not(.unfound)");
    const chosen = rows.filter((row) => row.querySelector("input[name=review]").checked);
    return chosen.length > 0 ? chosen : rows;
  };
  const ids = JSON.parse(byId("review-ids").textContent);
  const idOf = (row) => ids[row.querySelector("input[name=review]").value];
  const said = (rows, what) => {
    byId("review-said").textContent = `${what} ${rows.length} ${rows.length === 1 ? "id" : "ids"}`;
  };

  byId("review-copy").addEventListener("click", async () => {
    const rows = queue();
    await copyText(rows.map(idOf).join("\n"));
    said(rows, "Copied");
  });
  byId("review-download").addEventListener("click", () => {
    const rows = queue();
    const line = (row) => {
      const [score, p] = all("td.n", row).map((cell) => Number(cell.dataset.value));
      return JSON.stringify({ id: idOf(row), score, p_value: p, region: Number(row.dataset.region) }) + "\n";
    };
    const file = URL.createObjectURL(new Blob(rows.map(line), { type: "application/jsonl" }));
    element("a", { href: file, download: "review.jsonl" }).click();
    URL.revokeObjectURL(file);
    said(rows, "Wrote");
  });
}
