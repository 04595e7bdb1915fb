// Loss curves of one training: train as a line, validation as points, the best step marked.

function lossCurve(mount) {
  const { model, train, validation, best_step: best, last_step: last, planned_steps: planned } = summary.trainings[Number(mount.dataset.training)];
  const points = [...train, ...validation];
  if (!points.length) {
    mount.append(h("p", { class: "note" }, "No losses were recorded."));
    return;
  }
  const width = 460, height = 244, left = 42, right = 12, top = 36, bottom = 34;
  const lastStep = Math.max(...points.map(([step]) => step));
  const losses = points.map(([, loss]) => loss);
  const highest = Math.max(...losses), lowest = Math.min(0, ...losses);
  const x = (step) => left + (step / lastStep) * (width - left - right);
  const y = (loss) => top + ((highest - loss) / (highest - lowest || 1)) * (height - top - bottom);
  const path = (line) => `M${line.map(([step, loss]) => `${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("L")}`;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Loss of ${model} by optimizer step` });
  const vertical = ticks(lowest, highest, 4), horizontal = ticks(0, lastStep, 5);
  for (const tick of vertical.found) {
    svg.append(s("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      s("text", { class: "tick", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick, vertical.step)));
  }
  for (const tick of horizontal.found) {
    svg.append(s("text", { class: "tick", x: x(tick), y: height - 18, "text-anchor": "middle" }, tickText(tick, horizontal.step)));
  }
  svg.append(s("text", { class: "tick", x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, "optimizer step"));
  if (typeof best === "number") mark("best-step", best, 26, `best: step ${best}`);
  if (typeof planned === "number" && typeof last === "number" && last < planned) mark("stop-step", last, 10, `stopped at ${last} of ${planned}`);
  if (train.length) svg.append(s("path", { class: "line c5 d0", d: path(train) }));
  if (validation.length) svg.append(s("path", { class: "line c1 d0", d: path(validation) }));
  for (const [step, loss] of validation) {
    svg.append(s("circle", { class: "point c1", cx: x(step), cy: y(loss), r: 3.5 }, s("title", {}, `step ${step}: validation loss ${loss.toFixed(4)}`)));
  }
  mount.append(svg, h("p", { class: "curve-legend" },
    h("span", {}, line("c5"), "train"), h("span", {}, line("c1"), "validation")));

  /** A vertical line at a step, with its name above the plot, where no curve runs; `row` is the name's height. */
  function mark(look, step, row, text) {
    const anchor = x(step) > width / 2 ? "end" : "start";
    svg.append(s("line", { class: look, x1: x(step), x2: x(step), y1: row + 4, y2: height - bottom }),
      s("text", { class: "tick", x: x(step) + (anchor === "end" ? 2 : -2), y: row, "text-anchor": anchor }, text));
  }

  function line(colour) {
    return s("svg", { viewBox: "0 0 20 8", width: 20, height: 8, "aria-hidden": "true" }, s("line", { class: `line ${colour} d0`, x1: 0, x2: 20, y1: 4, y2: 4 }));
  }
}
