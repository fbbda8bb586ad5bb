// Recall against latency, for each search option.
import { get } from "./api.js";
import { axis, chartIn, color, groupColor } from "./chart.js";
import { byId, element, short, table, task } from "./page.js";
import * as tables from "./table.js";

const run = task("recall-status");
let chart = null;
let points = [];

export function start() {
  byId("recall-form").addEventListener("submit", (event) => { event.preventDefault(); measure(); });
}

export function changed() {
  byId("recall-chart").hidden = byId("recall-table").hidden = true;
  run.clear();
}

function measure() {
  return run("Measuring: each search is also run exactly…", async (isCurrent) => {
    const question = { ...tables.parameters(), k: byId("k").value, sample: byId("sample").value };
    const found = await get("api/recall", question);
    if (!isCurrent()) return undefined;
    show(found);
    return found.now.remedy || `Recall of ${short(found.now.recall)} without options, over ${found.now.queries} searches.`;
  });
}

const spelled = (options) => Object.entries(options).map(([name, value]) => `${name}=${value}`).join(", ");

function show({ now, measured }) {
  points = [
    { name: "no options", kind: "now", ...now },
    ...measured.filter((each) => spelled(each.options)).map((each) => ({ name: spelled(each.options), kind: "option", ...each })),
    { name: "exact", kind: "exact", recall: 1, worst: 1, milliseconds: now.exact_milliseconds },
  ];
  byId("recall-chart").hidden = byId("recall-table").hidden = false;
  chart ??= chartIn(byId("recall-chart"), draw);
  draw();
  const head = [{ text: "options" }, ...["recall", "worst", "milliseconds"].map((text) => ({ text, isNumber: true }))];
  const rows = points.map((each) => [each.name, short(each.recall), short(each.worst), short(each.milliseconds)]);
  byId("recall-table").replaceChildren(element("h2", { textContent: "Measurements" }), table("Measurements", head, rows));
}

function draw() {
  if (chart === null) return;
  const of = (kind) => points.filter((each) => each.kind === kind);
  const label = (position) => ({ show: true, position, color: color("text"), formatter: ({ data }) => data.name });
  const series = (kind, place, symbol) => ({
    type: kind === "option" ? "line" : "scatter", symbol, symbolSize: 11,
    label: label(kind === "now" ? "bottom" : "top"), labelLayout: { hideOverlap: true },
    itemStyle: { color: groupColor(place) }, lineStyle: { color: groupColor(place) },
    data: of(kind).map((each) => ({ name: each.name, value: [each.milliseconds, each.recall] })),
  });
  const lowest = Math.min(...points.map((each) => each.recall));
  chart.setOption({
    animation: false,
    grid: { left: 60, right: 60, top: 40, bottom: 50 },
    xAxis: { ...axis("milliseconds of a search, median"), min: 0 },
    yAxis: { ...axis("recall"), nameGap: 40, min: Math.max(0, Math.floor(lowest * 10 - 0.5) / 10), max: 1 },
    series: [series("option", 0, "circle"), series("now", 1, "rect"), series("exact", 2, "triangle")],
  }, true);
}
