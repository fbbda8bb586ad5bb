// Search by text, by a row or by a vector, and show the plan that served it.
import { post } from "./api.js";
import { byId, count, element, shown, short, table, task } from "./page.js";
import * as tables from "./table.js";

const LABELS = { text: "Text", row: "Primary key of the row", vector: "Vector, as JSON: [0.1, 0.2, …]" };
const run = task("search-status");
let whenFound = () => {};
let showOnMap = () => {};
let isTextLeft = false; // because the field before had no embedder

export function start({ found, onMap }) {
  whenFound = found;
  showOnMap = onMap;
  byId("by").addEventListener("change", () => { isTextLeft = false; label(); });
  byId("search-form").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  byId("query").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      byId("search-form").requestSubmit();
    }
  });
}

// Follows a change of the model or the field.
export function changed() {
  const readsText = tables.field().reads_text;
  const [text] = byId("by").options;
  text.disabled = !readsText;
  text.textContent = readsText ? "Text" : "Text (the field has no embedder)";
  if (!readsText && byId("by").value === "text") {
    byId("by").value = "row";
    isTextLeft = true;
  } else if (readsText && isTextLeft) {
    byId("by").value = "text";
    isTextLeft = false;
  }
  label();
  byId("search-results").hidden = byId("plan").hidden = true;
  run.clear();
}

export function byRow(key) {
  byId("by").value = "row";
  label();
  byId("query").value = key;
  return search();
}

function label() {
  byId("query-label").textContent = LABELS[byId("by").value];
}

function asked() {
  const { value: by } = byId("by");
  const query = byId("query").value;
  if (by === "vector") {
    try {
      JSON.parse(query);
    } catch {
      throw new Error("This is no vector in JSON. Paste a list of numbers: [0.1, 0.2, …].");
    }
  }
  return { ...tables.chosen(), by, query, limit: Number(byId("limit").value), mode: byId("mode").value };
}

function search() {
  byId("search-results").hidden = byId("plan").hidden = true;
  return run("Searching…", async (isCurrent) => {
    const question = asked();
    const found = await post("api/search", question);
    if (!isCurrent()) return undefined;
    show(found);
    whenFound(found.rows.map((row) => row.key));
    const plan = await post("api/plan", question);
    if (!isCurrent()) return undefined;
    explain(plan);
    const served = plan.index === null ? "without an index" : `by the index ${plan.index}`;
    return `${count(found.rows.length, "row")} in ${short(found.milliseconds)} ms, ${served}.`;
  });
}

function show(found) {
  const isNumber = (name) => found.rows.length > 0
    && found.rows.every((row) => typeof row.values[name] === "number" || row.values[name] === null);
  const columns = found.columns.map((name) => ({ text: name, isNumber: isNumber(name) }));
  // A row is named by its key, which has to be of one column.
  const hasActions = tables.model().has_one_key;
  const head = [{ text: "distance", isNumber: true }, ...columns, ...(hasActions ? [{ text: "" }] : [])];
  const rows = found.rows.map((row) => [short(row.distance), ...found.columns.map((name) => shown(row.values[name])),
    ...(hasActions ? [actions(row.key)] : [])]);
  byId("search-results").replaceChildren(
    rows.length ? table("Results, nearest first", head, rows) : element("p", { textContent: "No rows." }));
  byId("search-results").hidden = false;
}

function actions(key) {
  return element("span", {},
    element("button", { type: "button", textContent: "Similar", "aria-label": `Similar to row ${key}`,
      onclick: () => byRow(key) }), " ",
    element("button", { type: "button", textContent: "On the map", "aria-label": `Row ${key} on the map`,
      onclick: () => showOnMap(key) }));
}

function explain(plan) {
  byId("plan-text").textContent = plan.name ? `${plan.text}\nAnswered by: ${plan.name}.` : plan.text;
  byId("plan-database").textContent = plan.plan;
  byId("plan").hidden = false;
}
