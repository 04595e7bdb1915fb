// What the page was made with, and what is shown of it now.

const summary = JSON.parse(document.getElementById("summary-data").textContent);
const samples = await unpack(document.getElementById("samples-data").textContent);

const systemIndex = new Map(summary.systems.map((system, index) => [system.name, index]));
const valueByName = new Map(summary.values.map((value) => [value.name, value]));

const uninformative = new Set(summary.uninformative);

/**
 * Score of a system on a slice: {score, low, high, n, failed, groups, mean, sd, seeds}; score and ends are null where
 * there are none. Of a model with several trainings `seeds` are their scores, and `sd` is the standard deviation of these.
 */
function cellOf(system, value, slice) {
  const [score, low, high, n, failed, groups, mean, sd, seeds] = summary.cells[`${system}|${value}|${slice}`];
  return { score, low, high, n, failed, groups, mean, sd, seeds };
}

/** Lead of system a over system b on all samples: {difference, low, high, p}, or null. The ends may be null. */
function leadOf(value, a, b) {
  for (const [name, first, second, difference, low, high, p] of summary.pairs) {
    if (name !== value) continue;
    if (first === a && second === b) return { difference, low, high, p };
    if (first === b && second === a) return { difference: -difference, low: high === null ? null : -high, high: low === null ? null : -low, p };
  }
  return null;
}

/** "best", "tie" or "" for a system by a value on all samples. */
function standing(system, value) {
  const best = summary.best[value];
  if (!best) return "";
  if (best.system === system) return "best";
  return best.ties.includes(system) ? "tie" : "";
}

/** Whether a system captions with the own model of a value's metric: by it, it is not ranked. */
function usesOwnModel(system, value) {
  return Boolean(summary.systems[systemIndex.get(system)]?.shares_model.includes(value.metric)); // published rows are no system
}

/** "not informative here: 0 for all systems" where a value tells no systems apart on a slice, otherwise "". */
function silence(value, slice) {
  const worst = value.range[value.higher ? 0 : 1];
  return uninformative.has(`${value.name}|${slice}`) ? `not informative here: ${worst} for all systems` : "";
}

/** How the intervals of some values were made. */
function intervalMethod(values) {
  const shares = values.filter((value) => value.share).map(({ label }) => label);
  return `bootstrap of the groups${shares.length ? ` (${shares.join(", ")}: Wilson's, by groups)` : ""}`;
}

/** `n = 80 in 68 groups`. */
function sizeText({ n, groups }) {
  return `n = ${n} in ${groups} ${groups === 1 ? "group" : "groups"}`;
}

/** Systems by what is known of their use: [[words, systems]]. `key` is "trained" or "input"; unknown is the last. */
function systemsBy(key, systems) {
  return Object.entries(summary.uses[key])
    .map(([code, words]) => [words, systems.filter((system) => system[key] === code)])
    .filter(([, found]) => found.length);
}

const systemOptions = summary.systems.map((system) => [system.name, system.label]);
const sliceOptions = summary.slices.map((slice) => [slice.name, `${slice.label} (${sizeText(slice)})`]);
const radarValues = summary.radar.map((name) => valueByName.get(name));
const mainValues = summary.main.map((name) => valueByName.get(name)); // those of the radar chart, then shares
const percent = `${Math.round(summary.confidence * 1000) / 10}%`;

/** A line in a system's colour and dashes with its marker, for legends. */
function swatch(index) {
  return s("svg", { class: "swatch", viewBox: "0 0 28 10", width: 28, height: 10, "aria-hidden": "true" },
    s("line", { x1: 0, x2: 28, y1: 5, y2: 5, class: `line ${seriesClass(index)}` }),
    s("circle", { cx: 14, cy: 5, r: 3, class: `point ${seriesClass(index)}` }));
}

/** Colour and dashes of a system; no pair of them comes again among 54. */
function seriesClass(index) {
  return `c${index % 9} d${((index % 9) + Math.floor(index / 9)) % 6}`;
}

// Systems that charts and samples show; switched by the legends.
const hidden = new Set();
const onSwitch = [];
// What follows when a person points at a system, in a chart or in a legend; its name, or null when that ends.
const onPoint = [];

/** Listeners of an element that stands for a system. */
function pointing(name) {
  const tell = (pointed) => () => onPoint.forEach((follow) => follow(pointed));
  return { onpointerenter: tell(name), onpointerleave: tell(null), onfocus: tell(name), onblur: tell(null) };
}

/**
 * Buttons that show and hide systems, in all places at once, by whether these are trained on this data. `listeners` gives
 * further ones of a system's button.
 */
function legend(listeners = () => ({})) {
  const buttons = summary.systems.map((system, index) =>
    h("button", {
      type: "button", class: "chip", "aria-pressed": "true", ...listeners(system.name),
      onclick: () => {
        if (hidden.has(system.name)) hidden.delete(system.name);
        else hidden.add(system.name);
        for (const update of onSwitch) update();
      },
    }, swatch(index), system.label));
  onSwitch.push(() => buttons.forEach((button, index) =>
    button.setAttribute("aria-pressed", String(!hidden.has(summary.systems[index].name)))));
  const folded = matchMedia("(max-width: 48rem)");
  const place = h("details", { class: "legend", "aria-label": "Systems shown", open: !folded.matches },
    h("summary", {}, `Systems shown (${summary.systems.length})`), systemsBy("trained", summary.systems).map(([words, systems]) =>
    h("div", { class: "legend-side", role: "group", "aria-label": words },
      h("span", { class: "training-side", "aria-hidden": "true" }, words),
      systems.map(({ name }) => buttons[systemIndex.get(name)]))));
  folded.addEventListener("change", () => { place.open = !folded.matches; });
  return place;
}

// Drawings lie in compressed parts; each is opened once, when a sample in it is first shown.
const partSize = 50;
const openedParts = new Map();

/** [svg text, base64 WebP or null, width, height] of the sample at `index`. */
async function drawingOf(index) {
  const number = Math.floor(index / partSize);
  if (!openedParts.has(number)) openedParts.set(number, unpack(document.getElementById(`drawings-${number}`).textContent));
  return (await openedParts.get(number))[index % partSize];
}

/** The JSON in base64 of deflated text. */
async function unpack(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}
