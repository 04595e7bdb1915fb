// The table of systems x values: slice, comparison with one system, sorting, copying.

function scoresTable(mount) {
  const state = { slice: "all", rival: "", values: radarValues, sort: null, descending: true };
  const place = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores of all systems" });
  const formats = { CSV: asCsv, Markdown: asMarkdown, LaTeX: asLatex };

  const rivalField = choice("Differences from", [["", "none"], ...systemOptions], "", (name) => { state.rival = name; draw(); });
  mount.append(
    h("div", { class: "controls" },
      choice("Samples", sliceOptions, state.slice, (name) => {
        state.slice = name;
        rivalField.hidden = name !== "all";
        draw();
      }),
      rivalField,
      radarValues.length < summary.values.length && choice("Values", [["main", `main (${radarValues.length})`], ["all", `all (${summary.values.length})`]], "main", (name) => {
        Object.assign(state, { values: name === "all" ? summary.values : radarValues, sort: null });
        draw();
      }),
      h("div", { class: "buttons", role: "group", "aria-label": "Copy the table" },
        h("span", {}, "Copy as"),
        Object.entries(formats).map(([name, write]) =>
          h("button", { type: "button", onclick: (event) => copyText(write(rows(), state), event.currentTarget) }, name)))),
    place);
  draw();

  function rows() {
    const systems = summary.systems.map((system) => ({
      system, cells: state.values.map((value) => cellOf(system.name, value.name, state.slice)),
    }));
    if (state.sort === null) return systems;
    const key = ({ cells }) => cells[state.sort].score ?? -Infinity;
    return systems.sort((a, b) => (state.descending ? key(b) - key(a) : key(a) - key(b)));
  }

  function draw() {
    const failures = state.values.map((value) => Math.max(...summary.systems.map((system) =>
      cellOf(system.name, value.name, state.slice).failed)));
    const columnN = state.values.map((value) => cellOf(summary.systems[0].name, value.name, state.slice).n);
    const anyFailed = Math.max(...failures) > 0;
    place.replaceChildren(h("table", { class: "scores" },
      h("thead", {}, h("tr", {},
        header("System", null),
        state.values.map((value, column) => header(value.label, column)),
        anyFailed && h("th", { scope: "col" }, "failed")),
      h("tr", { class: "ns" }, h("td", {}, "samples scored"), columnN.map((n) => h("td", {}, `n = ${n}`)), anyFailed && h("td"))),
      h("tbody", {}, rows().map(({ system, cells }) => h("tr", {},
        h("th", { scope: "row" }, h("div", { class: "name" }, swatch(systemIndex.get(system.name)),
          h("span", {}, system.label, h("small", {}, system.family)))),
        cells.map((cell, column) => scoreCell(system, state.values[column], cell)),
        anyFailed && h("td", { class: failedOf(cells) ? "failed" : null }, String(failedOf(cells))))))));
  }

  function failedOf(cells) {
    return Math.max(...cells.map((cell) => cell.failed));
  }

  function header(label, column) {
    const active = state.sort === column;
    const direction = column !== null && active ? (state.descending ? "descending" : "ascending") : "none";
    return h("th", { scope: "col", "aria-sort": direction },
      h("button", {
        type: "button",
        onclick: () => {
          state.descending = column !== null && (active ? !state.descending : state.values[column].higher);
          state.sort = column;
          draw();
        },
      }, label, h("span", { class: "arrow", "aria-hidden": "true" }, { descending: "↓", ascending: "↑", none: "" }[direction])));
  }

  function scoreCell(system, value, cell) {
    const mark = state.slice === "all" ? standing(system.name, value.name) : "";
    const rival = state.slice === "all" && state.rival && state.rival !== system.name
      ? leadOf(value.name, system.name, state.rival) : null;
    return h("td", { class: mark },
      h("span", { class: "number" }, format(cell.score, value.decimals)),
      mark && h("span", { class: `badge ${mark}` }, mark),
      rival ? difference(rival, value)
        : cell.low !== null && h("span", { class: "interval" }, `${format(cell.low, value.decimals)} – ${format(cell.high, value.decimals)}`));
  }

  function difference(lead, value) {
    const better = value.higher ? lead.difference > 0 : lead.difference < 0;
    const clear = lead.p < 1 - summary.confidence;
    const sign = lead.difference > 0 ? "+" : "";
    return h("span", { class: `interval ${clear ? (better ? "better" : "worse") : ""}` },
      `${sign}${format(lead.difference, value.decimals)} ${clear ? (better ? "better" : "worse") : "n.s."}`,
      h("small", {}, `p ${lead.p < 0.001 ? "< 0.001" : `= ${lead.p.toFixed(3)}`}`));
  }
}

function plainCell(cell, value) {
  if (cell.score === null) return "–";
  const interval = cell.low === null ? "" : ` [${cell.low.toFixed(value.decimals)}, ${cell.high.toFixed(value.decimals)}]`;
  return cell.score.toFixed(value.decimals) + interval;
}

function asCsv(rows, state) {
  const quote = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const lines = [["system", "family", "slice", "value", "score", "low", "high", "n", "n_failed"].join(",")];
  for (const { system, cells } of rows) {
    cells.forEach((cell, column) => lines.push([quote(system.label), quote(system.family), quote(state.slice),
      quote(state.values[column].name), cell.score ?? "", cell.low ?? "", cell.high ?? "", cell.n, cell.failed].join(",")));
  }
  return lines.join("\n");
}

function asMarkdown(rows, state) {
  const clean = (text) => text.replaceAll("|", "\\|").replace(/\s+/g, " ");
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [
    line(["system", ...state.values.map((value) => clean(value.label))]),
    line(["---", ...state.values.map(() => "---:")]),
    ...rows.map(({ system, cells }) => line([clean(system.label), ...cells.map((cell, i) => plainCell(cell, state.values[i]))])),
  ].join("\n");
}

function asLatex(rows, state) {
  const clean = (text) => text.replace(/\\/g, "\\textbackslash ").replace(/[&%$#_{}]/g, "\\$&").replace(/~/g, "\\textasciitilde ").replace(/\^/g, "\\textasciicircum ");
  const cellText = (system, cell, value) => {
    const text = cell.score === null ? "--" : cell.score.toFixed(value.decimals);
    const mark = state.slice === "all" ? standing(system.name, value.name) : "";
    return mark === "best" ? `\\textbf{${text}}` : mark === "tie" ? `\\underline{${text}}` : text;
  };
  return [
    `\\begin{tabular}{l${"r".repeat(state.values.length)}}`,
    "\\toprule",
    `System & ${state.values.map((value) => clean(value.label)).join(" & ")} \\\\`,
    "\\midrule",
    ...rows.map(({ system, cells }) => `${clean(system.label)} & ${cells.map((cell, i) => cellText(system, cell, state.values[i])).join(" & ")} \\\\`),
    "\\bottomrule",
    "\\end{tabular}",
    "% bold: best; underlined: not significantly different from the best",
  ].join("\n");
}
