// Radar chart and forest plots, drawn as SVG.

const scalingTexts = {
  fixed: "fixed ranges",
  rounded: "to the next round number",
  min_max: "min–max over the systems",
};

function charts(mount) {
  const state = { slice: "all", scaling: summary.scaling };
  const radarPlace = h("figure", { class: "chart radar" });
  const forestPlace = h("figure", { class: "chart forest" });
  const readout = h("p", { class: "note readout", role: "status" });
  let pointed = null;
  mount.append(
    h("div", { class: "controls" },
      choice("Samples", sliceOptions, state.slice, (name) => { state.slice = name; draw(); }),
      choice("Radar axes", Object.entries(scalingTexts), state.scaling, (name) => { state.scaling = name; draw(); })),
    legend(pointing),
    readout,
    h("div", { class: "charts" }, radarValues.length > 2 && radarPlace, forestPlace));
  onSwitch.push(draw);
  onPoint.push((name) => { pointed = name; follow(); });
  draw();

  function draw() {
    radarPlace.replaceChildren(radar(state.slice, state.scaling),
      h("figcaption", {}, `Axes: ${scalingTexts[state.scaling]}, printed at each axis; farther out is better. Bands: ${percent} intervals.`));
    forestPlace.replaceChildren(
      h("div", { class: "panels" }, mainValues.map((value) => forest(value.label, value, (system) => cellOf(system.name, value.name, state.slice),
        (system) => (state.slice === "all" ? standing(system.name, value.name) : ""), silence(value, state.slice)))),
      h("figcaption", {}, [`Bars: ${percent} intervals, ${intervalMethod(mainValues)}.`,
        state.slice === "all" && "Filled points: best, or not significantly different from the best.",
        mainValues.some((value) => summary.systems.some(({ name }) => usesOwnModel(name, value))) && "§: this system uses the metric's model itself."].filter(Boolean).join(" ")));
    follow();
  }

  /** Bring the system that a person points at before the others, and say its scores. */
  function follow() {
    const system = summary.systems[systemIndex.get(pointed)];
    for (const place of [radarPlace, forestPlace]) {
      place.classList.toggle("pointed", Boolean(system) && !hidden.has(pointed));
      place.querySelectorAll("[data-system]").forEach((part) => part.classList.toggle("lit", part.dataset.system === pointed));
    }
    readout.textContent = system
      ? `${system.label}: ${mainValues.map((value) => scoreText(value, cellOf(pointed, value.name, state.slice))).join(", ")}; ${system.use}`
      : "Point at a name, a line or a row to read its scores.";
  }
}

function radar(slice, scaling) {
  // On a narrow screen the names keep their size, and the web is smaller.
  const radius = innerWidth < 768 ? 90 : 145, side = innerWidth < 768 ? 25 : -40;
  const size = 480, centre = size / 2, highest = centre - radius * 1.13 - 56;
  const axes = summary.axes[scaling][slice];
  const angles = axes.map((_, i) => (2 * Math.PI * i) / axes.length - Math.PI / 2);
  const at = (angle, share) => [centre + radius * share * Math.cos(angle), centre + radius * share * Math.sin(angle)];
  const share = (i, score) => Math.min(1, Math.max(0, (score - axes[i][0]) / (axes[i][1] - axes[i][0])));
  const path = (points) => `M${points.map((point) => point.map((x) => x.toFixed(1)).join(" ")).join("L")}Z`;
  const lowest = Math.max(...angles.map((angle) => at(angle, 1.13)[1])) + 40;
  const svg = s("svg", { viewBox: `${side} ${highest} ${size - 2 * side} ${lowest - highest}`, role: "img", "aria-label": "Radar chart of the scores in the table" });
  for (const ring of [0.25, 0.5, 0.75, 1]) svg.append(s("path", { class: "grid", d: path(angles.map((angle) => at(angle, ring))) }));
  angles.forEach((angle, i) => {
    const [x, y] = at(angle, 1), [labelX, labelY] = at(angle, 1.13);
    const anchor = Math.abs(Math.cos(angle)) < 0.2 ? "middle" : Math.cos(angle) > 0 ? "start" : "end";
    const name = lines(radarValues[i].label, 112, 13, 600), remark = silence(radarValues[i], slice) && "not informative here";
    const under = [`${short(axes[i][0], radarValues[i])} – ${short(axes[i][1], radarValues[i])}`, remark].filter(Boolean);
    // At the top all lines stand above the corner.
    const lift = Math.sin(angle) < -0.9 ? 16 - 15 * (name.length + under.length) : Math.sin(angle) > 0.5 ? 8 : -2;
    const line = (look) => (text, place) => s("text", { x: labelX, y: labelY + lift + 15 * place, "text-anchor": anchor, class: look }, text);
    svg.append(s("line", { class: "grid", x1: centre, y1: centre, x2: x, y2: y }),
      ...name.map(line("axis-name")), ...under.map((text, place) => line("axis-range")(text, name.length + place)));
  });
  const shown = summary.systems.filter((system) => !hidden.has(system.name));
  for (const layer of ["band", "line"]) {
    for (const system of shown) {
      const index = systemIndex.get(system.name);
      const cells = radarValues.map((value) => cellOf(system.name, value.name, slice));
      const known = cells.map((cell, i) => [cell, i]).filter(([cell]) => cell.score !== null);
      const polygon = (pick) => path(known.map(([cell, i]) => at(angles[i], share(i, pick(cell)))));
      if (known.length < 3) continue;
      if (layer === "band") {
        svg.append(s("path", { class: `band ${seriesClass(index)}`, "data-system": system.name, "fill-rule": "evenodd",
          d: polygon((cell) => cell.high ?? cell.score) + polygon((cell) => cell.low ?? cell.score) }));
        continue;
      }
      svg.append(s("g", { class: "series", "data-system": system.name, ...pointing(system.name) },
        s("path", { class: "hit-line", d: polygon((cell) => cell.score) }),
        s("path", { class: `line ${seriesClass(index)}`, d: polygon((cell) => cell.score) }),
        known.map(([cell, i]) => {
          const [x, y] = at(angles[i], share(i, cell.score));
          return s("circle", { class: `point ${seriesClass(index)}`, cx: x, cy: y, r: 3.5 },
            s("title", {}, `${system.label}: ${scoreText(radarValues[i], cell)}`));
        })));
    }
  }
  return svg;
}

