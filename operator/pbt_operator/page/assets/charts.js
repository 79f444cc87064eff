// The charts. Each returns { trace(chain), nearest(x, y) }: a lineage to highlight, and what lies under the pointer.

const data = JSON.parse(document.getElementById("data").textContent);
const keyOf = (life) => `${life.m}-${life.i}`;
const byKey = new Map(data.lives.map((life) => [keyOf(life), life]));
const lane = new Map(data.members.map((member, index) => [member, index]));
const colour = (life) => (life.colour < 0 ? "var(--other)" : `var(--c${life.colour})`);
const crowded = data.members.length > 24;

function add(parent, name, attributes = {}, text = null) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

// The lives behind a life, the first ancestor first, each with the step up to which it is part of the lineage.
function chainOf(life, end) {
  const chain = [];
  const seen = new Set();
  while (life && !seen.has(life)) {
    seen.add(life);
    chain.unshift({ life, end });
    end = life.start;
    life = life.parent && byKey.get(life.parent.join("-"));
  }
  return chain;
}

const winner = data.best ? chainOf(byKey.get(`${data.best[0]}-${data.best[1]}`), data.best[2]) : [];

// An empty chart with its axes: `y` is a scale, or null where the caller draws rows.
function frame(host, { height, left, right = 18, top = 14, bottom = 42, y = null, title = null }) {
  const width = Math.max(260, host.clientWidth);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", host.dataset.label);
  host.replaceChildren(svg);
  const inner = { left, right: width - right, top, bottom: height - bottom };
  const px = (step) => inner.left + (step / data.totalSteps) * (inner.right - inner.left);
  const py = (share) => inner.bottom - share * (inner.bottom - inner.top);
  const grid = add(svg, "g", { class: "grid" });
  const count = Math.max(2, Math.floor((inner.right - inner.left) / 95));
  for (const tick of niceTicks(0, data.totalSteps, count)) {
    const x = px(tick);
    add(grid, "line", { x1: x, x2: x, y1: inner.top, y2: inner.bottom, class: "faint" });
    const fits = x + 4 * steps(tick).length < width;
    add(grid, "text", { x: fits ? x : width, y: inner.bottom + 18, "text-anchor": fits ? "middle" : "end" }, steps(tick));
  }
  if (y) drawAxis(grid, y, inner, py);
  add(grid, "line", { x1: inner.left, x2: inner.right, y1: inner.bottom, y2: inner.bottom, class: "base" });
  if (title) add(grid, "text", { x: (inner.left + inner.right) / 2, y: height - 3, "text-anchor": "middle" }, title);
  return { svg, width, height, px, py, inner };
}

function drawAxis(grid, y, inner, py) {
  for (const [value, label] of y.ticks) {
    const at = py(y.at(value));
    if (!y.bands) add(grid, "line", { x1: inner.left, x2: inner.right, y1: at, y2: at });
    add(grid, "text", { x: inner.left - 8, y: at + 4, "text-anchor": "end" }, label);
  }
  for (let band = 1; band <= y.bands && y.bands <= 12; band++) {
    const at = py(band / y.bands);
    add(grid, "line", { x1: inner.left, x2: inner.right, y1: at, y2: at });
  }
}

// Path texts, joined by colour: a hundred members stay a handful of nodes.
class Strokes {
  constructor() {
    this.paths = new Map();
  }
  push(key, d) {
    if (d) this.paths.set(key, (this.paths.get(key) ?? "") + d);
  }
  draw(layer, attributes = {}) {
    for (const [stroke, d] of this.paths) add(layer, "path", { d, stroke, fill: "none", ...attributes });
  }
}

