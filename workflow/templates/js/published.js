// Numbers that papers state: the last rows of the table of scores, without interval, mark or place in a ranking.

const notMeasured = "published, not measured here";

/** The published rows of a slice as {system, cells}, in the form of the systems' rows. */
function publishedRows(slice, values) {
  return summary.published.filter((row) => row.slice === slice && values.some(({ name }) => name in row.scores)).map((row) => ({
    system: { name: "", label: row.label, family: "published", use: notMeasured, trained: "", input: "", source: row.source },
    cells: values.map(({ name }) => ({ score: row.scores[name] ?? null, low: null, high: null, n: "", groups: "", failed: "", mean: null, seeds: [], sd: null })),
  }));
}

function publishedBody(slice, values, anyFailed) {
  return publishedRows(slice, values).map(({ system, cells }) => h("tr", { class: "published" },
    h("th", { scope: "row" }, h("div", { class: "name" }, h("span", {}, system.label, h("small", {}, `${notMeasured}: ${system.source}`)))),
    cells.map((cell, column) => h("td", {}, h("span", { class: "number" }, format(cell.score, values[column].decimals)))),
    anyFailed && h("td")));
}

/** Where the published rows of a table are from, one line a source. */
function publishedNotes(slice, values) {
  const sources = new Map();
  for (const { system } of publishedRows(slice, values)) sources.set(system.source, [...(sources.get(system.source) ?? []), system.label]);
  return [...sources].map(([source, labels]) => `${labels.join(", ")}: ${notMeasured}, from ${source}.`);
}
