// Blind comparison: two captions of a drawing, sides drawn by lot, names hidden; votes leave as JSON (ballot_file.js).

/**
 * `state` and `matches` are the explorer's: systems A and B, and the samples that its controls choose. `chosenBy` says by
 * which filter, as the text of a link and in words, "" for none; `view` all of its controls as the text of a link; `onresume` gets such a text.
 */
function blindComparison({ state, matches, chosenBy, view, onresume, onleave }) {
  const element = h("div", { class: "ballot", hidden: true });
  const kept = readKept();
  const settings = { rater: "", seed: 1, pairing: "ab", drawings: null, ...kept.settings, references: false, unstored: false };
  const votes = new Map(kept.votes.map((vote) => [keyOfVote(vote), vote]));
  const groupOf = new Map(samples.id.map((id, index) => [id, samples.groups[index]]));
  let queue = [], position = 0, skipped = 0, filter = "", filterWords = "", revealed = false, message = "", undone = [];
  return { element, open, restart };

  function open() {
    element.hidden = false;
    restart();
    element.querySelector(".choices")?.focus();
  }

  /** Draw lots anew for the samples chosen now. Votes are kept. The order of the explorer's list has no influence. */
  function restart() {
    if (element.hidden) return;
    revealed = false;
    const lots = randomNumbers(settings.seed);
    const others = summary.systems.map(({ name }) => name);
    queue = [];
    skipped = 0;
    ({ text: filter, words: filterWords } = chosenBy());
    for (const index of shuffled([...matches()].sort((one, other) => one - other), lots)) {
      const pair = settings.pairing === "ab" ? [state.a, state.b] : shuffled(others, lots).slice(0, 2);
      if (lots() < 0.5) pair.reverse();
      const texts = pair.map((name) => captionOf(name, index));
      // Nothing to choose: one of them wrote nothing, or both wrote the same.
      if (pair[0] === pair[1] || texts.includes(null) || texts[0] === texts[1]) skipped += 1;
      else queue.push({ index, left: pair[0], right: pair[1] });
    }
    if (settings.drawings !== null) queue.length = Math.min(queue.length, settings.drawings);
    position = Math.max(0, queue.findIndex((entry) => !votes.has(keyOf(entry))));
    draw();
  }

  function draw() {
    const entry = queue[position], done = queue.filter((one) => votes.has(keyOf(one))).length;
    const whole = (event) => Math.trunc(event.target.valueAsNumber);
    const set = (key, value) => { settings[key] = value; store(); restart(); };
    const save = h("button", { type: "button", onclick: saveVotes }, `Save ${votes.size} ${votes.size === 1 ? "vote" : "votes"} as JSON`);
    const needsName = h("small", { class: "needs-name" }, "The file needs your name.");
    const nameChanged = () => {
      save.disabled = !votes.size || !settings.rater.trim();
      needsName.hidden = !votes.size || Boolean(settings.rater.trim());
    };
    nameChanged();
    const settingsRow = h("div", { class: "controls" },
      h("label", { class: "field" }, h("span", {}, "Your name, for the file"),
        h("input", { type: "text", value: settings.rater, oninput: (event) => { settings.rater = event.target.value; store(); nameChanged(); } })),
      choice("Systems", [["ab", "A and B of the explorer"], ["any", "a random pair for each drawing"]], settings.pairing, (pairing) => set("pairing", pairing)),
      h("label", { class: "field bound" }, h("span", {}, "Drawings, at random"),
        h("input", { type: "number", step: 1, min: 1, placeholder: "all", value: settings.drawings ?? "",
          onchange: (event) => set("drawings", whole(event) > 0 ? whole(event) : null) })),
      h("label", { class: "field bound" }, h("span", {}, "Random seed"),
        h("input", { type: "number", step: 1, value: settings.seed, onchange: (event) => set("seed", whole(event) || 0) })),
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: settings.references,
        onchange: (event) => { settings.references = event.target.checked; draw(); } }), "show the references"),
      h("label", { class: "field" }, h("span", {}, "Go on with saved votes"),
        h("input", { type: "file", accept: ".json,application/json", onchange: (event) => resume(event.target.files[0]) })),
      h("div", { class: "buttons" }, save, needsName,
        h("button", { type: "button", disabled: !votes.size, onclick: () => { revealed = true; draw(); } }, "Show the result"),
        h("button", { type: "button", onclick: () => { element.hidden = true; onleave(); } }, "Back to the samples")));
    element.replaceChildren(settingsRow,
      message && h("p", { class: "alert fault", role: "alert" }, message),
      h("p", { class: "status", role: "status" }, `${done} of ${queue.length} voted`,
        settings.unstored && h("small", {}, " This browser keeps no votes when the page is closed: save them."),
        skipped > 0 && h("small", {}, ` Left out because both captions are equal or one is missing: ${skipped}.`),
        filter && h("small", { class: "chosen-by" }, ` The explorer's filter chose these drawings: ${filterWords}. The file of votes records the filter, and votes on chosen drawings get no p-value.`)),
      h("progress", { max: Math.max(1, queue.length), value: done, "aria-label": "Votes cast" }),
      revealed ? result() : entry ? question(entry) : h("p", { class: "empty" }, "There is nothing to compare: choose other systems or samples."),
      h("p", { class: "note" }, summary.ballot.voting));
  }

  function question(entry) {
    const picture = h("figure", { class: "drawing" });
    drawingOf(entry.index).then(([svg]) => picture.append(svgImage(svg, "The drawing to be described", 320)));
    const vote = votes.get(keyOf(entry))?.vote;
    const texts = { left: "Left is better", right: "Right is better", alike: "Both fit alike", neither: "Both are wrong" };
    const choices = h("div", { class: "choices", tabindex: -1, role: "group", "aria-label": "Your vote. Keys 1 to 4, u to undo" },
      voteNames.map((name, i) => h("button", { type: "button", "aria-pressed": String(vote === name), onclick: () => cast(entry, name) },
        h("kbd", { "aria-hidden": "true" }, String(i + 1)), texts[name])));
    const place = h("div", { class: "question" }, picture,
      h("div", {},
        h("h3", {}, "Which caption describes the drawing better?"),
        h("div", { class: "sides" }, ["left", "right"].map((side) =>
          h("div", { class: "side" }, h("h4", {}, side === "left" ? "Left" : "Right"), h("p", {}, captionOf(entry[side], entry.index))))),
        settings.references && h("div", { class: "references" }, h("h4", {}, "References"),
          h("ul", {}, samples.references[entry.index].map((reference) => h("li", {}, reference)))),
        choices,
        h("div", { class: "pager" },
          h("button", { type: "button", disabled: position === 0, onclick: () => turn(position - 1) }, "Previous"),
          h("span", {}, `${position + 1} of ${queue.length}`),
          h("button", { type: "button", disabled: position >= queue.length - 1, onclick: () => turn(position + 1) }, "Next"),
          h("button", { type: "button", disabled: !undone.length, onclick: undo }, "Undo"))));
    place.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const name = voteNames[Number(event.key) - 1];
      if (name) cast(entry, name);
      else if (event.key === "u" && undone.length) undo();
    });
    return place;
  }

  function cast(entry, vote) {
    const key = keyOf(entry);
    undone.push([key, votes.get(key)]);
    votes.set(key, { sample: samples.id[entry.index], left: entry.left, right: entry.right, vote, filter });
    store();
    turn(Math.min(position + 1, queue.length - 1));
  }

  /** Take the last vote back, and show its drawing again where it is among those chosen now. */
  function undo() {
    const [key, before] = undone.pop();
    if (before) votes.set(key, before);
    else votes.delete(key);
    store();
    const place = queue.findIndex((entry) => keyOf(entry) === key);
    turn(place < 0 ? position : place);
  }

  function turn(to) {
    position = to;
    draw();
    element.querySelector(".choices")?.focus({ preventScroll: true });
  }

  /** How often each system of a pair was preferred, with an exact test of the decided votes by groups of drawings. */
  function result() {
    const tallies = new Map();
    for (const { sample, left, right, vote, filter: chosen } of votes.values()) {
      const [first, second] = inOrder(left, right);
      const key = JSON.stringify([first, second]);
      const tally = tallies.get(key) ?? { first, second, firstWins: 0, secondWins: 0, alike: 0, neither: 0, filtered: false, leads: new Map() };
      tally.filtered ||= chosen !== "";
      if (vote === "left" || vote === "right") {
        const won = (vote === "left" ? left : right) === first, group = groupOf.get(sample);
        tally[won ? "firstWins" : "secondWins"] += 1;
        tally.leads.set(group, (tally.leads.get(group) ?? 0) + (won ? 1 : -1));
      } else tally[vote] += 1;
      tallies.set(key, tally);
    }
    const label = (name) => summary.systems[systemIndex.get(name)].label;
    return h("div", {}, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Result of the votes" }, h("table", { class: "numbers tallies" },
      h("thead", {}, h("tr", {}, ["Systems", "first preferred", "second preferred", "alike", "both wrong", "groups", "sign test"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, [...tallies.values()].map((tally) => h("tr", {},
        h("th", { scope: "row" }, `${label(tally.first)} – ${label(tally.second)}`),
        [tally.firstWins, tally.secondWins, tally.alike, tally.neither].map((n) => h("td", {}, String(n))),
        h("td", {}, String(tally.leads.size)),
        h("td", {}, tally.filtered ? "no test: a filter chose the drawings" : pText(signTest([...tally.leads.values()])))))))),
    h("p", { class: "note" }, "The test treats votes on similar drawings as one group and swaps the two systems on whole groups. With five groups or fewer no difference can be significant."),
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => { revealed = false; draw(); } }, "Go on voting"),
      h("button", { type: "button", onclick: () => { votes.clear(); undone = []; store(); restart(); } }, "Delete all votes")));
  }

  function saveVotes() {
    saveText(`votes-${summary.experiment}-${settings.rater.trim()}.json`, "application/json", ballotText(settings, [...votes.values()], view()));
  }

  /** Go on with a file: its settings, its explorer's controls, and its votes where there are none yet. */
  async function resume(file) {
    try {
      const ballot = readBallotText(await file.text(), groupOf);
      if (votes.size && settings.rater.trim() !== ballot.settings.rater) {
        throw new BallotError(`There are votes of ${settings.rater.trim() || "a rater without a name"} here, and the file has those of ${ballot.settings.rater}. Save and delete the ones here first.`);
      }
      Object.assign(settings, ballot.settings);
      for (const vote of ballot.votes) {
        const key = keyOfVote(vote);
        if (!votes.has(key)) votes.set(key, vote);
      }
      message = "";
      store();
      onresume(ballot.view);
    } catch (error) {
      if (!(error instanceof BallotError)) throw error;
      message = error.message;
      draw();
    }
  }

  function keyOf({ index, left, right }) {
    return keyOfVote({ sample: samples.id[index], left, right });
  }

  function captionOf(system, index) {
    const { captions, failed } = samples.systems[system];
    return failed[index] === undefined ? captions[index] : null;
  }

  function store() {
    settings.unstored = !keepVotes(settings, [...votes.values()]); // said above the question
  }
}

/** Numbers in [0, 1) from a seed, the same on every machine (mulberry32). */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Fisher and Yates' shuffle of a copy. */
function shuffled(items, lots) {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i -= 1) {
    const j = Math.floor(lots() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

/**
 * Two-sided exact p of a sign test by groups, null for none: of all ways to swap the two systems on whole groups, the
 * share whose sum of leads is at least as far from 0. With one vote a group it is the usual sign test.
 */
function signTest(leads) {
  if (!leads.length) return null;
  let chances = new Map([[0, 1]]); // sum of the leads so far → its chance
  for (const lead of leads) {
    const next = new Map();
    for (const [sum, chance] of chances) {
      for (const swapped of [sum + lead, sum - lead]) next.set(swapped, (next.get(swapped) ?? 0) + chance / 2);
    }
    chances = next;
  }
  const observed = Math.abs(leads.reduce((sum, lead) => sum + lead, 0));
  let tail = 0;
  for (const [sum, chance] of chances) if (Math.abs(sum) >= observed) tail += chance;
  return Math.min(1, tail);
}
