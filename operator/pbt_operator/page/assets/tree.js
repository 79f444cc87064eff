// The lineage tree: one row for each member, its lives as bars, births as links between rows.

function treeChart(host) {
  const count = data.members.length;
  const row = count <= 12 ? 30 : count <= 40 ? 18 : 10;
  const [left, top] = [58, 8];
  const height = top + count * row + 42;
  const plot = frame(host, { height, left, right: host.clientWidth < 560 ? 22 : 84, top, bottom: 42, title: "step" });
  const { svg } = plot;
  const middle = (member) => top + (lane.get(member) + 0.5) * row;
  const thick = Math.min(12, row * 0.5);
  const [bars, tails, links] = [new Strokes(), new Strokes(), new Strokes()];
  const marks = new Strokes();
  const targets = [];
  const bend = (x, from, to) => {
    const reach = Math.min(9, plot.px(data.totalSteps) / 40);
    return `M${(x - reach).toFixed(1)} ${from}C${x.toFixed(1)} ${from} ${x.toFixed(1)} ${to} ${(x + 2).toFixed(1)} ${to}`;
  };
  const every = row >= 14 ? 1 : 5;
  for (const [member, index] of lane) {
    if (index % every) continue;
    add(svg, "text", { x: left - 10, y: middle(member) + 4, "text-anchor": "end", class: "tick" }, `${member}`);
  }
  for (const life of data.lives) {
    const at = middle(life.m);
    const [x1, x2, x3] = [life.start, life.end, life.reached].map(plot.px);
    bars.push(colour(life), `M${(x1 + 1).toFixed(1)} ${at}H${Math.max(x2, x1 + 2).toFixed(1)}`);
    if (x3 > x2) tails.push("var(--muted)", `M${x2.toFixed(1)} ${at}H${x3.toFixed(1)}`);
    if (life.parent && life.parent[0] !== life.m && lane.has(life.parent[0])) {
      links.push(colour(life), bend(x1, middle(life.parent[0]), at));
    } else if (life.cause === "Crash") {
      marks.push("var(--bad)", `M${x1 - 3} ${at - 4}l6 8m0 -8l-6 8`);
    } else if (life.cause === "Resume") {
      marks.push("var(--paper)", `M${x1 + 1} ${at - thick / 2}v${thick}`);
    }
    targets.push({ x1, x2: Math.max(x3, x1 + 3), y: at, life, step: life.end });
  }
  links.draw(svg, { class: "links", "stroke-opacity": data.lives.length > 1000 ? 0.15 : crowded ? 0.35 : 0.75 });
  bars.draw(svg, { class: "bars", "stroke-width": thick });
  tails.draw(svg, { class: "gone" });
  marks.draw(svg, { class: "marks" });
  const pathOf = (chain) => {
    let d = "";
    chain.forEach(({ life, end }, index) => {
      const [x1, at] = [plot.px(life.start), middle(life.m)];
      const next = chain[index + 1]?.life;
      const x2 = plot.px(end) - (next && next.m !== life.m ? 4 : 0);
      d += d ? `L${(x1 + (index && chain[index - 1].life.m !== life.m ? 4 : 0)).toFixed(1)} ${at}` : `M${x1.toFixed(1)} ${at}`;
      d += `L${Math.max(x1, x2).toFixed(1)} ${at}`;
    });
    return d;
  };
  emphasise(svg, pathOf(winner), "var(--ink)", 2.6);
  if (data.best) add(svg, "circle", { cx: plot.px(data.best[2]), cy: middle(data.best[0]), r: 6, class: "best" });
  if (row >= 14 && host.clientWidth >= 560) labelRows(svg, plot, middle);
  const overlay = add(svg, "g", { class: "overlay" });
  const distance = ({ x1, x2, y }, x, yy) => Math.hypot(Math.max(x1 - x, 0, x - x2), 2 * (y - yy));
  return {
    svg,
    trace: (chain) => trace(overlay, chain, pathOf),
    nearest: (x, yy) => closest(targets, (target) => distance(target, x, yy), 24),
  };
}

function labelRows(svg, plot, middle) {
  for (const life of data.lives) {
    const scored = life.points.filter(([, score]) => score !== null);
    if (!life.current || !scored.length) continue;
    const text = digits(scored[scored.length - 1][1].toPrecision(4));
    add(svg, "text", { x: plot.inner.right + 10, y: middle(life.m) + 4, class: "tick" }, text);
  }
}
