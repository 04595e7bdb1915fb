// The samples: filters, order, pages, and a card for each sample. #sample=<id> shows one.

const flagTexts = {
  "image:failed": "drawing failed",
  "caption:exact": "a caption equals a reference",
};

/** Filters by flag: [flag, text, indices], made once. */
function collectFlags() {
  const groups = new Map();
  const add = (flag, text, index) => {
    if (!groups.has(flag)) groups.set(flag, [text, []]);
    const members = groups.get(flag)[1];
    if (members.at(-1) !== index) members.push(index);
  };
  Object.keys(samples.undrawn).forEach((index) => add("image:failed", flagTexts["image:failed"], Number(index)));
  for (const { name, label } of summary.systems) {
    const { failed, cut } = samples.systems[name];
    Object.keys(failed).forEach((index) => add(`failed:${name}`, `no caption: ${label}`, Number(index)));
    cut.forEach((index) => add(`cut:${name}`, `caption cut: ${label}`, index));
  }
  samples.flags.forEach((flags, index) => flags.forEach((flag) => add(flag, flag, index)));
  return groups;
}

function explorer(mount) {
  const defaults = { text: "", source: "", flag: "", metric: summary.radar[0] ?? summary.values[0].name, a: summary.systems[0].name,
    b: summary.systems.at(-1).name, relation: "all", sort: "file", page: 0, size: 10, only: null };
  const best = summary.best[defaults.metric];
  if (best) defaults.a = best.system;
  if (defaults.b === defaults.a) defaults.b = summary.systems[0].name;
  const state = { ...defaults };
  const flags = collectFlags();
  const haystacks = samples.id.map((id, index) => [id, ...samples.references[index],
    ...summary.systems.map(({ name }) => samples.systems[name].captions[index])].join("\n").toLowerCase());
  const sources = [...new Set(samples.source)];
  const controls = h("form", { class: "controls", onsubmit: (event) => event.preventDefault(), "aria-label": "Filter and order of the samples" });
  const status = h("p", { class: "status", role: "status" });
  const list = h("div", { class: "cards" });
  const pagers = [h("nav", { class: "pager", "aria-label": "Pages" }), h("nav", { class: "pager", "aria-label": "Pages, below" })];
  let matches = [];

  mount.append(controls, legend(), h("div", { class: "list-head" }, status, pagers[0]), list, pagers[1]);
  onSwitch.push(drawPage);
  document.querySelectorAll("a[data-flag]").forEach((link) => link.addEventListener("click", () => {
    leaveOne();
    Object.assign(state, defaults, { flag: link.dataset.flag });
    drawControls();
    apply();
  }));
  window.addEventListener("hashchange", followHash);
  drawControls();
  apply();
  followHash();

  function drawControls() {
    const set = (key) => (value) => { leaveOne(); state[key] = value; apply(); };
    let typing;
    const search = h("input", { type: "search", placeholder: "words, id", value: state.text,
      oninput: (event) => { clearTimeout(typing); typing = setTimeout(() => set("text")(event.target.value), 150); } });
    const label = (name) => clip(summary.systems[systemIndex.get(name)].label, 28);
    controls.replaceChildren(
      h("label", { class: "field wide" }, h("span", {}, "Search"), search),
      sources.length > 1 && choice("Source", [["", "all"], ...sources.map((source) => [source, source])], state.source, set("source")),
      choice("Flag", [["", "any"], ...[...flags].map(([flag, [text, members]]) => [flag, `${text} (${members.length})`])], state.flag, set("flag")),
      choice("Metric", summary.values.map((value) => [value.name, value.label]), state.metric, set("metric")),
      choice("System A", systemOptions, state.a, (name) => { set("a")(name); drawControls(); }),
      choice("System B", systemOptions, state.b, (name) => { set("b")(name); drawControls(); }),
      choice("Show", [["all", "all samples"], ["a", "where A beats B"], ["b", "where B beats A"], ["equal", "where A and B score alike"]], state.relation, set("relation")),
      choice("Order", [["file", "as in the file"], ["low", `${label(state.a)}: worst first`], ["high", `${label(state.a)}: best first`],
        ["lead", "largest lead of A over B"], ["spread", "systems disagree most"]], state.sort, set("sort")),
      choice("A page", [10, 25, 50].map((n) => [String(n), String(n)]), String(state.size), (n) => { state.size = Number(n); leaveOne(); apply(); }),
      h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => { leaveOne(); Object.assign(state, defaults); drawControls(); apply(); } }, "Reset")));
  }

  /** Score as "higher is better", null where there is none. */
  function goodness(system, index) {
    const score = samples.systems[system].scores[state.metric][index];
    return score === null || valueByName.get(state.metric).higher ? score : -score;
  }

  function lead(index) {
    const a = goodness(state.a, index), b = goodness(state.b, index);
    return a === null || b === null ? null : a - b;
  }

  function spread(index) {
    const scores = summary.systems.map(({ name }) => goodness(name, index)).filter((score) => score !== null);
    return scores.length < 2 ? null : Math.max(...scores) - Math.min(...scores);
  }

  /** Choose and order the samples, then show the first page. */
  function apply() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const flagged = state.flag ? new Set(flags.get(state.flag)?.[1] ?? []) : null;
    const relations = { all: () => true, a: (l) => l !== null && l > 0, b: (l) => l !== null && l < 0, equal: (l) => l === 0 };
    matches = samples.id.map((_, index) => index).filter((index) =>
      (!state.source || samples.source[index] === state.source)
      && (!flagged || flagged.has(index))
      && words.every((word) => haystacks[index].includes(word))
      && (state.relation === "all" || relations[state.relation](lead(index))));
    const keys = { low: (i) => negate(goodness(state.a, i)), high: (i) => goodness(state.a, i), lead, spread };
    if (state.sort !== "file") {
      const key = new Map(matches.map((index) => [index, keys[state.sort](index) ?? -Infinity]));
      matches.sort((a, b) => (key.get(a) === key.get(b) ? a - b : key.get(b) - key.get(a)));
    }
    state.page = 0;
    drawPage();
  }

  function negate(number) {
    return number === null ? null : -number;
  }

  function drawPage() {
    const pages = Math.max(1, Math.ceil(matches.length / state.size));
    const one = state.only !== null;
    const shown = one ? [state.only] : matches.slice(state.page * state.size, (state.page + 1) * state.size);
    status.textContent = one ? `One sample, ${samples.id[state.only]}`
      : `${matches.length.toLocaleString("en")} of ${samples.id.length.toLocaleString("en")} samples`;
    for (const [place, pager] of pagers.entries()) {
      const turn = (page) => () => {
        state.page = page;
        drawPage();
        if (place === 1) mount.scrollIntoView();
        pagers[place].querySelector("button:not([disabled])")?.focus({ preventScroll: true });
      };
      pager.hidden = one ? place === 1 : pages === 1;
      pager.replaceChildren(...(one ? [h("button", { type: "button", onclick: () => { leaveOne(); drawPage(); } }, "Show all samples")] : [
        h("button", { type: "button", disabled: state.page === 0, onclick: turn(state.page - 1) }, "Previous"),
        h("span", {}, `page ${state.page + 1} of ${pages}`),
        h("button", { type: "button", disabled: state.page >= pages - 1, onclick: turn(state.page + 1) }, "Next"),
      ]));
    }
    list.replaceChildren(...shown.map((index) => sampleCard(index, state.metric)));
    if (!shown.length) list.append(h("p", { class: "empty" }, "No sample meets all of this."));
  }

  function followHash() {
    const id = /^#sample=(.*)$/.exec(location.hash)?.[1];
    if (id === undefined) return;
    const index = samples.id.indexOf(decode(id));
    if (index < 0) {
      status.textContent = `There is no sample ${decode(id)}.`;
    } else {
      state.only = index;
      drawPage();
    }
    document.getElementById("explorer").scrollIntoView();
  }

  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // typed by hand, with a bare %
    }
  }

  function leaveOne() {
    if (state.only === null) return;
    state.only = null;
    history.replaceState(null, "", "#explorer");
  }
}

