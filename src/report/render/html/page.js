// Draws the charts, sorts the tables and highlights regions. Texts of the corpus reach the page as escaped HTML or as
// escaped chart labels; nothing here writes markup.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const narrow = matchMedia("(max-width: 700px)");
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Charts
  const charts = JSON.parse(byId("charts").textContent);
  const drawn = [];

  const colors = () => {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    return { text: color("--text"), card: color("--card"), line: color("--line"), accent: color("--accent"), call: color("--call") };
  };

  const themed = (name, chart) => {
    const color = colors();
    const layout = structuredClone(chart.layout);
    const data = structuredClone(chart.data);
    Object.assign(layout, {
      autosize: true,
      paper_bgcolor: color.card,
      plot_bgcolor: color.card,
      font: { color: color.text, family: "system-ui, sans-serif", size: 13 },
      hoverlabel: { bgcolor: color.card, bordercolor: color.text, font: { color: color.text }, align: "left" },
    });
    for (const axis of [layout.xaxis, layout.yaxis]) {
      Object.assign(axis, { gridcolor: color.line, linecolor: color.line, zerolinecolor: color.line });
    }
    if (name === "map") {
      layout.legend = narrow.matches
        ? { orientation: "h", y: 0, yanchor: "top", itemsizing: "constant", font: { size: 11 } }
        : { itemsizing: "constant" };
      layout.dragmode = narrow.matches ? false : "zoom";
      const region = byId("map-region").value;
      for (const trace of data) {
        if (trace.meta === undefined) {
          trace.marker.color = trace.marker.line.color = color.call;
          trace.visible = region === "" ? true : "legendonly";
        } else {
          trace.marker.line.color = color.text;
          trace.marker.opacity = region === "" || String(trace.meta) === region ? 0.85 : 0.08;
        }
      }
    } else {
      for (const trace of data) trace.marker = { color: color.accent };
    }
    return [data, layout];
  };

  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    showTips: false,
  };

  const redraw = () => {
    for (const [name, element, chart] of drawn) Plotly.react(element, ...themed(name, chart), config);
  };

  for (const section of document.querySelectorAll(".scripted")) section.hidden = false;
  for (const [name, chart] of Object.entries(charts)) {
    const element = byId("chart-" + name);
    if (!chart || !element) continue;
    element.setAttribute("aria-label", chart.label);
    drawn.push([name, element, chart]);
  }
  if (charts.map) byId("map-control").hidden = false;
  redraw();
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);

  // Regions on the map
  const select = byId("map-region");
  if (select) select.addEventListener("change", redraw);
  for (const button of document.querySelectorAll(".show-on-map")) {
    if (!charts.map) break;
    button.hidden = false;
    button.addEventListener("click", () => {
      select.value = button.dataset.region;
      redraw();
      byId("map").scrollIntoView();
      select.focus({ preventScroll: true });
    });
  }

  // Sortable tables
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent;
  };
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
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
        body.append(...[...body.rows].sort((a, b) => sign * compare(value(a, column), value(b, column))));
      });
    });
  }
})();
