// Points on a plane that can be moved, zoomed and selected; the library draws them.
import { chartIn, color, groupColor } from "./chart.js";

const MARKS = [
  { name: "outliers", symbol: "triangle", size: 15 },
  { name: "duplicates", symbol: "diamond", size: 15 },
  { name: "found", symbol: "rect", size: 12 },
];
// Up to this many points, each is drawn as a shape of its own, large enough to be seen alone.
const FEW = 2000;
const REACH = 14; // pixels from a click to the point that it selects
const WHOLE = { x: [0, 100], y: [0, 100] };
const MARGIN = 1.08;

export class Points {
  // `selected` is called with the place of a point.
  constructor(holder, selected) {
    this.holder = holder;
    this.selected = selected;
    this.data = null;
    this.window = WHOLE;
    this.chart = chartIn(holder, () => this.draw());
    this.chart.on("datazoom", (event) => this.#follow(event.batch ?? [event]));
    this.chart.getZr().on("click", ({ offsetX, offsetY }) => this.#clicked(offsetX, offsetY));
  }

  // `data` has x, y, groups, labels, hidden (a set of names) and outliers, duplicates, found (lists of places).
  show(data) {
    this.data = data;
    this.current = null;
    this.window = WHOLE;
    this.draw();
  }

  draw() {
    if (this.data === null || !this.holder.clientWidth) return;
    const { x, y } = this.#extents();
    const invisible = { type: "value", show: false };
    const zoom = (id, axis) => ({
      id, [axis]: 0, type: "inside", filterMode: "none", throttle: 0, start: this.window[id][0], end: this.window[id][1],
    });
    this.chart.setOption({
      animation: false,
      grid: { left: 4, right: 4, top: 4, bottom: 4 },
      xAxis: { ...invisible, min: x[0], max: x[1] },
      yAxis: { ...invisible, min: y[0], max: y[1] },
      dataZoom: [zoom("x", "xAxisIndex"), zoom("y", "yAxisIndex")],
      series: [...this.#groups(), ...this.#marks(), this.#selection()],
    }, { replaceMerge: ["series"] });
  }

  // Zooms around the selected point if it is seen, or the middle; a factor below 1 shows less.
  zoom(factor) {
    const at = this.current !== null && this.#isSeen(this.current) ? this.#place(this.current) : null;
    this.#look((from, to, axis) => {
      const length = Math.min(100, (to - from) * factor);
      const fixed = at === null ? (from + to) / 2 : at[axis];
      const begin = Math.min(100 - length, Math.max(0, fixed - (fixed - from) * (length / (to - from))));
      return [begin, begin + length];
    });
  }

  // Moves by parts of what is seen.
  move(right, up) {
    this.#look((from, to, axis) => {
      const by = (axis === "x" ? right : up) * (to - from);
      const step = Math.min(100 - to, Math.max(-from, by));
      return [from + step, to + step];
    });
  }

  whole() {
    this.#look(() => [0, 100]);
  }

  select(place) {
    this.current = place;
    if (!this.#isSeen(place)) {
      const at = this.#place(place);
      this.#look((from, to, axis) => {
        const half = (to - from) / 2;
        const middle = Math.min(100 - half, Math.max(half, at[axis]));
        return [middle - half, middle + half];
      });
    }
    this.chart.setOption({ series: [this.#selection()] });
    this.selected(place);
  }

  #look(change) {
    for (const axis of ["x", "y"]) this.window = { ...this.window, [axis]: change(...this.window[axis], axis) };
    const batch = ["x", "y"].map((id) => ({ dataZoomId: id, start: this.window[id][0], end: this.window[id][1] }));
    this.chart.dispatchAction({ type: "dataZoom", batch });
  }

  #follow(batch) {
    for (const { dataZoomId: id, start, end } of batch) {
      if (id in this.window && start !== undefined) this.window = { ...this.window, [id]: [start, end] };
    }
    this.holder.dataset.window = ["x", "y"].map((id) => this.window[id].map((each) => each.toFixed(2)).join("-")).join(" ");
  }

  // The ends of both axes, so that a unit is as long on one as on the other.
  #extents() {
    const ends = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [Infinity, -Infinity]);
    const [left, right] = ends(this.data.x);
    const [bottom, top] = ends(this.data.y);
    const { clientWidth: width, clientHeight: height } = this.holder;
    const unit = MARGIN * Math.max((right - left) / width, (top - bottom) / height) || 1 / width;
    const around = (low, high, pixels) => [(low + high - unit * pixels) / 2, (low + high + unit * pixels) / 2];
    return { x: around(left, right, width), y: around(bottom, top, height) };
  }

  // Returns where a point is on both axes, in percent.
  #place(place) {
    const ends = this.#extents();
    const percent = (value, [low, high]) => (100 * (value - low)) / (high - low);
    return { x: percent(this.data.x[place], ends.x), y: percent(this.data.y[place], ends.y) };
  }

  #isSeen(place) {
    const at = this.#place(place);
    return ["x", "y"].every((axis) => at[axis] >= this.window[axis][0] && at[axis] <= this.window[axis][1]);
  }

  #isShown(name) {
    return !this.data.hidden.has(name);
  }

  #flat(places) {
    const numbers = new Float64Array(2 * places.length);
    places.forEach((place, at) => numbers.set([this.data.x[place], this.data.y[place]], 2 * at));
    return numbers;
  }

  #groups() {
    const isFew = this.data.x.length <= FEW;
    const members = this.data.labels.map(() => []);
    this.data.groups.forEach((group, place) => members[group].push(place));
    return members.map((places, group) => ({
      id: `group ${group}`, type: "scatter", silent: true, dimensions: ["x", "y"],
      // Symbols below four pixels are drawn without a path, which is what keeps frames short.
      large: !isFew, largeThreshold: 0, progressive: 0, symbolSize: isFew ? 8 : 3,
      symbol: isFew ? "circle" : "rect",
      itemStyle: { color: groupColor(group), opacity: isFew ? 0.8 : 1 },
      data: this.#isShown(`group ${group}`) ? this.#flat(places) : new Float64Array(),
    }));
  }

  #marks() {
    return MARKS.map(({ name, symbol, size }) => ({
      id: name, type: "scatter", silent: true, symbol, symbolSize: size, dimensions: ["x", "y"], z: 3,
      itemStyle: { color: "transparent", borderColor: color("text"), borderWidth: 2 },
      data: this.#isShown(name) ? this.#flat(this.data[name]) : new Float64Array(),
    }));
  }

  #selection() {
    const places = this.current === null ? [] : [this.current];
    return {
      id: "selection", type: "scatter", silent: true, symbol: "circle", symbolSize: 22, dimensions: ["x", "y"], z: 4,
      itemStyle: { color: "transparent", borderColor: color("focus"), borderWidth: 4 }, data: this.#flat(places),
    };
  }

  #clicked(left, top) {
    const at = this.chart.convertFromPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [left, top]);
    const next = this.chart.convertFromPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [left + 1, top]);
    const reach = REACH * Math.abs(next[0] - at[0]);
    let nearest = null;
    let least = reach * reach;
    this.data.x.forEach((x, place) => {
      const apart = (x - at[0]) ** 2 + (this.data.y[place] - at[1]) ** 2;
      if (apart <= least && this.#isShown(`group ${this.data.groups[place]}`)) [nearest, least] = [place, apart];
    });
    if (nearest !== null) this.select(nearest);
  }
}
