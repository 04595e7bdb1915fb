// The samples: controls, the list of those that meet them, and the chosen one beside it. The address says what is shown:
// #sample=<id>&filter=<controls>, see filter_link.js.

function explorer(mount) {
  const defaults = filterDefaults();
  const state = { ...defaults };
  const flags = collectFlags();
  const filter = makeSampleFilter(flags);
  const sources = [...new Set(samples.source)];
  const controls = h("form", { class: "controls", onsubmit: (event) => event.preventDefault(), "aria-label": "Filter and order of the samples" });
  const status = h("p", { class: "status", role: "status" });
  const notice = h("p", { class: "note", hidden: true });
  const detail = h("div", { class: "detail" });
  const browse = h("div", { class: "browse" });
  const previous = h("button", { type: "button", onclick: () => step(-1) }, "Previous");
  const next = h("button", { type: "button", onclick: () => step(1) }, "Next");
  const list = virtualList({
    label: "Samples", rowHeight: 84, fillRow, nameRow: (index) => samples.id[index],
    onchoose: (index) => { choose(index); writeLink(); if (isNarrow()) detail.parentElement.scrollIntoView(); },
  });
  const ballot = blindComparison({
    state, matches: () => matches, onleave: () => setBlind(false), view: () => filterText(state, defaults),
    chosenBy: () => ({ text: narrowingText(state, defaults), words: narrowingWords(state, defaults, flags) }),
    onresume: (text) => setState({ ...defaults, ...readFilter(text, flags, sources).state }),
  });
  let matches = [], shown = null, writing;

  browse.append(
    h("div", { class: "list-side" }, list.element),
    h("div", { class: "detail-side" },
      h("div", { class: "pager" }, previous, next, h("a", { class: "to-list", href: "#explorer" }, "Back to the list")), notice, detail));
  mount.append(controls, legend(),
    h("div", { class: "list-head" }, status,
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: (event) => { writeLinkNow(); copyText(location.href, event.currentTarget); } }, "Copy link to this view"),
        h("button", { type: "button", onclick: () => setBlind(true) }, "Compare A and B blindly"))),
    browse, ballot.element);
  onSwitch.push(drawDetail);
  document.querySelectorAll("a[data-flag]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    leaveBlind();
    setState({ ...defaults, flag: link.dataset.flag });
    writeLink();
    list.element.focus({ preventScroll: true });
    document.getElementById("explorer").scrollIntoView();
  }));
  window.addEventListener("hashchange", (event) => followHash(new URL(event.newURL).hash));
  drawControls();
  apply();
  followHash(location.hash);

  function setState(wanted) {
    Object.assign(state, wanted);
    drawControls();
    apply();
  }

  /** Say in the address what is shown, soon: browsers refuse an address that changes with every step of a held key. */
  function writeLink() {
    clearTimeout(writing);
    writing = setTimeout(writeLinkNow, 150);
  }

  /** The same at once, without a new entry in the browser's history. */
  function writeLinkNow() {
    clearTimeout(writing);
    const filter = filterText(state, defaults);
    const parts = [shown !== null && sampleLink(shown).slice(1), filter && `filter=${filter}`].filter(Boolean);
    history.replaceState(null, "", `#${parts.join("&") || "explorer"}`);
  }

  function drawControls() {
    const set = (key) => (value) => { state[key] = value; apply(); writeLink(); };
    // These change the texts of other controls; the new ones get the focus that the old ones had.
    const setSystem = (key) => (name) => {
      const label = document.activeElement.getAttribute("aria-label");
      setState({ [key]: name });
      writeLink();
      [...controls.querySelectorAll("select")].find((select) => select.getAttribute("aria-label") === label)?.focus();
    };
    const a = clip(summary.systems[systemIndex.get(state.a)].label, 28), metric = valueByName.get(state.metric).label;
    const sortTexts = { file: "as in the file", low: `${a}: worst first`, high: `${a}: best first`, lead: "largest lead of A over B",
      behind: "largest lead of B over A", spread: "systems disagree most", simple: "simplest drawing first", complex: "most complex drawing first" };
    const search = later((event) => set("text")(event.target.value));
    const bound = (label, key) => h("label", { class: "field bound" }, h("span", {}, label),
      h("input", { type: "number", step: "any", value: state[key] ?? "",
        oninput: later((event) => set(key)(Number.isNaN(event.target.valueAsNumber) ? null : event.target.valueAsNumber)) }));
    const narrowed = state.source || state.flag || [state.from, state.to, state.least, state.most].some((end) => end !== null);
    controls.replaceChildren(
      h("label", { class: "field wide" }, h("span", {}, "Search"), h("input", { type: "search", placeholder: "words, id", value: state.text, oninput: search })),
      choice("Show", relationTexts, state.relation, set("relation")),
      choice("Order", sortNames.map((name) => [name, sortTexts[name]]), state.sort, set("sort")),
      choice("Metric", summary.values.map((value) => [value.name, value.label]), state.metric, setSystem("metric")),
      choice("System A", systemOptions, state.a, setSystem("a")),
      choice("System B", systemOptions, state.b, setSystem("b")),
      h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => { setState(defaults); writeLink(); } }, "Reset")),
      h("details", { class: "more", open: Boolean(narrowed) },
        h("summary", {}, "More filters"),
        h("div", { class: "controls" },
          sources.length > 1 && choice("Source", [["", "all"], ...sources.map((source) => [source, source])], state.source, set("source")),
          choice("Flag", [["", "any"], ...[...flags].map(([flag, [text, members]]) => [flag, `${text} (${members.length})`])], state.flag, set("flag")),
          h("fieldset", {}, h("legend", {}, `${metric} of A`), bound("from", "from"), bound("to", "to")),
          h("fieldset", {}, h("legend", {}, "Complexity"),
            choice("measured in", measures, state.measure, set("measure")), bound("at least", "least"), bound("at most", "most")))));
  }

  /** List the samples that meet the controls, and show the first of them. */
  function apply() {
    matches = filter(state);
    status.textContent = `${matches.length.toLocaleString("en")} of ${samples.id.length.toLocaleString("en")} samples`;
    list.show(matches);
    ballot.restart();
    choose(matches[0] ?? null);
  }

  function choose(index) {
    shown = index;
    if (index !== null) list.choose(index);
    drawDetail();
  }

  function drawDetail() {
    const position = list.position;
    previous.disabled = position <= 0;
    next.disabled = position < 0 || position >= matches.length - 1;
    notice.hidden = shown === null || position >= 0;
    notice.textContent = "The current filters exclude this sample.";
    detail.replaceChildren(shown === null ? h("p", { class: "empty" }, "No sample matches the filters.") : sampleCard(shown, state.metric));
  }

  function step(by) {
    const index = matches[list.position + by];
    if (index === undefined) return;
    choose(index);
    writeLink();
  }

  function fillRow(row, index) {
    const thumb = h("span", { class: "thumb" });
    // Only rows that stay get their drawing: a row that flies past is gone before.
    setTimeout(async () => {
      if (!row.isConnected) return;
      const [svg] = await drawingOf(index);
      if (row.isConnected) thumb.append(svgImage(svg, "", 60));
    }, 60);
    const value = valueByName.get(state.metric);
    const score = (system, letter) => h("span", {}, `${letter} ${format(samples.systems[system].scores[value.name][index], value.decimals)}`);
    const { captions, failed } = samples.systems[state.a];
    row.append(thumb,
      h("span", { class: "row-head" }, h("code", {}, samples.id[index]), h("span", { class: "row-scores" }, score(state.a, "A"), state.b !== state.a && score(state.b, "B"))),
      h("span", { class: "row-reference" }, samples.references[index][0]),
      h("span", { class: failed[index] === undefined ? "row-caption" : "row-caption no-caption" }, failed[index] === undefined ? `A: ${captions[index]}` : "A: no caption"));
  }

  function setBlind(on) {
    for (const part of [controls, browse, mount.querySelector(".legend"), mount.querySelector(".list-head")]) part.hidden = on;
    if (on) ballot.open();
    else list.redraw();
  }

  function leaveBlind() {
    if (ballot.element.hidden) return;
    ballot.element.hidden = true;
    setBlind(false);
  }

  /** Show what an address asks for. A change of ours that waits to be written is older than it. */
  function followHash(hash) {
    clearTimeout(writing);
    const { sample, filter: wanted } = readLink(hash);
    if (sample === null && wanted === null) return;
    leaveBlind();
    const { state: filtered, unknown } = readFilter(wanted ?? "", flags, sources);
    if (wanted !== null) setState({ ...defaults, ...filtered });
    if (sample !== null) {
      const index = samples.id.indexOf(sample);
      if (index < 0) unknown.push(`sample ${sample}`);
      else if (index !== shown) choose(index);
    }
    if (unknown.length) status.textContent += `. The link asks for what is not in this report: ${unknown.join(", ")}`;
    const place = sample !== null && isNarrow() ? detail.parentElement : document.getElementById("explorer");
    place.scrollIntoView({ behavior: "instant" });
  }

  function isNarrow() {
    return matchMedia("(max-width: 62rem)").matches;
  }
}

/** A listener that waits until typing has paused. */
function later(listener) {
  let waiting;
  return (event) => { clearTimeout(waiting); waiting = setTimeout(() => listener(event), 150); };
}
