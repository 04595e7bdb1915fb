// The table of systems x values: slice, comparison with one system, sorting, and systems by training and input.

function scoresTable(mount) {
  const state = { slice: "all", rival: "", values: mainValues, sort: null, descending: true, unfolded: new Set(), format: "CSV", trained: "", input: "", parts: "trained" };
  const place = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores of all systems" });
  const counted = h("p", { class: "note counted", role: "status" });
  const formats = { CSV: [asCsv, "csv"], Markdown: [asMarkdown, "md"], LaTeX: [asLatex, "tex"] };

  const rivalField = choice("Differences from", [["", "none"], ...systemOptions], "", (name) => { state.rival = name; draw(); });
  const samplesField = choice("Samples", sliceOptions, state.slice, setSlice);
  mount.append(
    h("div", { class: "controls" },
      samplesField,
      rivalField,
      mainValues.length < summary.values.length && choice("Values", [["main", `main (${mainValues.length})`], ["all", `all (${summary.values.length})`]], "main", (name) => {
        Object.assign(state, { values: name === "all" ? summary.values : mainValues, sort: null });
        draw();
      }),
      ...["trained", "input"].map(filterField),
      choice("Parts", [["trained", "by training"], ["input", "by input"], ["", "none"]], state.parts, (name) => { state.parts = name; draw(); }),
      choice("This table as", Object.keys(formats).map((name) => [name, name]), state.format, (name) => { state.format = name; }),
      h("div", { class: "buttons", role: "group", "aria-label": "Export the table" },
        h("button", { type: "button", onclick: (event) => copyText(exported(), event.currentTarget) }, "Copy"),
        h("button", { type: "button", onclick: () => saveText(`${summary.experiment}-scores.${formats[state.format][1]}`, "text/plain", exported()) }, "Save"))),
    counted, place);
  draw();

  /** Show a slice. Only all samples have tests, and what explains them. */
  function setSlice(name) {
    state.slice = name;
    samplesField.querySelector("select").value = name;
    rivalField.hidden = name !== "all";
    document.getElementById("tested-note").hidden = name !== "all";
    document.getElementById("untested-note").hidden = name === "all";
    draw();
  }

  /** A choice of the systems of one kind; none where all are of one kind. */
  function filterField(key) {
    const kinds = Object.entries(summary.uses[key]).filter(([code]) => summary.systems.some((system) => system[key] === code));
    return kinds.length > 1 && choice(key === "trained" ? "Training" : "Input", [["", "all"], ...kinds], "", (code) => { state[key] = code; draw(); });
  }

  function exported() {
    const [write] = formats[state.format];
    return write([...parts().flatMap(([, rows]) => rows), ...publishedRows(state.slice, state.values)], { ...state, rival: state.slice === "all" ? state.rival : "" });
  }

  /** The rows of each part of the table: [[words, rows]], sorted inside the parts. */
  function parts() {
    const shown = summary.systems.filter((system) => ["trained", "input"].every((key) => !state[key] || system[key] === state[key]));
    const found = state.parts ? systemsBy(state.parts, shown) : [["", shown]];
    return found.map(([words, systems]) => [words, sorted(systems)]);
  }

  function sorted(systems) {
    const rows = systems.map((system) => ({
      system, cells: state.values.map((value) => cellOf(system.name, value.name, state.slice)),
    }));
    if (state.sort === null) return rows;
    const key = ({ cells }) => cells[state.sort].score ?? -Infinity;
    return rows.sort((a, b) => (state.descending ? key(b) - key(a) : key(a) - key(b)));
  }

  function draw() {
    const failures = state.values.map((value) => Math.max(...summary.systems.map((system) =>
      cellOf(system.name, value.name, state.slice).failed)));
    const sizes = state.values.map((value) => cellOf(summary.systems[0].name, value.name, state.slice));
    const anyFailed = Math.max(...failures) > 0;
    const found = parts(), shown = found.reduce((n, [, rows]) => n + rows.length, 0);
    counted.textContent = shown < summary.systems.length ? `${shown} of ${summary.systems.length} systems shown` : "";
    place.replaceChildren(h("table", { class: "scores" },
      h("thead", {}, h("tr", {},
        header("System", null),
        state.values.map((value, column) => header(value.label, column)),
        anyFailed && h("th", { scope: "col" }, "failed")),
      h("tr", { class: "ns" }, h("td", {}, "samples scored"), sizes.map((size, column) => h("td", {}, sizeText(size), noteOf(silence(state.values[column], state.slice)))), anyFailed && h("td"))),
      found.map(([words, rows]) => h("tbody", {},
        words && h("tr", { class: "part" }, h("th", { scope: "rowgroup", colspan: state.values.length + 1 + Number(anyFailed) }, words)),
        rows.flatMap(({ system, cells }) => [h("tr", {},
          h("th", { scope: "row" }, h("div", { class: "name" }, swatch(systemIndex.get(system.name)),
            h("span", {}, system.label, h("small", {}, `${system.family}, ${system.use}`), seedsButton(system)))),
          cells.map((cell, column) => scoreCell(system, state.values[column], cell, failures[column] > 0)),
          anyFailed && h("td", { class: failedOf(cells) ? "failed" : null }, String(failedOf(cells)))),
        ...seedRows(system, cells, anyFailed)]))),
      h("tbody", {}, humanRow(anyFailed)), h("tbody", {}, publishedBody(state.slice, state.values, anyFailed))));
  }

  /** Shows and hides the scores of each training of a model that has several. */
  function seedsButton(system) {
    const shown = state.unfolded.has(system.name);
    return system.seeds.length > 1 && h("button", {
      type: "button", class: "chip seeds", "aria-expanded": String(shown),
      onclick: () => {
        if (shown) state.unfolded.delete(system.name);
        else state.unfolded.add(system.name);
        draw();
      },
    }, shown ? "Hide the seeds" : `Show the ${system.seeds.length} seeds`);
  }

  function seedRows(system, cells, anyFailed) {
    if (!state.unfolded.has(system.name)) return [];
    return system.seeds.map((number, place) => h("tr", { class: "seed" },
      h("th", { scope: "row" }, `seed ${number}`),
      cells.map((cell, column) => h("td", {}, h("span", { class: "number" }, format(cell.seeds[place], state.values[column].decimals)))),
      anyFailed && h("td")));
  }

  /**
   * What people reach against each other: no ceiling, a measure of how far references differ. It is of the samples with
   * two or more references, so it stands beside the systems' scores on these; where all samples are shown, it leads there.
   */
  function humanRow(anyFailed) {
    const own = summary.slices.some(({ name }) => name === summary.several_references) ? summary.several_references : "all";
    if (![own, "all"].includes(state.slice) || !state.values.some(({ name }) => summary.human[name])) return null;
    if (state.slice !== own) {
      const { n } = summary.slices.find(({ name }) => name === own), { n: all } = summary.slices[0];
      return h("tr", { class: "human" }, h("td", { colspan: state.values.length + 1 + Number(anyFailed) },
        h("div", { class: "human-note" }, `Leave-one-out human score: on the ${n} of ${all} samples that have two or more references. `,
          h("button", { type: "button", onclick: () => setSlice(own) }, `Compare on these ${n}`))));
    }
    return h("tr", { class: "human" },
      h("th", { scope: "row" }, h("div", { class: "name" }, h("span", {}, "one reference against the others", h("small", {}, "leave-one-out human score; systems are scored against all references")))),
      state.values.map((value) => {
        const [score, low, high, n, groups] = summary.human[value.name] ?? [null, null, null, 0, 0];
        return h("td", {}, h("span", { class: "number" }, format(score, value.decimals)),
          low !== null && h("span", { class: "interval" }, `${format(low, value.decimals)} – ${format(high, value.decimals)}`),
          score !== null && h("span", { class: "interval" }, sizeText({ n, groups })));
      }),
      anyFailed && h("td"));
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

  /** Failed captions can raise a corpus value; the mean of the samples' values stands beside it. */
  function scoreCell(system, value, cell, anyFailed) {
    const mark = state.slice === "all" ? standing(system.name, value.name) : "";
    const rival = state.slice === "all" && state.rival && state.rival !== system.name
      ? leadOf(value.name, system.name, state.rival) : null;
    return h("td", { class: mark },
      h("span", { class: "number" }, format(cell.score, value.decimals)),
      mark && h("span", { class: `badge ${mark}` }, mark),
      usesOwnModel(system.name, value) && noteOf("uses this metric's model"),
      rival ? difference(rival, value, [system.name, state.rival].some((name) => usesOwnModel(name, value)))
        : cell.low !== null && h("span", { class: "interval" }, `${format(cell.low, value.decimals)} – ${format(cell.high, value.decimals)}`),
      cell.sd !== null && h("span", { class: "interval" }, `s.d. of seeds ${format(cell.sd, value.decimals)}`),
      anyFailed && value.corpus && cell.mean !== null
        && h("span", { class: "interval" }, `mean of samples ${format(cell.mean, value.decimals)}`));
  }

  /** A difference with its interval and test; `unfair` where one of both uses the metric's own model: then no verdict. */
  function difference(lead, value, unfair) {
    const signed = (number) => `${number > 0 ? "+" : ""}${format(number, value.decimals)}`;
    const word = unfair ? "" : verdict(lead, value), plain = summary.best[value.name]?.testable ? "n.s." : "too few groups";
    return h("span", { class: `interval ${word}` },
      `${signed(lead.difference)} ${unfair ? "" : word || plain}`,
      lead.low !== null && h("small", {}, `${signed(lead.low)} to ${signed(lead.high)}`),
      !unfair && h("small", {}, pText(lead.p)));
  }

  /** A remark under a number, in lines as narrow as the column. */
  function noteOf(text) {
    return text && h("span", { class: "interval own-model" }, text);
  }
}
