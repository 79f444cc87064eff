// Lines over steps that belong to no life: how many ancestors are alive, what sub-populations reached.

function seriesChart(host) {
  const lines = data.series[host.dataset.series];
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
  const whole = values.every(Number.isInteger);
  const low = whole ? 0 : Math.min(...values);
  const high = Math.max(...values, whole ? 1 : -Infinity);
  const pad = (high - low) * 0.06 || 0.5;
  const y = linearScale(whole ? 0 : low - pad, high + pad, 6, whole);
  const plot = frame(host, { height: 210, left: 52, right: 14, top: 10, bottom: 26, y });
  lines.forEach(({ points }, index) => {
    const d = polyline(points.map(([step, value]) => [plot.px(step), plot.py(y.at(value))]));
    add(plot.svg, "path", { d, stroke: `var(--c${index % 8})`, class: "series", fill: "none" });
  });
  const legend = document.createElement("ul");
  legend.className = "legend";
  lines.forEach(({ name }, index) => {
    const item = document.createElement("li");
    const chip = document.createElement("span");
    chip.className = `chip c${index % 8}`;
    item.append(chip, name);
    legend.append(item);
  });
  host.append(legend);
  return { svg: plot.svg, trace: () => {}, nearest: () => null };
}
