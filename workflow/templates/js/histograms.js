// How drawings and captions of the test split are distributed.

function histograms(mount) {
  const column = (index) => samples.measures.map((measure) => measure[index]);
  const wordsOf = (texts) => texts.map((text) => text.split(/\s+/).filter(Boolean).length);
  const drawingPlots = measures.map(([, label], index) => [label, column(index), "c7"]);
  const references = wordsOf(samples.references.flat());
  const captionPlots = summary.systems.map(({ name, label }, index) => {
    const { captions, failed } = samples.systems[name];
    return [label, wordsOf(captions.filter((_, i) => failed[i] === undefined)), `c${index % 9}`];
  });
  const longest = Math.max(...references, ...captionPlots.flatMap(([, numbers]) => numbers));
  mount.append(
    h("h3", {}, "Drawings of the test split"),
    h("div", { class: "histograms" }, drawingPlots.map(([label, numbers, look]) => histogram(label, numbers, Math.max(...numbers), look))),
    h("h3", {}, "Words a caption"),
    h("div", { class: "histograms" },
      [["references", references, "c7"], ...captionPlots].map(([label, numbers, look]) => histogram(label, numbers, longest, look))));
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
