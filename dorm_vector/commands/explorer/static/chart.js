// What the charts share: their library, and the colors of the page.

const redraws = [];

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export const groupColor = (place) => color(`g${Math.min(place, 10)}`);

// Returns a chart that follows the size of its element and the color scheme; `redraw` sets its options again.
export function chartIn(holder, redraw) {
  const made = window.echarts.init(holder, null, { renderer: "canvas" });
  new ResizeObserver(() => {
    if (holder.clientWidth && holder.clientHeight) {
      made.resize();
      redraw();
    }
  }).observe(holder);
  redraws.push(redraw);
  return made;
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraws.forEach((each) => each()));

export const axis = (name) => ({
  type: "value", name, nameLocation: "middle", nameGap: 30,
  nameTextStyle: { color: color("text") },
  axisLabel: { color: color("soft") },
  axisLine: { show: true, lineStyle: { color: color("line") } },
  splitLine: { lineStyle: { color: color("panel") } },
});