/**
 * One panel: a row for each system shown, its name on the left, below a line that says whether these are trained on this
 * data. `cell` and `mark` are functions of the system; `remark` stands below the title.
 */
function forest(title, value, cell, mark, remark) {
  const rows = systemsBy("trained", summary.systems.filter((system) => !hidden.has(system.name)))
    .flatMap(([words, systems]) => [{ words }, ...systems.map((system) => ({ system, lines: lines(system.label, 170, 12) }))]);
  const row = 21, line = 13, width = 384, top = remark ? 40 : 24, left = 178, right = 12;
  const heights = rows.map(({ lines: found }) => row + line * ((found?.length ?? 1) - 1));
  const height = top + heights.reduce((sum, one) => sum + one, 0) + 22;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: scores with intervals, also in the table` },
    s("text", { x: left, y: 13, class: "panel-title" }, title + (value.higher ? "" : " (lower is better)")),
    remark && s("text", { x: width - right, y: 29, "text-anchor": "end", class: "tick" }, remark));
  const ends = summary.systems.map(cell).filter(({ score }) => score !== null)
    .flatMap(({ score, low, high }) => [score, low ?? score, high ?? score]);
  if (!ends.length) {
    svg.setAttribute("viewBox", `0 0 ${width} ${top + 2 * row}`);
    svg.append(s("text", { x: left, y: top + row, class: "tick" }, "no score: not for these samples"));
    return svg;
  }
  let [low, high] = [Math.min(...ends), Math.max(...ends)];
  if (high - low <= 1e-5 * (value.range[1] - value.range[0])) [low, high] = value.range;
  const x = (number) => left + 6 + ((number - low) / (high - low)) * (width - left - right - 6);
  const { step, found } = ticks(low, high, 4);
  for (const tick of found) {
    svg.append(s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - 18 }),
      s("text", { class: "tick", x: x(tick), y: height - 5, "text-anchor": "middle" }, tickText(tick, step)));
  }
  let below = top;
  rows.forEach(({ words, system, lines: label }, i) => {
    const y = below + heights[i] / 2;
    below += heights[i];
    if (words) {
      svg.append(s("text", { class: "training-side", x: 0, y: y + 5 }, words));
      return;
    }
    const { score, low: from, high: to, n, groups } = cell(system);
    const look = seriesClass(systemIndex.get(system.name));
    svg.append(s("g", { class: "series", "data-system": system.name, ...pointing(system.name) },
      s("text", { class: "row-name", "text-anchor": "end" }, label.map((text, n) =>
        s("tspan", { x: left - 6, y: y + 4 + line * (n - (label.length - 1) / 2) }, text))),
      from !== null && s("line", { class: `bar ${look}`, x1: x(from), x2: x(to), y1: y, y2: y }),
      score !== null && s("circle", { class: `${mark(system) ? "point" : "hollow"} ${look}`, cx: x(score), cy: y, r: 4.5 }),
      score !== null && usesOwnModel(system.name, value) && s("text", { class: "tick", x: x(score), y: y - 6, "text-anchor": "middle" }, "§"),
      s("rect", { class: "hit", x: 0, y: y - heights[i] / 2, width, height: heights[i] },
        s("title", {}, `${system.label}: ${scoreText(value, { score, low: from, high: to })}, ${sizeText({ n, groups })}`))));
  });
  return svg;
}

function scoreText(value, { score, low, high }) {
  const interval = low === null ? "" : ` [${format(low, value.decimals)}, ${format(high, value.decimals)}]`;
  return `${value.label} ${format(score, value.decimals)}${interval}`;
}

/** An end of an axis with the decimals of its value, without zeros at its end. */
function short(number, value) {
  return String(Number(number.toFixed(value.decimals))).replace("-", "−");
}

const ruler = document.createElement("canvas").getContext("2d");

/** A text in lines that are at most so wide, in pixels, as are the letters; a wider word is broken. */
function lines(text, width, size, weight = 400) {
  ruler.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  const fits = (line) => ruler.measureText(line).width <= width;
  const found = [""];
  for (const word of text.split(/\s+/)) {
    const longer = `${found.at(-1)} ${word}`.trim();
    if (fits(longer)) {
      found[found.length - 1] = longer;
      continue;
    }
    if (found.at(-1)) found.push("");
    for (const letter of word) {
      if (found.at(-1) && !fits(found.at(-1) + letter)) found.push("");
      found[found.length - 1] += letter;
    }
  }
  return found;
}

function clip(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
