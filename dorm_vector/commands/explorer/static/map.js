// The map of the embeddings: what is drawn, and the lists and details around it.
import { get } from "./api.js";
import { groupColor } from "./chart.js";
import { byId, count, element, options, shown, short, task } from "./page.js";
import { Points } from "./points.js";
import * as tables from "./table.js";

const SHAPES = { outliers: "△ outliers", duplicates: "◇ duplicates", found: "□ found by the last search" };
const run = task("map-status");
let chart = null;
let data = null;
let places = new Map();
let wanted = null; // the key of the row to select as soon as there is a map
let found = [];
let searchByRow = () => {};

export function start(actions) {
  searchByRow = actions.searchByRow;
  byId("map-form").addEventListener("submit", (event) => { event.preventDefault(); draw(); });
  byId("color").addEventListener("change", () => { if (data !== null) recolor(); });
  byId("zoom-in").addEventListener("click", () => chart.zoom(0.7));
  byId("zoom-out").addEventListener("click", () => chart.zoom(1 / 0.7));
  byId("zoom-reset").addEventListener("click", () => chart.whole());
  byId("map-chart").addEventListener("keydown", pressed);
  byId("selected-search").addEventListener("click", () => searchByRow(data.keys[chart.current]));
}

// Follows a change of the model or the field.
export function changed() {
  const columns = tables.model().columns.map((name) => [name, name]);
  options(byId("color"), [["", "cluster"], ...columns]);
  data = null;
  found = [];
  byId("map-body").hidden = true;
  run.clear();
}

export function markFound(keys) {
  found = keys;
  if (data === null) return;
  data.found = keys.map((key) => places.get(key)).filter((place) => place !== undefined);
  refresh();
}

export function showRow(key) {
  wanted = key;
  if (data === null) draw();
  else selectWanted();
}

function draw() {
  return run("Reading the vectors…", async (isCurrent) => {
    const question = tables.parameters();
    const drawn = await get("api/map", { ...question, method: byId("method").value, clusters: byId("clusters").value });
    if (!isCurrent()) return undefined;
    begin(drawn, question);
    if (drawn.keys.length === 0) return "No row has a vector here.";
    const said = summary(drawn);
    if (byId("color").value) await recolor();
    if (!byId("marked").checked || !isCurrent()) return said;
    byId("map-status").textContent = `${said} Looking for outliers and duplicates…`;
    const marks = await get("api/marks", { ...question, max_distance: byId("near").value });
    if (!isCurrent()) return undefined;
    mark(marks);
    return `${said} ${count(marks.outliers.length, "outlier")}, ${count(marks.pairs, "pair")} of duplicates up to`
      + ` ${short(marks.max_distance)} (${marks.distance.replace("_", " ")}).`;
  });
}

function summary({ keys, total, variance }) {
  const part = keys.length < total ? `${keys.length.toLocaleString("en")} of ${count(total, "row")}, at random` : count(total, "row");
  return variance === null ? `${part}.` : `${part}; the axes hold ${Math.round(100 * variance)} % of the variance.`;
}

function begin(drawn, question) {
  places = new Map(drawn.keys.map((key, place) => [key, place]));
  data = { ...drawn, question, hidden: new Set(), outliers: [], duplicates: [], found: [], ...clustered(drawn) };
  data.found = found.map((key) => places.get(key)).filter((place) => place !== undefined);
  byId("map-body").hidden = drawn.keys.length === 0;
  byId("selected").hidden = true;
  byId("outliers").replaceChildren();
  byId("duplicates").replaceChildren();
  byId("map-chart").setAttribute("aria-label", `Map of ${count(drawn.keys.length, "row")}`);
  if (drawn.keys.length === 0) return;
  chart ??= new Points(byId("map-chart"), describe);
  chart.show(data);
  legend();
  selectWanted();
}

function clustered({ clusters }) {
  const names = Array.from({ length: clusters.length ? Math.max(...clusters) + 1 : 0 }, (_, place) => `cluster ${place + 1}`);
  return { labels: names, groups: clusters };
}

