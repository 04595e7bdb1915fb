// The table of scores as CSV, Markdown and LaTeX. `rows` are {system, cells} in the order shown; `table` says the
// values of the columns, the slice, and the rival: the system from which differences are given, "" for none.

function asCsv(rows, table) {
  // A leading quote mark keeps spreadsheets from taking untrusted text for a formula.
  const quote = (text) => `"${String(text).replace(/^(?=[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;
  const rivalNames = ["difference_from", "difference", "difference_low", "difference_high", "p_holm"];
  const lines = [["system", "label", "family", "trained", "input", "slice", "value", "score", "low", "high", "n", "n_groups", "n_failed", "sample_mean", "n_trainings", "seed_sd", "by_training",
    ...(table.rival ? rivalNames : []), "signature"].join(",")];
  for (const { system, cells } of rows) {
    cells.forEach((cell, column) => {
      const value = table.values[column], lead = leadOverRival(system, value, table);
      lines.push([quote(system.name), quote(system.label), quote(system.family), quote(system.trained), quote(system.input), quote(table.slice), quote(value.name),
        cell.score ?? "", cell.low ?? "", cell.high ?? "", cell.n, cell.groups, cell.failed, cell.mean ?? "", cell.seeds.length || "", cell.sd ?? "", cell.seeds.join(" "),
        ...(table.rival ? [quote(table.rival), lead?.difference ?? "", lead?.low ?? "", lead?.high ?? "", lead?.p ?? ""] : []),
        quote(value.signature)].join(","));
    });
  }
  return `${lines.join("\n")}\n`;
}

function asMarkdown(rows, table) {
  const clean = (text) => text.replace(/[\\|<>*_`[\]]/g, "\\$&").replace(/\s+/g, " ");
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const cellText = (system, cell, value) => {
    if (cell.score === null) return "–";
    const own = usesOwnModel(system.name, value) ? " §" : "";
    const interval = cell.low === null ? "" : ` [${cell.low.toFixed(value.decimals)}, ${cell.high.toFixed(value.decimals)}]`;
    const score = cell.score.toFixed(value.decimals);
    return (markOf(system, value, table) === "best" ? `**${score}**` : score) + own + interval + leadMark(system, value, table);
  };
  return `${[
    line(["System", "Use of the data", ...table.values.map((value) => clean(value.label))]),
    line(["---", "---", ...table.values.map(() => "---:")]),
    ...rows.map(({ system, cells }) => line([clean(system.label), clean(system.use), ...cells.map((cell, i) => cellText(system, cell, table.values[i]))])),
    "",
    ...footnotes(table).map((note) => `${clean(note)}  `),
  ].join("\n")}\n`;
}

function asLatex(rows, table) {
  const names = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
    "−": "$-$", "–": "--", "—": "---", "…": "\\ldots{}", "×": "$\\times$", "·": "$\\cdot$", "±": "$\\pm$", "≤": "$\\leq$", "≥": "$\\geq$",
    "→": "$\\rightarrow$", "§": "\\S{}",
  };
  const clean = (text) => text.replace(/[\\~^<>|−–—…×·±≤≥→§&%$#_{}]/g, (character) => names[character] ?? `\\${character}`).replace(/\s+/g, " ");
  const cellText = (system, cell, value) => {
    if (cell.score === null) return "--";
    const text = cell.score.toFixed(value.decimals), mark = markOf(system, value, table), lead = leadMark(system, value, table);
    return (mark === "best" ? `\\textbf{${text}}` : mark === "tie" ? `\\underline{${text}}` : text)
      + (usesOwnModel(system.name, value) ? "\\,\\S{}" : "") + (lead && `$^{${lead.trim()}}$`);
  };
  return `${[
    "% Needs \\usepackage{booktabs}; with pdfLaTeX letters beyond Latin need a package of their own, or XeLaTeX or LuaLaTeX.",
    ...footnotes(table).map((note) => `% ${note.replace(/\s+/g, " ")}`),
    `\\begin{tabular}{ll${"r".repeat(table.values.length)}}`,
    "\\toprule",
    `System & Use of the data & ${table.values.map((value) => clean(value.label)).join(" & ")} \\\\`,
    "\\midrule",
    ...rows.map(({ system, cells }) => `${clean(system.label)} & ${clean(system.use)} & ${cells.map((cell, i) => cellText(system, cell, table.values[i])).join(" & ")} \\\\`),
    "\\bottomrule",
    "\\end{tabular}",
  ].join("\n")}\n`;
}

/** What a reader of the table must know. */
function footnotes(table) {
  const slice = summary.slices.find(({ name }) => name === table.slice);
  const notes = [`${slice.label}, ${sizeText(slice)} of similar drawings. Intervals: ${percent}, ${intervalMethod(table.values)}; ${summary.cover}.`];
  const untested = table.values.filter(({ name }) => summary.best[name] && !summary.best[name].testable);
  if (table.slice === "all" && untested.length) {
    notes.push(`Too few groups for any difference to be significant by ${untested.map(({ label }) => label).join(", ")}.`);
  }
  if (table.slice === "all") notes.push("Bold: best. In LaTeX underlined: not significantly different from the best (Holm-corrected).");
  if (table.rival) {
    const label = summary.systems[systemIndex.get(table.rival)].label;
    notes.push(`+ and -: significantly better and worse than ${label}; =: no significant difference (paired approximate randomisation of the groups, Holm-corrected).`);
  }
  if (table.values.some((value) => summary.systems.some(({ name }) => usesOwnModel(name, value)))) {
    notes.push("§: this system uses the metric's model itself, and is not ranked by it.");
  }
  const silent = table.values.filter((value) => silence(value, table.slice));
  if (silent.length) notes.push(`Not informative here, 0 for all systems: ${silent.map(({ label }) => label).join(", ")}.`);
  return [...notes, ...publishedNotes(table.slice, table.values), ...table.values.map((value) => `${value.label}: ${value.signature}`)];
}

function markOf(system, value, table) {
  return table.slice === "all" ? standing(system.name, value.name) : "";
}

function leadOverRival(system, value, table) {
  return table.rival && table.rival !== system.name ? leadOf(value.name, system.name, table.rival) : null;
}

/** " +", " -" or " =" against the rival; "" where there is none, or no difference can be significant. */
function leadMark(system, value, table) {
  const lead = leadOverRival(system, value, table);
  if ([system.name, table.rival].some((name) => name && usesOwnModel(name, value))) return "";
  return lead && summary.best[value.name].testable ? ` ${{ better: "+", worse: "-", "": "=" }[verdict(lead, value)]}` : "";
}

/** "better", "worse", or "" where a difference is within chance. */
function verdict(lead, value) {
  if (lead.p >= 1 - summary.confidence) return "";
  return (lead.difference > 0) === value.higher ? "better" : "worse";
}