function sampleCard(index, metric) {
  const id = samples.id[index];
  const [characters, shapes, commands, colours] = samples.measures[index];
  const drawing = h("figure", { class: "drawing" }), image = h("figure", { class: "drawing" });
  const code = h("details", { class: "xml" }, h("summary", {}, `Drawing as the models read it (${characters.toLocaleString("en")} characters)`));
  code.addEventListener("toggle", async () => {
    if (code.open && code.children.length === 1) code.append(h("pre", { class: "code", tabindex: 0 }, (await drawingOf(index))[0]));
  });
  fillDrawings(index, drawing, image);
  const columns = [...new Set([...summary.radar, metric])].map((name) => valueByName.get(name));
  const shown = summary.systems.filter(({ name }) => !hidden.has(name));
  const highest = new Map(columns.map((value) => {
    const scores = shown.map(({ name }) => samples.systems[name].scores[value.name][index]).filter((score) => score !== null);
    return [value.name, scores.length ? (value.higher ? Math.max(...scores) : Math.min(...scores)) : null];
  }));
  return h("article", { class: "card", "aria-label": `Sample ${id}`, "data-id": id },
    h("header", {},
      h("h3", {}, h("a", { href: `#sample=${encodeURIComponent(id)}` }, id)),
      h("span", { class: "tag" }, samples.source[index]),
      samples.flags[index].map((flag) => h("span", { class: "tag flag" }, flag)),
      samples.undrawn[index] !== undefined && h("span", { class: "tag fault" }, flagTexts["image:failed"]),
      h("span", { class: "measures" }, [[shapes, "shape"], [commands, "command"], [colours, "colour"]].map(([n, what]) => `${n} ${what}${n === 1 ? "" : "s"}`).join(" · "))),
    h("div", { class: "drawings" }, drawing, image),
    h("div", { class: "texts" },
      h("div", { class: "references" }, h("h4", {}, samples.references[index].length === 1 ? "Reference" : "References"),
        h("ul", {}, samples.references[index].map((reference) => h("li", {}, reference)))),
      h("table", { class: "captions" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "System"), h("th", { scope: "col" }, "Caption"),
          columns.map((value) => h("th", { scope: "col", class: value.name === metric ? "chosen" : null }, value.label)))),
        h("tbody", {}, shown.map((system) => h("tr", {},
          h("th", { scope: "row" }, swatch(systemIndex.get(system.name)), system.label),
          h("td", { class: "caption" }, captionText(system.name, index)),
          columns.map((value) => {
            const score = samples.systems[system.name].scores[value.name][index];
            return h("td", { "data-label": value.label, class: `figure ${score !== null && score === highest.get(value.name) ? "high" : ""} ${value.name === metric ? "chosen" : ""}` },
              format(score, value.decimals));
          }))))),
      code));
}

