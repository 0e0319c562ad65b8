// The map: points drawn by plotly.js, with WebGL where there is one, and a legend, a search and a filter of our own.

/** Points drawn where there is no WebGL: SVG elements are slow. */
const SVG_POINTS = 4000;
/** Colours, of which the style sheet has as many; what comes after them shares one. */
const SLOTS = 6;
const OTHERS = SLOTS;
/** Texts listed below the map by a search. */
const HITS = 10;
/** Names written on the map, and the width of a letter in its coordinates. */
const NAMES_DRAWN = 40;
const LETTER = 800;
/** Scores from which a point has the next colour: shares of the points that lie below. */
const SCORE_SHARES = [0, 0.5, 0.75, 0.9, 0.95, 0.99];
/** Steps between the lowest score and the highest. */
const SCORE_STEPS = 999;
const MARKS = { r: "to review", f: "flagged", g: "gone", a: "added" };

const hasWebgl = () => {
  try {
    return document.createElement("canvas").getContext("webgl") !== null;
  } catch {
    return false;
  }
};

const drawMap = async (points) => {
  const n = points.x.length;
  const sides = [byId("map-plot").dataset.corpus, byId("map-plot").dataset.reference];
  const type = hasWebgl() ? "scattergl" : "scatter";
  root.dataset.map = type === "scattergl" ? "webgl" : "svg";
  let texts = null;
  let found = null;
  const switchedOff = new Set();
  for (const { id, name } of points.regions) regionNames.set(id, name);

  // What may be drawn: all, or where each is an element of the page a sample with every marked point.
  let drawn = Array.from({ length: n }, (_, i) => i);
  if (type === "scatter" && n > SVG_POINTS) {
    const step = n / SVG_POINTS;
    drawn = drawn.filter((i) => points.mark[i] !== "-" || Math.floor(i / step) !== Math.floor((i - 1) / step));
  }

  // Colourings: for every point a key of the legend, and for every key its colour.
  const ofNames = (column) => {
    const names = points[column].names;
    const keys = names.map((name, i) => ({ name, slot: Math.min(i, OTHERS), of: i }));
    if (points[column].of.includes(-1)) keys.push({ name: "(none)", slot: OTHERS, of: -1 });
    return names.length > 0 && { keys, key: (i) => points[column].of[i] };
  };
  const byRegion = () => {
    const present = new Set(points.region);
    const keys = points.regions.filter(({ id }) => present.has(id));
    return { keys: keys.map(({ id, name, slot }) => ({ name, slot, of: id })), key: (i) => points.region[i] };
  };
  /** The score that a step stands for. */
  const scoreAt = (step) => {
    const [low, high] = points.scores;
    return (low + ((high - low) * step) / SCORE_STEPS).toPrecision(3);
  };
  const byScore = () => {
    const sorted = points.score.filter((score) => score >= 0).sort((a, b) => a - b);
    if (sorted.length === 0) return false;
    const from = SCORE_SHARES.map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
    const keys = from.map((step, i) => ({
      name: i === 0 ? `up to ${scoreAt(from[1])}` : `from ${scoreAt(step)} (highest ${Math.round(100 * (1 - SCORE_SHARES[i]))} %)`,
      slot: `score-${i}`,
      of: i,
    }));
    const key = (i) => (points.score[i] < 0 ? -1 : from.findLastIndex((step, at) => at === 0 || points.score[i] >= step));
    return { keys, key };
  };
  const bySide = () =>
    points.side.includes("r") && {
      keys: sides.map((name, i) => ({ name, slot: i === 0 ? 0 : OTHERS, of: "cr"[i] })),
      key: (i) => points.side[i],
    };
  const colorings = { region: byRegion(), source: ofNames("source"), label: ofNames("label"), score: byScore(), side: bySide() };
  const NAMED = { region: "region", source: "source", label: "label", score: "outlier score", side: sides.join(" or ") };
  const select = byId("map-color");
  for (const [name, coloring] of Object.entries(colorings)) {
    if (coloring) select.append(element("option", { value: name }, NAMED[name]));
  }

  // Traces
  const slotName = (slot) => (typeof slot === "number" ? `slot-${slot}` : slot);
  const size = n > 50000 ? 3 : n > 10000 ? 4 : n > 2000 ? 5 : 7;
  const trace = (members, marker, more = {}) => ({
    type,
    mode: "markers",
    x: Float32Array.from(members, (i) => points.x[i]),
    y: Float32Array.from(members, (i) => points.y[i]),
    hoverinfo: "none",
    showlegend: false,
    marker,
    members,
    ...more,
  });

  const traces = () => {
    const coloring = colorings[select.value];
    const slotOf = new Map(coloring.keys.map(({ of, slot }) => [of, slot]));
    const groups = new Map();
    const [dim, reference, marked, added, hits] = [[], [], [], [], []];
    const apart = select.value !== "side";
    for (const i of drawn) {
      const key = coloring.key(i);
      const isReference = points.side[i] === "r";
      if (switchedOff.has(key) || (apart && isReference && switchedOff.has("reference"))) continue;
      if (found?.has(i)) hits.push(i);
      if (region !== null && points.region[i] !== region) dim.push(i);
      else {
        if (points.mark[i] !== "-") (points.mark[i] === "a" ? added : marked).push(i);
        if (apart && isReference) reference.push(i);
        else {
          const slot = slotOf.get(key) ?? OTHERS;
          if (!groups.has(slot)) groups.set(slot, []);
          groups.get(slot).push(i);
        }
      }
    }
    const grey = color("slot-6");
    const ring = (members, name, width, px, symbol = "circle-open") =>
      trace(members, { symbol, color: color(name), size: px, line: { width } }, { hoverinfo: "skip" });
    const drawnTraces = [
      trace(dim, { color: grey, size: Math.max(2, size - 2), opacity: 0.18 }),
      trace(reference, { symbol: "circle-open", color: grey, size: size + 2, opacity: 0.8, line: { width: 1 } }),
      ...[...groups].sort().map(([slot, members]) =>
        trace(members, { color: color(slotName(slot)), size, opacity: found ? 0.35 : 0.8 })),
      ring(marked, "call", 1.5, size + 6),
      // What came, apart from what is gone.
      ...(added.length > 0 ? [ring(added, "accent", 1.5, size + 6, "square-open")] : []),
      ring(hits, "text", 2.5, size + 8),
    ];
    return drawnTraces;
  };

  /** The names of the largest regions, each in the middle of its points, where it covers no other. */
  const regionLabels = () => {
    const members = new Map();
    for (const i of drawn) {
      if (switchedOff.has(points.region[i])) continue;
      if (!members.has(points.region[i])) members.set(points.region[i], []);
      members.get(points.region[i]).push(i);
    }
    const middle = (column, of) => of.map((i) => points[column][i]).sort((a, b) => a - b)[of.length >> 1];
    const labels = [];
    for (const [id, of] of [...members].sort((a, b) => b[1].length - a[1].length)) {
      const label = { x: middle("x", of), y: middle("y", of), text: escapeLabel(regionNames.get(id).split(",")[0]) };
      const overlaps = ({ x, y, text }) =>
        Math.abs(x - label.x) < (LETTER * (text.length + label.text.length)) / 2 && Math.abs(y - label.y) < 3 * LETTER;
      if (!labels.some(overlaps)) labels.push(label);
      if (labels.length >= (narrow.matches ? 8 : NAMES_DRAWN)) break;
    }
    return labels.map((label) => ({
      ...label,
      showarrow: false,
      font: { size: 12, color: color("text"), weight: 650 },
      bgcolor: color("card"),
      borderpad: 1,
      opacity: 0.85,
    }));
  };
  const escapeLabel = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  const narrow = matchMedia("(max-width: 700px)");
  const place = byId("map-plot");
  let shown = [];
  const axis = () => ({ showticklabels: false, zeroline: false, ticks: "", ...themedAxis() });
  const redraw = () => {
    shown = traces();
    const layout = {
      autosize: true,
      uirevision: "map",
      paper_bgcolor: color("card"),
      plot_bgcolor: color("card"),
      font: { color: color("text"), family: "system-ui, sans-serif" },
      hovermode: "closest",
      hoverdistance: 12,
      dragmode: narrow.matches ? false : "pan",
      margin: { l: 4, r: 4, t: 4, b: 4 },
      xaxis: axis(),
      yaxis: { ...axis(), scaleanchor: "x" },
      annotations: select.value === "region" && region === null ? regionLabels() : [],
    };
    return Plotly.react(place, shown.map(({ members, ...plotted }) => plotted), layout, {
      displaylogo: false,
      responsive: true,
      scrollZoom: true,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    });
  };

  // Legend
  const legend = byId("map-legend");
  const redrawLegend = () => {
    const coloring = colorings[select.value];
    const counts = new Map();
    const counted = (key) => counts.set(key, (counts.get(key) ?? 0) + 1);
    for (let i = 0; i < n; i++) {
      if (select.value !== "side" && points.side[i] === "r") counted("reference");
      else counted(coloring.key(i));
    }
    const entries = coloring.keys.filter(({ of }) => counts.has(of));
    if (counts.has("reference")) entries.push({ name: sides[1], slot: OTHERS, of: "reference" });
    legend.replaceChildren(...entries.map(({ name, slot, of }) => {
      const button = element("button", { type: "button", "data-slot": slotName(slot), "aria-pressed": String(!switchedOff.has(of)) });
      button.append(element("span", { class: `dot ${slotName(slot)}` }), element("bdi", {}, name), element("small", {}, counts.get(of).toLocaleString("en")));
      button.addEventListener("click", () => {
        if (!switchedOff.delete(of)) switchedOff.add(of);
        button.setAttribute("aria-pressed", String(!switchedOff.has(of)));
        redraw();
      });
      return button;
    }));
    for (const [mark, name] of Object.entries(MARKS)) {
      if (!points.mark.includes(mark)) continue;
      const entry = element("p", { class: "mark" });
      entry.append(element("span", { class: `dot ring ${name}` }), element("span", {}, name));
      legend.append(entry);
    }
  };
  select.addEventListener("change", () => {
    switchedOff.clear();
    redrawLegend();
    redraw();
  });

  // A point under the pointer
  const tip = byId("map-tip");
  const pointOf = ({ points: [at] }) => shown[at.curveNumber].members?.[at.pointNumber];
  const showTip = (i, event) => {
    const facts = [
      points.side.includes("r") && sides["cr".indexOf(points.side[i])],
      MARKS[points.mark[i]],
      regionNames.get(points.region[i]),
      points.score[i] >= 0 && "score " + scoreAt(points.score[i]),
      points.source.names[points.source.of[i]] && "source " + points.source.names[points.source.of[i]],
      points.label.names[points.label.of[i]] && "label " + points.label.names[points.label.of[i]],
    ];
    tip.replaceChildren(
      element("bdi", { class: "text" }, texts ? texts.text[i] || "(its text is not known)" : "…"),
      element("bdi", { class: "id" }, texts ? texts.id[i] : ""),
      element("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    );
    tip.hidden = false;
    const box = place.parentElement.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    tip.style.left = `${Math.max(0, Math.min(x + 14, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > box.height ? Math.max(0, y - tip.offsetHeight - 10) : y + 18}px`;
  };
  const hideTip = () => (tip.hidden = true);

  // Search
  const search = byId("map-search");
  let waiting = 0;
  const searchNow = () => {
    const words = search.value.trim().toLowerCase();
    const list = byId("map-hits");
    list.hidden = words === "";
    if (words === "") {
      found = null;
      byId("map-found").textContent = "";
    } else {
      found = new Set();
      for (let i = 0; i < n; i++) {
        if (texts.text[i].toLowerCase().includes(words) || texts.id[i].toLowerCase().includes(words)) found.add(i);
      }
      byId("map-found").textContent = `${found.size.toLocaleString("en")} of ${n.toLocaleString("en")} texts`;
      list.replaceChildren(...[...found].slice(0, HITS).map((i) => {
        const entry = element("li");
        const button = element("button", { type: "button", class: "hit" });
        button.append(element("bdi", {}, texts.text[i] || texts.id[i]), element("small", {}, regionNames.get(points.region[i])));
        button.addEventListener("click", () => only(points.region[i]));
        entry.append(button);
        return entry;
      }));
    }
    redraw();
  };
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => texts && searchNow(), 150);
  });

  listeners.theme.push(redraw);
  listeners.filter.push(redraw);
  narrow.addEventListener("change", redraw);
  redrawLegend();
  byId("map-picture").hidden = true;
  await redraw();
  place.on("plotly_hover", (event) => {
    const i = pointOf(event);
    if (i !== undefined) showTip(i, event.event);
  });
  place.on("plotly_unhover", hideTip);
  place.on("plotly_relayouting", hideTip);
  place.on("plotly_click", (event) => {
    const i = pointOf(event);
    if (i !== undefined) only(region === points.region[i] ? null : points.region[i]);
  });
  return {
    addTexts: (unpacked) => {
      texts = unpacked;
      if (search.value) searchNow();
    },
  };
};