async function recolor() {
  const mine = data;
  const column = byId("color").value;
  try {
    const colored = column ? await get("api/colors", { ...mine.question, column }) : clustered(mine);
    if (mine !== data || column !== byId("color").value) return;
    Object.assign(data, colored);
    data.hidden = new Set([...data.hidden].filter((name) => !name.startsWith("group ")));
    refresh();
  } catch (error) {
    byId("map-status").textContent = error.message;
  }
}

function refresh() {
  chart?.draw();
  legend();
}

function legend() {
  const sizes = data.labels.map(() => 0);
  data.groups.forEach((group) => { sizes[group] += 1; });
  const groups = data.labels.map((text, group) => entry(`group ${group}`, text, sizes[group], groupColor(group)));
  const marks = Object.keys(SHAPES).map((name) => entry(name, SHAPES[name], data[name].length, "transparent"));
  byId("legend").replaceChildren(element("legend", { textContent: "Shown" }), ...groups, ...marks);
}

function entry(name, text, size, swatch) {
  const box = element("input", { type: "checkbox", checked: !data.hidden.has(name), onchange: () => {
    if (box.checked) data.hidden.delete(name);
    else data.hidden.add(name);
    chart.draw();
  } });
  const square = element("span", { className: "swatch", "aria-hidden": "true" });
  square.style.setProperty("--swatch", swatch);
  return element("label", {}, box, square, `${text} (${size.toLocaleString("en")})`);
}

function mark(marks) {
  const known = (key) => places.get(key);
  data.outliers = marks.outliers.map((each) => known(each.key)).filter((place) => place !== undefined);
  const pairs = marks.duplicates.flatMap((each) => [known(each.first), known(each.second)]);
  data.duplicates = [...new Set(pairs)].filter((place) => place !== undefined);
  byId("outliers").replaceChildren(...marks.outliers.map((each) => element("li", {}, button(each.key),
    ` mean distance ${short(each.distance)}`)));
  byId("duplicates").replaceChildren(...marks.duplicates.map((each) => element("li", {}, button(each.first), " and ",
    button(each.second), ` distance ${short(each.distance)}`)));
  for (const id of ["outliers", "duplicates"]) {
    if (!byId(id).children.length) byId(id).replaceChildren(element("li", { textContent: "None." }));
  }
  refresh();
}

const button = (key) => element("button", { type: "button", textContent: `Row ${key}`, onclick: () => showRow(key) });

function selectWanted() {
  if (wanted === null) return;
  const place = places.get(wanted);
  wanted = null;
  if (place !== undefined) chart.select(place);
  else byId("map-status").textContent = "This row is not on the map. Draw it again, without filters.";
}

async function describe(place) {
  const mine = data;
  const key = data.keys[place];
  byId("selected").hidden = false;
  byId("selected-values").textContent = `Row ${key}…`;
  try {
    const row = await get("api/row", { model: mine.question.model, key });
    if (mine !== data || chart.current !== place) return;
    const values = Object.entries(row.values).flatMap(([name, value]) => [
      element("dt", { textContent: name }), element("dd", { textContent: shown(value) })]);
    byId("selected-values").replaceChildren(element("dl", {}, ...values));
  } catch (error) {
    if (mine === data) byId("selected-values").textContent = error.message;
  }
}

function step(by) {
  const last = data.keys.length;
  chart.select(chart.current === null ? 0 : (chart.current + by + last) % last);
}

const KEYS = {
  ArrowLeft: () => chart.move(-0.1, 0), ArrowRight: () => chart.move(0.1, 0),
  ArrowUp: () => chart.move(0, 0.1), ArrowDown: () => chart.move(0, -0.1),
  "+": () => chart.zoom(0.8), "=": () => chart.zoom(0.8), "-": () => chart.zoom(1.25), 0: () => chart.whole(),
  n: () => step(1), p: () => step(-1),
  Enter: () => { if (chart.current !== null) searchByRow(data.keys[chart.current]); },
};

function pressed(event) {
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
}
