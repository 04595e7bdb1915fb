// Which samples the explorer lists, and in which order.

const flagTexts = { "image:failed": "drawing failed" };
const measures = [["characters", "characters"], ["shapes", "shapes"], ["commands", "path commands"], ["colours", "colours"]];

const relationTexts = [["all", "all samples"], ["a", "where A beats B"], ["b", "where B beats A"], ["equal", "where both score alike"]];
const sortNames = ["file", "low", "high", "lead", "behind", "spread", "simple", "complex"];

/** Samples by flag: flag → [text, indices], made once. */
function collectFlags() {
  const groups = new Map();
  const add = (flag, text, index) => {
    if (!groups.has(flag)) groups.set(flag, [text, []]);
    const members = groups.get(flag)[1];
    if (members.at(-1) !== index) members.push(index);
  };
  Object.keys(samples.undrawn).forEach((index) => add("image:failed", flagTexts["image:failed"], Number(index)));
  for (const { name, label } of summary.systems) {
    const { failed, flags } = samples.systems[name];
    Object.keys(failed).forEach((index) => add(`failed:${name}`, `no caption: ${label}`, Number(index)));
    Object.entries(flags).forEach(([index, found]) => found.forEach((flag) => add(`${flag}:${name}`, `${summary.health[flag]}: ${label}`, Number(index))));
  }
  samples.flags.forEach((flags, index) => flags.forEach((flag) => add(flag, flag, index)));
  return groups;
}

/** What the controls say at first: the best system against the next one, no sample left out, in the file's order. */
function filterDefaults() {
  const metric = summary.radar[0] ?? summary.values[0].name;
  const a = summary.best[metric]?.system ?? summary.systems[0].name;
  const others = summary.systems.filter(({ name }) => name !== a);
  const rank = ({ name }) => (valueByName.get(metric).higher ? 1 : -1) * (cellOf(name, metric, "all").score ?? -Infinity);
  const b = others.sort((one, other) => rank(other) - rank(one))[0]?.name ?? a;
  return { text: "", source: "", flag: "", metric, a, b, relation: "all", from: null, to: null,
    measure: "characters", least: null, most: null, sort: "file" };
}

/** A score with its sign turned where lower is better; null where there is none. */
function goodness(state, system, index) {
  const score = samples.systems[system].scores[state.metric][index];
  return score === null || valueByName.get(state.metric).higher ? score : -score;
}

/** By how much system A is better than B on a sample; null where one has no score. */
function leadOnSample(state, index) {
  const a = goodness(state, state.a, index), b = goodness(state, state.b, index);
  return a === null || b === null ? null : a - b;
}

function spreadOnSample(state, index) {
  const scores = summary.systems.map(({ name }) => goodness(state, name, index)).filter((score) => score !== null);
  return scores.length < 2 ? null : Math.max(...scores) - Math.min(...scores);
}

/** Makes the function that gives the indices of the samples for a state, in order. */
function makeSampleFilter(flags) {
  const haystacks = samples.id.map((id, index) => [id, ...samples.references[index],
    ...summary.systems.map(({ name }) => samples.systems[name].captions[index])].join("\n").toLowerCase());
  const relations = {
    all: () => true,
    a: (lead) => lead !== null && lead > 0,
    b: (lead) => lead !== null && lead < 0,
    equal: (lead) => lead === 0,
  };
  const keys = {
    low: (state, index) => negate(goodness(state, state.a, index)),
    high: (state, index) => goodness(state, state.a, index),
    lead: leadOnSample,
    behind: (state, index) => negate(leadOnSample(state, index)),
    spread: spreadOnSample,
    complex: (state, index) => samples.measures[index][measureColumn(state)],
    simple: (state, index) => -samples.measures[index][measureColumn(state)],
  };
  return (state) => {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const flagged = state.flag ? new Set(flags.get(state.flag)?.[1] ?? []) : null;
    const found = samples.id.map((_, index) => index).filter((index) =>
      (!state.source || samples.source[index] === state.source)
      && (!flagged || flagged.has(index))
      && within(samples.systems[state.a].scores[state.metric][index], state.from, state.to)
      && within(samples.measures[index][measureColumn(state)], state.least, state.most)
      && relations[state.relation](leadOnSample(state, index))
      && words.every((word) => haystacks[index].includes(word)));
    if (state.sort === "file") return found;
    const key = new Map(found.map((index) => [index, keys[state.sort](state, index) ?? -Infinity]));
    return found.sort((a, b) => (key.get(a) === key.get(b) ? a - b : key.get(b) - key.get(a)));
  };
}

function measureColumn(state) {
  return measures.findIndex(([name]) => name === state.measure);
}

/** Whether a number lies in a range with open ends. No number lies in none but the whole range. */
function within(number, low, high) {
  if (low === null && high === null) return true;
  return number !== null && (low === null || number >= low) && (high === null || number <= high);
}

function negate(number) {
  return number === null ? null : -number;
}
