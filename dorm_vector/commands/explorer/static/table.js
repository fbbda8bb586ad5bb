// The model, the field, the distance and the filters that every view uses.
import { byId, count, options } from "./page.js";

let models = [];

export const model = () => models.find((each) => each.label === byId("model").value);
export const field = () => model().fields.find((each) => each.name === byId("field").value);

export function chosen() {
  const lines = byId("filters").value.split("\n").map((line) => line.trim()).filter(Boolean);
  return { model: byId("model").value, field: byId("field").value, distance: byId("distance").value, filters: lines };
}

// The same, as the parameters of a GET request.
export function parameters() {
  const { filters, ...rest } = chosen();
  return { ...rest, filter: filters };
}

// Raises an Error where there is nothing to explore.
export function start(catalog, changed) {
  models = catalog.models;
  byId("database").textContent = `${catalog.title}, database “${catalog.database}”, read only`;
  options(byId("model"), models.map((each) => [each.label, each.label]));
  if (models.length === 0) throw new Error("No migrated model of this database has a vector field. Run: dorm migrate");
  byId("model").addEventListener("change", () => { fields(); changed(); });
  byId("field").addEventListener("change", () => { distances(); changed(); });
  byId("table").addEventListener("submit", (event) => event.preventDefault());
  fields();
  changed();
}

function fields() {
  options(byId("field"), model().fields.map((each) => [each.name, each.name]));
  distances();
}

function distances() {
  const own = field();
  options(byId("distance"), own.distances.map((each) => [each, each.replace("_", " ")]), own.distance);
  byId("about").textContent = [
    count(model().rows, "row"), own.kind, own.dimensions ? `${own.dimensions} dimensions` : "any dimensions",
    own.indexes.length ? `indexes: ${own.indexes.join(", ")}` : "no index",
  ].join(" · ");
}