// A single point is a stroke without length, which round caps make a dot.
const polyline = (points) =>
  !points.length ? "" : points.length < 2 ? `M${points[0].map((at) => at.toFixed(1)).join(" ")}h0.01` : `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

// A lineage drawn twice: a casing in the colour of the paper keeps it readable above the other lines.
function emphasise(layer, d, stroke, width) {
  add(layer, "path", { d, class: "casing", fill: "none", "stroke-width": width + 4 });
  return add(layer, "path", { d, fill: "none", stroke, "stroke-width": width, class: "lineage" });
}

// What the curves show: the objective, or a metric beside it, of which nobody has said whether less or more is better.
const objective = { name: data.metric, domain: data.domain, outside: data.outside, curves: data.lives, scores: true };
let shown = objective;

// The range of the better half of all scores: late in training the members are close together.
function closeUp() {
  const scores = data.lives.flatMap((life) => life.points.map(([, score]) => score).filter((score) => score !== null));
  scores.sort((a, b) => (data.lowerIsBetter ? a - b : b - a));
  if (!scores.length) return data.domain;
  const range = [scores[0], scores[Math.floor(scores.length / 2)]].sort((a, b) => a - b);
  return range[0] < range[1] ? range : data.domain;
}

let zoomed = false;

function scoreChart(host) {
  const height = host.clientWidth < 560 ? 300 : 430;
  const [low, high] = zoomed && shown.scores ? closeUp() : shown.domain;
  const pad = (high - low) * 0.04;
  const label = (high - low) * 0.08; // room beyond the best score, where its label goes
  const [floor, ceiling] = data.lowerIsBetter ? [low - label, high + pad] : [low - pad, high + label];
  const y = linearScale(floor, ceiling, height / 60);
  const plot = frame(host, { height, left: 58, y, title: "step" });
  const { inner } = plot;
  const cut = zoomed && shown.scores;
  const svg = cut ? clipped(plot) : plot.svg;
  const [least, most] = cut ? [-9, 9] : [0, 1]; // what lies outside is drawn at the edge, but cut off in a close-up
  const place = (step, score) => [plot.px(step), plot.py(Math.min(most, Math.max(least, y.at(score))))];
  const targets = [];
  const lines = new Strokes();
  const gone = new Strokes();
  const ends = new Strokes();
  const curves = new Map(data.lives.map((life, index) => [life, shown.curves[index]]));
  for (const [life, curve] of curves) {
    const scored = curve.points.filter(([, score]) => score !== null);
    const path = curve.origin ? [curve.origin, ...scored] : scored;
    lines.push(colour(life), polyline(path.map(([step, score]) => place(step, score))));
    const last = path[path.length - 1];
    const lost = curve.discarded.filter(([, score]) => score !== null);
    if (lost.length) gone.push("var(--muted)", polyline([...(last ? [last] : []), ...lost].map(([step, score]) => place(step, score))));
    if (!life.current && scored.length && life.replaced) {
      const [x, at] = place(...scored[scored.length - 1]);
      ends.push(colour(life), `M${x - 3} ${at - 3}l6 6m0 -6l-6 6`);
    }
    for (const [step, score] of [...curve.points, ...curve.discarded]) {
      const [x, at] = score === null ? [plot.px(step), data.lowerIsBetter ? inner.top : inner.bottom - 5] : place(step, score);
      if (score === null) add(svg, "path", { d: `M${x - 4} ${at - 3}h8l-4 7z`, class: "void" });
      targets.push({ x, y: at, life, step, score });
    }
  }
  if (shown.scores && data.target !== null && data.target >= floor && data.target <= ceiling) {
    const at = plot.py(y.at(data.target));
    add(svg, "line", { x1: inner.left, x2: inner.right, y1: at, y2: at, class: "target" });
    add(svg, "text", { x: inner.left + 6, y: at - 5, class: "note" }, `target ${digits(data.target)}`);
  }
  lines.draw(svg, { class: "lives", "stroke-opacity": crowded ? 0.35 : 0.7 });
  gone.draw(svg, { class: "gone" });
  ends.draw(svg, { class: "ends", "stroke-opacity": crowded ? 0.4 : 0.9 });
  const pathOf = (chain) => {
    const points = [];
    for (const { life, end } of chain) {
      const { origin, points: own } = curves.get(life);
      if (origin) points.push(place(...origin));
      for (const [step, score] of own) if (step <= end && score !== null) points.push(place(step, score));
    }
    return polyline(points);
  };
  emphasise(svg, pathOf(winner), "var(--ink)", 2.6);
  for (const { life } of winner) {
    const { origin } = curves.get(life);
    if (!origin || life.parent[0] === life.m) continue;
    const [cx, cy] = place(...origin);
    add(svg, "circle", { cx, cy, r: 4.2, class: "fork" });
  }
  if (shown.scores && data.best) markBest(svg, place(data.best[2], data.best[3]), inner);
  const overlay = add(svg, "g", { class: "overlay" });
  return {
    svg: plot.svg,
    trace: (chain) => trace(overlay, chain, pathOf),
    nearest: (x, at) => closest(targets, (target) => Math.hypot(target.x - x, target.y - at), 26),
  };
}

function clipped({ svg, inner }) {
  const clip = add(svg, "clipPath", { id: "close-up" });
  add(clip, "rect", { x: inner.left, y: inner.top - 8, width: inner.right - inner.left + 12, height: inner.bottom - inner.top + 8 });
  return add(svg, "g", { "clip-path": "url(#close-up)" });
}

function markBest(svg, [x, y], inner) {
  add(svg, "circle", { cx: x, cy: y, r: 6, class: "best" });
  const text = `member ${data.best[0]}: ${digits(data.best[3])}`;
  const end = x > (inner.left + inner.right) / 2;
  const at = data.lowerIsBetter ? y + 24 : y - 14;
  add(svg, "text", { x: end ? Math.min(x + 6, inner.right) : x - 6, y: at, "text-anchor": end ? "end" : "start", class: "label" }, text);
}

function trace(overlay, chain, pathOf) {
  overlay.replaceChildren();
  if (!chain.length) return;
  const d = pathOf(chain);
  if (d) emphasise(overlay, d, "var(--accent)", 2.4);
}

function closest(targets, distance, limit) {
  let found = null;
  let least = limit;
  for (const target of targets) {
    const away = distance(target);
    if (away < least) [found, least] = [target, away];
  }
  return found;
}

function valueChart(host) {
  const index = Number(host.dataset.axis);
  const axis = data.axes[index];
  const y = axisScale(axis);
  const height = 210;
  const longest = Math.max(...y.ticks.map(([, label]) => [...label].length), 3);
  const plot = frame(host, { height, left: 18 + 6.6 * longest, right: 14, top: 10, bottom: 26, y });
  const usable = (value) => typeof value === (axis.kind === "choice" ? typeof value : "number") && value !== null;
  const share = (life) => (data.members.length < 2 ? 0.5 : lane.get(life.m) / (data.members.length - 1));
  const height_ = (life, centred = false) => {
    const value = life.hp[index];
    if (!usable(value)) return NaN;
    const at = y.bands && !centred ? y.at(value, share(life)) : y.at(value);
    return plot.py(Math.min(1.02, Math.max(-0.02, at)));
  };
  const lines = new Strokes();
  const targets = [];
  for (const life of data.lives) {
    const at = height_(life);
    if (Number.isNaN(at)) continue;
    const [x1, x2] = [plot.px(life.start), plot.px(life.end)];
    const parent = life.parent && byKey.get(life.parent.join("-"));
    const from = parent ? height_(parent) : NaN;
    const jump = Number.isNaN(from) || from === at ? "" : `M${x1.toFixed(1)} ${from.toFixed(1)}V${at.toFixed(1)}`;
    lines.push(colour(life), `M${x1.toFixed(1)} ${at.toFixed(1)}H${x2.toFixed(1)}`);
    if (!y.bands) lines.push("var(--jump)", jump);
    targets.push({ x1, x2, y: at, life, step: life.end });
  }
  lines.draw(plot.svg, { class: "lives", "stroke-opacity": crowded ? 0.4 : 0.8 });
  const pathOf = (chain) => {
    let d = "";
    for (const { life, end } of chain) {
      const at = height_(life, true);
      if (Number.isNaN(at)) continue;
      d += `${d ? "L" : "M"}${plot.px(life.start).toFixed(1)} ${at.toFixed(1)}H${plot.px(Math.max(end, life.start)).toFixed(1)}`;
    }
    return d;
  };
  emphasise(plot.svg, pathOf(winner), "var(--ink)", 2.4);
  const overlay = add(plot.svg, "g", { class: "overlay" });
  const distance = ({ x1, x2, y: at }, x, yy) => Math.hypot(Math.max(x1 - x, 0, x - x2), at - yy);
  return {
    svg: plot.svg,
    trace: (chain) => trace(overlay, chain, pathOf),
    nearest: (x, yy) => closest(targets, (target) => distance(target, x, yy), 22),
  };
}
