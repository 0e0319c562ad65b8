// The charts beside the map, and the start: the map first, since people look at it first.

const charts = JSON.parse(byId("charts").textContent);

/** A chart's data and layout in the colours of the theme. */
const themed = (chart) => {
  const { data, layout } = structuredClone({ data: chart.data, layout: chart.layout });
  Object.assign(layout, {
    autosize: true,
    paper_bgcolor: color("card"),
    plot_bgcolor: color("card"),
    font: { color: color("text"), family: "system-ui, sans-serif", size: 13 },
    hoverlabel: { bgcolor: color("card"), bordercolor: color("text"), font: { color: color("text") }, align: "left" },
  });
  for (const axis of [layout.xaxis, layout.yaxis]) Object.assign(axis, themedAxis());
  for (const shape of layout.shapes ?? []) shape.line.color = color("call");
  for (const trace of data) {
    if (trace.type === "heatmap") {
      trace.colorscale = [[0, color("card")], [1, color("accent")]];
      Object.assign(trace, { xgap: 1, ygap: 1, showscale: false });
    } else {
      const tone = color(trace.meta ?? "accent");
      trace.marker = { color: tone };
      trace.line = { ...trace.line, color: tone };
    }
  }
  return [data, layout];
};

const drawCharts = () => {
  for (const [name, chart] of Object.entries(charts)) {
    const place = byId("chart-" + name);
    place.setAttribute("aria-label", chart.label);
    if (chart.layout.height) place.style.height = `${chart.layout.height}px`;
    Plotly.react(place, ...themed(chart), { displayModeBar: false, responsive: true });
  }
};

/** Runs plotly.js, which the page holds packed. It makes functions of text for WebGL; the policy allows no `eval`, but scripts
 * that carry the nonce, so that is how they are made. */
const runPlotly = async () => {
  const run = (source) => {
    const script = element("script", {}, source);
    script.nonce = nonce;
    document.head.append(script);
    script.remove();
  };
  const source = await unpack("plotly-js");
  const made = Function;
  const fromText = function (...parts) {
    const body = parts.pop();
    run(`window.madeOfText = function (${parts.join(",")}) {${body}\n};`);
    const { madeOfText } = window;
    delete window.madeOfText;
    return madeOfText;
  };
  fromText.prototype = made.prototype;
  window.Function = fromText;
  run(source);
};

const start = async () => {
  const [points] = await Promise.all([unpack("points").then(JSON.parse), runPlotly()]);
  const map = points.x.length > 0 ? await drawMap(points) : null;
  root.dataset.ready = "1";
  performance.mark("interactive");
  requestAnimationFrame(() => setTimeout(drawCharts));
  listeners.theme.push(drawCharts);
  if (map) map.addTexts(JSON.parse(await unpack("texts")));
  root.dataset.texts = "1";
};

if (window.DecompressionStream) start();
else root.dataset.map = "picture";