async function fillDrawings(index, drawing, image) {
  const [svg, picture, width, height] = await drawingOf(index);
  const what = samples.references[index][0];
  drawing.append(h("img", { src: `data:image/svg+xml,${encodeURIComponent(svg)}`, alt: `Drawing: ${what}`, width: 132, height: 132 }),
    h("figcaption", {}, "SVG, by this browser"));
  if (picture === null) {
    image.append(h("p", { class: "undrawn" }, "No image: ", samples.undrawn[index] || "no reason given"), h("figcaption", {}, "PNG"));
  } else {
    image.append(h("img", { src: `data:image/webp;base64,${picture}`, alt: `Image that captioners and CLIP see: ${what}`, width: 132, height: 132 }),
      h("figcaption", {}, `PNG, ${width} × ${height} px`));
  }
}

function captionText(system, index) {
  const { captions, failed, cut } = samples.systems[system];
  if (failed[index] !== undefined) return h("span", { class: "no-caption" }, `No caption: ${failed[index] || "no reason given"}`);
  const { words, exact } = compareWords(captions[index], samples.references[index]);
  return [
    words.map(([word, hit]) => [h("span", { class: hit ? "word" : "word miss" }, word), " "]),
    exact && h("span", { class: "badge exact" }, "exact"),
    cut.includes(index) && h("span", { class: "badge cut" }, "cut"),
  ];
}

/** The words of a caption, each with whether it is part of the longest common subsequence with the nearest reference. */
function compareWords(caption, references) {
  const words = caption.split(/\s+/).filter(Boolean);
  const keys = words.map(bare);
  let nearest = { hits: new Set(), quality: -1 };
  for (const reference of references) {
    const others = reference.split(/\s+/).map(bare).filter(Boolean);
    const hits = commonWords(keys, others);
    const quality = (2 * hits.size) / (keys.length + others.length || 1);
    if (quality > nearest.quality) nearest = { hits, quality };
  }
  return { words: words.map((word, i) => [word, nearest.hits.has(i)]), exact: words.length > 0 && nearest.quality === 1 };
}

function bare(word) {
  return word.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "") || word;
}

/** Places in `a` of a longest common subsequence of two lists of words. */
function commonWords(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const places = new Set();
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) { places.add(i); i += 1; j += 1; }
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return places;
}
