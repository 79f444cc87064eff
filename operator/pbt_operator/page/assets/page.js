// What moves: drawing at the width there is, the tooltip, the filter of the decisions, the copy button.

const tooltip = document.getElementById("tooltip");
let charts = [];

function draw() {
  const build = { scores: scoreChart, value: valueChart, tree: treeChart, series: seriesChart };
  const hosts = [...document.querySelectorAll("[data-chart]")];
  charts = hosts.map((host) => build[host.dataset.chart](host));
  for (const chart of charts) listen(chart);
}

function listen(chart) {
  const move = (event) => {
    const box = chart.svg.getBoundingClientRect();
    const scale = chart.svg.viewBox.baseVal.width / box.width;
    show(chart.nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale), event);
  };
  chart.svg.addEventListener("pointermove", move);
  chart.svg.addEventListener("pointerdown", move);
  chart.svg.addEventListener("pointerleave", () => show(null));
}

function show(target, event) {
  const chain = target ? chainOf(target.life, target.step) : [];
  for (const chart of charts) chart.trace(chain);
  tooltip.hidden = !target;
  if (!target) return;
  tooltip.replaceChildren(...describe(target));
  const { width, height } = tooltip.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const x = event.clientX + 16 + width > room ? Math.max(4, event.clientX - width - 16) : event.clientX + 16;
  const y = event.clientY - height - 12 < 0 ? event.clientY + 18 : event.clientY - height - 12;
  tooltip.style.transform = `translate(${x}px, ${y}px)`;
}

function describe({ life, step, score }) {
  const line = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const counts = life.discarded.some(([at]) => at === step) ? " (doesn't count)" : "";
  const told = score === undefined ? "" : ` · ${shown.name} ${score === null ? "not finite" : digits(score)}${counts}`;
  const values = data.axes.map((axis, i) => {
    const value = life.hp[i];
    return `${axis.name} ${typeof value === "number" ? digits(value) : value}`;
  });
  const ancestor = life.ancestor ? ` · first ancestor ${life.ancestor.join("-")}` : "";
  return [
    line("strong", `member ${life.m}, incarnation ${life.i}`),
    line("span", score === undefined ? `steps ${steps(life.start)} to ${steps(life.end)}${ancestor}` : `step ${steps(step)}${told}`),
    line("span", shorten(values.join(" · "), 200)),
    line("em", `${life.cause}: ${life.why}`),
  ];
}

function filterDecisions() {
  const rows = [...document.querySelectorAll("#decisions tbody tr")];
  const [text, cause, count] = ["filter-text", "filter-cause", "filter-count"].map((id) => document.getElementById(id));
  if (!text) return;
  const apply = () => {
    const wanted = text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const plain = row.textContent.toLowerCase();
      const kind = !cause.value || row.dataset.cause === cause.value || (cause.value === "winner" && "winner" in row.dataset);
      row.hidden = !(kind && wanted.every((word) => plain.includes(word)));
      shown += !row.hidden;
    }
    count.textContent = `${steps(shown)} of ${steps(rows.length)}`;
  };
  text.addEventListener("input", apply);
  cause.addEventListener("change", apply);
  apply();
}

function zoomButton() {
  const button = document.getElementById("zoom");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    zoomed = !zoomed;
    button.setAttribute("aria-pressed", zoomed);
    draw();
  });
}

function metricChoice() {
  const choice = document.getElementById("metric");
  if (!choice) return;
  document.getElementById("metrics").hidden = false;
  const intro = choice.closest("section").querySelector("p");
  const [ofScores, ofAll] = [intro.textContent, "One line for each life of a member"];
  const rest = ofScores.slice(ofScores.indexOf(ofAll)).replace(/ Far worse ones are drawn at the edge: [\d,]+ reports?\./, "");
  choice.addEventListener("change", () => {
    shown = [objective, ...data.others][Number(choice.value)];
    document.getElementById("zoom").hidden = !shown.scores;
    intro.textContent = shown.scores ? ofScores : `${shown.name} over steps. Members are compared by ${objective.name}. ${rest}`;
    const away = shown.scores ? 0 : shown.outside; // those of the objective are told above
    document.getElementById("metric-note").textContent = away ? `drawn at the edge, for they lie far away: ${steps(away)}` : "";
    draw();
  });
}

function copyButton() {
  const button = document.getElementById("copy");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById("schedule-yaml");
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source); // pages opened from a file may not write the clipboard
      button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => (button.textContent = "Copy"), 2500);
  });
}

let width = document.documentElement.clientWidth;
addEventListener("resize", () => {
  if (document.documentElement.clientWidth === width) return;
  width = document.documentElement.clientWidth;
  draw();
});
draw();
filterDecisions();
zoomButton();
metricChoice();
copyButton();
