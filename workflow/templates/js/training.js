// Curves of one training: losses, and the score of captions where it wrote some at its evaluations; the best step marked.

function trainingCurves(mount) {
  const { model, train, validation, metric, scores, ...steps } = summary.trainings[Number(mount.dataset.training)];
  if (!train.length && !validation.length) {
    mount.append(h("p", { class: "note" }, "No losses were recorded."));
    return;
  }
  plotSteps(mount, `Loss of ${model} by optimizer step`, steps, [
    { name: "train loss", look: "c5", points: train },
    { name: "validation loss", look: "c1", points: validation, dots: "validation loss" },
  ]);
  if (scores.length) {
    plotSteps(mount, `${metric} of validation captions of ${model} by optimizer step`, steps, [
      { name: `${metric} of validation captions`, look: "c2", points: scores, dots: metric },
    ]);
  }
}

/** Curves of points [step, value] as lines, those with `dots` with their points too, on one axis that begins at 0. */
function plotSteps(mount, label, { best_step: best, last_step: last, planned_steps: planned }, curves) {
  const points = curves.flatMap((curve) => curve.points);
  const width = 460, height = 244, left = 42, right = 12, top = 36, bottom = 34;
  const lastStep = Math.max(...points.map(([step]) => step));
  const values = points.map(([, value]) => value);
  const highest = Math.max(...values), lowest = Math.min(0, ...values);
  const x = (step) => left + (step / lastStep) * (width - left - right);
  const y = (value) => top + ((highest - value) / (highest - lowest || 1)) * (height - top - bottom);
  const path = (line) => `M${line.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}`;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const vertical = ticks(lowest, highest, 4), horizontal = ticks(0, lastStep, 5);
  for (const tick of vertical.found) {
    svg.append(s("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      s("text", { class: "tick", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick, vertical.step)));
  }
  for (const tick of horizontal.found) {
    svg.append(s("text", { class: "tick", x: x(tick), y: height - 18, "text-anchor": "middle" }, tickText(tick, horizontal.step)));
  }
  svg.append(s("text", { class: "tick", x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, "optimizer step"));
  if (typeof best === "number") mark("best-step", best, 26, `kept: step ${best}`);
  if (typeof planned === "number" && typeof last === "number" && last < planned) mark("stop-step", last, 10, `stopped at ${last} of ${planned}`);
  for (const { look, points: line } of curves) {
    if (line.length) svg.append(s("path", { class: `line ${look} d0`, d: path(line) }));
  }
  for (const { look, points: line, dots } of curves.filter((curve) => curve.dots)) {
    for (const [step, value] of line) {
      svg.append(s("circle", { class: `point ${look}`, cx: x(step), cy: y(value), r: 3.5 }, s("title", {}, `step ${step}: ${dots} ${value.toFixed(4)}`)));
    }
  }
  mount.append(svg, h("p", { class: "curve-legend" }, ...curves.map(({ name, look }) => h("span", {}, swatch(look), name))));

  /** A vertical line at a step, with its name above the plot, where no curve runs; `row` is the name's height. */
  function mark(look, step, row, text) {
    const anchor = x(step) > width / 2 ? "end" : "start";
    svg.append(s("line", { class: look, x1: x(step), x2: x(step), y1: row + 4, y2: height - bottom }),
      s("text", { class: "tick", x: x(step) + (anchor === "end" ? 2 : -2), y: row, "text-anchor": anchor }, text));
  }

  function swatch(colour) {
    return s("svg", { viewBox: "0 0 20 8", width: 20, height: 8, "aria-hidden": "true" }, s("line", { class: `line ${colour} d0`, x1: 0, x2: 20, y1: 4, y2: 4 }));
  }
}
