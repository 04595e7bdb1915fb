// One value on the slices of one kind side by side, on one scale.

function slicesView(mount) {
  const kindOf = ({ name }) => name.split("=")[0];
  const kinds = [...new Set(summary.slices.map(kindOf))].filter((kind) => kind !== "all");
  const state = { value: summary.radar[0] ?? summary.values[0].name, kind: kinds[0] };
  const place = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores by slice" });
  mount.append(
    h("div", { class: "controls" },
      choice("Metric", summary.values.map((value) => [value.name, value.label]), state.value, (name) => { state.value = name; draw(); }),
      kinds.length > 1 && choice("Slices by", kinds.map((kind) => [kind, kind]), state.kind, (kind) => { state.kind = kind; draw(); })),
    place);
  draw();

  function draw() {
    const value = valueByName.get(state.value);
    const shown = summary.slices.filter((slice) => slice.name === "all" || kindOf(slice) === state.kind);
    const cells = summary.systems.flatMap((system) => shown.map((slice) => cellOf(system.name, value.name, slice.name)));
    const top = Math.max(0, ...cells.map((cell) => cell.high ?? cell.score ?? 0));
    const bottom = Math.min(0, ...cells.map((cell) => cell.low ?? cell.score ?? 0));
    place.replaceChildren(h("table", { class: "slices" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "System"), shown.map((slice) =>
        h("th", { scope: "col" }, slice.label, h("small", {}, sizeText(cellOf(summary.systems[0].name, value.name, slice.name)), silence(value, slice.name) && [h("br"), silence(value, slice.name)]))))),
      h("tbody", {}, summary.systems.map((system, index) => h("tr", {},
        h("th", { scope: "row" }, system.label, h("small", {}, system.use)),
        shown.map((slice) => {
          const cell = cellOf(system.name, value.name, slice.name);
          return h("td", {}, h("span", { class: "number" }, format(cell.score, value.decimals)),
            cell.low !== null && h("span", { class: "interval" }, `${format(cell.low, value.decimals)} – ${format(cell.high, value.decimals)}`),
            usesOwnModel(system.name, value) && h("span", { class: "interval own-model" }, "uses this metric's model"),
            bar(cell, bottom, top, index));
        }))))));
  }

  function bar(cell, bottom, top, index) {
    const x = (number) => (top === bottom ? 0 : ((number - bottom) / (top - bottom)) * 100);
    const svg = s("svg", { class: "slice-bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
    if (cell.score === null) return svg;
    svg.append(s("rect", { class: `block c${index % 9}`, x: x(Math.min(0, cell.score)), y: 1, width: Math.abs(x(cell.score) - x(0)), height: 6 }));
    if (cell.low !== null) svg.append(s("line", { class: "whisker", x1: x(cell.low), x2: x(cell.high), y1: 4, y2: 4 }));
    return svg;
  }
}
