// How drawings and references of the splits are distributed, and how long the captions of the systems are.

function splitHistograms(mount) {
  mount.append(
    h("p", { class: "curve-legend" }, splitNames.map((split, index) => h("span", {}, sampleOfLine(index), split))),
    h("div", { class: "histograms" }, Object.entries(summary.statistics.measures).map(([name, measure]) => splitHistogram(summary.statistics.labels[name] ?? name, measure))));
}

function captionLengths(mount) {
  const wordsOf = (texts) => texts.map((text) => text.split(/\s+/).filter(Boolean).length);
  const references = wordsOf(samples.references.flat());
  const plots = summary.systems.map(({ name, label }, index) => {
    const { captions, failed } = samples.systems[name];
    return [label, wordsOf(captions.filter((_, i) => failed[i] === undefined)), `c${index % 9}`];
  });
  const longest = Math.max(...[references, ...plots.map(([, numbers]) => numbers)].map((numbers) => numbers.reduce((most, n) => Math.max(most, n), 0)));
  mount.append(h("div", { class: "histograms" },
    [["references", references, "c7"], ...plots].map(([label, numbers, look]) => histogram(label, numbers, longest, look))));
}

const splitNames = ["train", "validation", "test"];
const splitLooks = ["c7 d0", "c1 d1", "c0 d0"];

function sampleOfLine(index) {
  return s("svg", { viewBox: "0 0 20 8", width: 20, height: 8, "aria-hidden": "true" }, s("line", { class: `line ${splitLooks[index]}`, x1: 0, x2: 20, y1: 4, y2: 4 }));
}

/** Outlines of the splits on common bins, each as shares of its split. The last bin reaches to the end of a long tail. */
function splitHistogram(title, { edges, splits }) {
  const width = 260, height = 140, left = 4, right = 4, head = 40, foot = 18, n = edges.length - 1;
  const medians = splitNames.filter((split) => splits[split]).map((split) => splits[split].median.toLocaleString("en")).join(" · ");
  const shares = splitNames.map((split) => splits[split]?.histogram.map((count) => count / splits[split].n) ?? []);
  const highest = Math.max(...shares.flat());
  const x = (bin) => left + (bin / n) * (width - left - right);
  const y = (share) => head + (1 - share / highest) * (height - head - foot);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} by split; medians ${medians}` },
    s("text", { class: "panel-title", x: left, y: 12 }, title),
    s("text", { class: "tick", x: left, y: 27 }, `medians ${medians}`),
    s("line", { class: "grid", x1: left, x2: width - right, y1: y(0), y2: y(0) }));
  shares.forEach((heights, index) => heights.length && svg.append(s("path", { class: `line ${splitLooks[index]}`,
    d: `M${x(0)} ${y(0)}${heights.map((share, bin) => `V${y(share).toFixed(1)}H${x(bin + 1).toFixed(1)}`).join("")}V${y(0)}` })));
  for (let bin = 0; bin < n; bin += 1) {
    svg.append(s("rect", { class: "hit", x: x(bin), y: head, width: x(1) - x(0), height: y(0) - head },
      s("title", {}, `${wholeRange(edges[bin], edges[bin + 1] - 1)}: ${splitNames.filter((split) => splits[split]).map((split) => `${splits[split].histogram[bin].toLocaleString("en")} ${split}`).join(", ")}`)));
  }
  const middle = Math.floor(n / 2);
  const mark = (at, anchor, text) => svg.append(s("text", { class: "tick", x: at, y: height - 4, "text-anchor": anchor }, text));
  mark(left, "start", edges[0].toLocaleString("en"));
  if (n > 3) mark(x(middle), "middle", edges[middle].toLocaleString("en"));
  if (n > 1) mark(width - right, "end", wholeRange(edges[n - 1], edges[n] - 1));
  return h("figure", {}, svg);
}

function wholeRange(first, last) {
  return first === last ? first.toLocaleString("en") : `${first.toLocaleString("en")} – ${last.toLocaleString("en")}`;
}

/** One histogram from 0 to `top`, with its median marked. Numbers are whole. */
function histogram(title, numbers, top, look) {
  const width = 260, height = 124, left = 4, right = 4, head = 34, foot = 18;
  const step = Math.max(1, Math.ceil(roundStep(top / 20)));
  const bins = new Array(Math.floor(top / step) + 1).fill(0);
  for (const number of numbers) bins[Math.floor(number / step)] += 1;
  const highest = Math.max(1, ...bins);
  const x = (number) => left + (number / (bins.length * step)) * (width - left - right);
  const y = (n) => head + (1 - n / highest) * (height - head - foot);
  const sorted = numbers.toSorted((a, b) => a - b);
  const median = sorted.length ? (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2 : null;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: histogram of ${numbers.length}, median ${median ?? "none"}` },
    s("text", { class: "panel-title", x: left, y: 12 }, clip(title, 34)),
    median !== null && s("text", { class: "tick", x: left, y: 27 }, `median ${median.toLocaleString("en")}`));
  bins.forEach((n, i) => n && svg.append(s("rect", { class: `block ${look}`, x: x(i * step), y: y(n), width: Math.max(1, x(step) - x(0) - 1), height: y(0) - y(n) },
    s("title", {}, `${i * step}${step > 1 ? ` to ${(i + 1) * step - 1}` : ""}: ${n}`))));
  svg.append(s("line", { class: "grid", x1: left, x2: width - right, y1: y(0), y2: y(0) }));
  const { step: apart, found } = ticks(0, bins.length * step, 4);
  for (const tick of found) svg.append(s("text", { class: "tick", x: x(step === 1 ? tick + 0.5 : tick), y: height - 4, "text-anchor": tick === 0 ? "start" : tick === found.at(-1) ? "end" : "middle" }, tickText(tick, apart)));
  if (median !== null) svg.append(s("line", { class: "best-step", x1: x(median + 0.5), x2: x(median + 0.5), y1: head, y2: y(0) }));
  return h("figure", {}, svg);
}
