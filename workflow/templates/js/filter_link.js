// What the explorer's controls say, as a part of the page's address: filter=metric:cider;a:smollm2-test3;relation:a.
// Only what differs from the first state is there. A link may come from anywhere: what it asks for is looked up.

const numberKeys = ["from", "to", "least", "most"];

// The controls that leave samples out. Others choose systems, a metric, an order.
const narrowingKeys = ["text", "source", "flag", "relation", ...numberKeys];

/** The text of the filter that leaves samples out, "" for none; with the systems and the metric where it asks for scores. */
function narrowingText(state, defaults) {
  const byScores = ["relation", "from", "to"].some((key) => state[key] !== defaults[key]);
  const found = filterText(state, defaults, narrowingKeys);
  const asked = byScores ? ["metric", "a", "b"].map((key) => `${key}:${encodeURIComponent(state[key])}`) : [];
  return found && [found, ...asked].join(";");
}

/** The same in words, `source openmoji, "red" in the texts`; "" for none. */
function narrowingWords(state, defaults, flags) {
  const labelOf = (name) => summary.systems[systemIndex.get(name)].label;
  const range = (low, high) => [low !== null && `at least ${low}`, high !== null && `at most ${high}`].filter(Boolean).join(" and ");
  const metric = valueByName.get(state.metric).label, measure = measures.find(([name]) => name === state.measure)[1];
  const relation = { a: `where ${labelOf(state.a)} beats ${labelOf(state.b)} by ${metric}`, b: `where ${labelOf(state.b)} beats ${labelOf(state.a)} by ${metric}`,
    equal: `where ${labelOf(state.a)} and ${labelOf(state.b)} score alike by ${metric}` };
  return [
    state.text !== defaults.text && `“${state.text}” in the texts`,
    state.source !== defaults.source && `source ${state.source}`,
    state.flag !== defaults.flag && `flag ${flags.get(state.flag)?.[0] ?? state.flag}`,
    relation[state.relation],
    (state.from !== null || state.to !== null) && `${metric} of ${labelOf(state.a)} ${range(state.from, state.to)}`,
    (state.least !== null || state.most !== null) && `${measure} ${range(state.least, state.most)}`,
  ].filter(Boolean).join(", ");
}

/** The text of a state, or of some of its keys; "" where it is the first one. */
function filterText(state, defaults, keys = Object.keys(defaults)) {
  return keys.filter((key) => state[key] !== defaults[key])
    .map((key) => `${key}:${encodeURIComponent(state[key] ?? "")}`).join(";");
}

/** {sample, filter} of an address; null where it does not say. */
function readLink(hash) {
  const parts = { sample: null, filter: null };
  for (const part of hash.slice(1).split("&")) {
    const [, name, text] = /^(sample|filter)=(.*)$/s.exec(part) ?? [];
    if (name) parts[name] = name === "sample" ? decodeText(text) : text;
  }
  return parts;
}

/** {state, unknown}: what the text of a filter asks for, and which of that is not in this report. */
function readFilter(text, flags, sources) {
  const known = {
    metric: valueByName, a: systemIndex, b: systemIndex, flag: flags, source: new Set(sources),
    relation: new Set(relationTexts.map(([name]) => name)), sort: new Set(sortNames), measure: new Set(measures.map(([name]) => name)),
  };
  const state = {}, unknown = [];
  for (const entry of text.split(";").filter(Boolean)) {
    const [key, coded = ""] = entry.split(/:(.*)/s);
    const value = decodeText(coded);
    if (key === "text") state.text = value;
    else if (numberKeys.includes(key) && value !== "" && Number.isFinite(Number(value))) state[key] = Number(value);
    else if (Object.hasOwn(known, key) && known[key].has(value)) state[key] = value;
    else unknown.push(`${decodeText(key)} ${value}`);
  }
  return { state, unknown };
}

function decodeText(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand, with a bare %
  }
}
