// Starts the page, and lets its three views work together.
import { get } from "./api.js";
import * as map from "./map.js";
import { byId, task } from "./page.js";
import * as recall from "./recall.js";
import * as search from "./search.js";
import * as tables from "./table.js";

const VIEWS = ["search", "map", "recall"];

function show(view, takesFocus = false) {
  for (const each of VIEWS) {
    const isShown = each === view;
    byId(each).hidden = !isShown;
    byId(`tab-${each}`).setAttribute("aria-selected", String(isShown));
    byId(`tab-${each}`).tabIndex = isShown ? 0 : -1;
  }
  if (takesFocus) byId(`tab-${view}`).focus();
}

function tabs() {
  for (const [place, view] of VIEWS.entries()) {
    const tab = byId(`tab-${view}`);
    tab.addEventListener("click", () => show(view));
    tab.addEventListener("keydown", ({ key }) => {
      const to = { ArrowRight: place + 1, ArrowLeft: place + VIEWS.length - 1, Home: 0, End: VIEWS.length - 1 }[key];
      if (to !== undefined) show(VIEWS[to % VIEWS.length], true);
    });
  }
}

function start() {
  // The cookie has the token from now on; an address is easily copied to somebody else.
  if (window.location.search) window.history.replaceState(null, "", window.location.pathname);
  tabs();
  search.start({
    found: map.markFound,
    onMap: (key) => { show("map"); map.showRow(key); },
  });
  map.start({ searchByRow: (key) => { show("search"); byId("query").focus(); search.byRow(key); } });
  recall.start();
  const changed = () => { search.changed(); map.changed(); recall.changed(); };
  task("about")("Reading the models…", async () => {
    tables.start(await get("api/models"), changed);
    byId("main").inert = false;
  });
}

start();
