// Elements of the page, built without markup: what a database holds is text, never HTML.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.startsWith("aria-") || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => element("option", { value, textContent: text })));
  if (pairs.some(([value]) => value === chosen)) select.value = chosen;
}

export function table(caption, head, rows) {
  const cells = head.map(({ text, isNumber }) =>
    element("th", { scope: "col", textContent: text, className: isNumber ? "number" : "" }));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, place) => {
    const made = element("td", { className: head[place].isNumber ? "number" : "" });
    made.append(cell instanceof Node ? cell : shown(cell));
    return made;
  })));
  return element("table", { "aria-label": caption },
    element("thead", {}, element("tr", {}, ...cells)), element("tbody", {}, ...body));
}

export function shown(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function short(number) {
  if (typeof number !== "number") return shown(number);
  return Math.abs(number) < 1e-12 ? "0" : String(Number(number.toPrecision(5)));
}

export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

// Runs work that has a line of status. A newer run of the same task makes the older one's answer void.
export function task(statusId) {
  let newest = 0;
  const line = byId(statusId);
  const say = (text, isBad = false) => {
    line.textContent = text;
    line.classList.toggle("bad", isBad);
  };
  const run = async (begins, work) => {
    const mine = ++newest;
    const isCurrent = () => mine === newest;
    say(begins);
    try {
      const said = await work(isCurrent);
      if (isCurrent() && said !== undefined) say(said);
    } catch (error) {
      if (isCurrent()) say(error.message, true);
    }
  };
  // Makes the answer of what still runs void.
  run.clear = () => { newest += 1; say(""); };
  return run;
}
