// Axes: each maps a value to 0..1 and knows its ticks.

const steps = (value) => Math.round(value).toLocaleString("en-US");
const digits = (value) => String(+Number(value).toPrecision(5));

// 1, 2, 5, 10, 20, ... such that about `count` steps cover `span`.
function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  return nice * power;
}

function niceTicks(min, max, count) {
  if (!(max > min)) return [min];
  const step = niceStep(max - min, count);
  const ticks = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) ticks.push(i * step + 0); // never -0
  return ticks;
}

function linearScale(min, max, count = 5, whole = false) {
  const span = max - min || 1;
  let ticks = niceTicks(min, max, count);
  if (whole) ticks = ticks.filter(Number.isInteger);
  return { at: (value) => (value - min) / span, ticks: ticks.map((value) => [value, digits(value)]) };
}

// Powers of ten; in a narrow range also their multiples by two and five, or what a linear axis would have.
function logTicks(min, max, count) {
  const decades = Math.log10(max / min);
  if (decades < 0.7) return niceTicks(min, max, count);
  const factors = decades < 2 ? [1, 2, 5] : [1];
  const stride = Math.ceil(decades / (count + 1));
  const ticks = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    if (power % stride) continue;
    for (const factor of factors) {
      const tick = +`${factor}e${power}`;
      if (tick >= min * 0.999 && tick <= max * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

function logScale(min, max, count = 5) {
  const low = Math.log(min);
  const span = Math.log(max) - low || 1;
  const ticks = logTicks(min, max, count).map((value) => [value, digits(value)]);
  return { at: (value) => (Math.log(value) - low) / span, ticks };
}

// For values near 1: the distance to 1 is on a logarithmic axis.
function oneMinusScale(min, max, count = 5) {
  const inner = logScale(1 - max, 1 - min, count);
  const ticks = inner.ticks.map(([rest]) => [1 - rest, digits(1 - rest)]);
  return { at: (value) => 1 - inner.at(1 - value), ticks };
}

// One band for each value; `lane` (0..1) is a place inside it, so that members don't hide each other.
function bandScale(values) {
  const band = (value) => values.findIndex((known) => known === value);
  const at = (value, lane = 0.5) => {
    const index = band(value);
    return index < 0 ? NaN : (index + 0.14 + 0.72 * lane) / values.length;
  };
  const stride = Math.ceil(values.length / 12);
  const ticks = values.filter((_, index) => index % stride === 0).map((value) => [value, shorten(String(value), 12)]);
  return { at, bands: values.length, ticks };
}

function shorten(text, length) {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

function axisScale(axis) {
  switch (axis.kind) {
    case "log":
      return logScale(axis.min, axis.max, 4);
    case "oneMinus":
      return oneMinusScale(axis.min, axis.max, 4);
    case "integer": {
      const count = axis.max - axis.min + 1;
      if (count > 8) return linearScale(axis.min, axis.max, 4, true);
      return bandScale(Array.from({ length: count }, (_, i) => axis.min + i));
    }
    case "choice":
      return bandScale(axis.values);
    default:
      return linearScale(axis.min, axis.max, 4);
  }
}
