// One drawing at a time: it is sent, and what comes back is shown line by line. Text only enters through textContent.

const at = (id) => document.getElementById(id);
const rows = new Map([...document.querySelectorAll("tr[data-system]")].map((row) => [row.dataset.system, row]));
const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
const seconds = (value) => (value < 0.995 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(value < 10 ? 1 : 0)} s`);
let running = null;
let filled = ""; // the text that this script has put into the field, which may be replaced
let shown = { captions: 0, all: 0 }; // how many captions have come, and how many will

/** Send a drawing and show what comes back; the one before is left. */
async function ask(address, body) {
  running?.abort();
  const mine = running = new AbortController();
  clear();
  try {
    const answer = await fetch(address, { method: "POST", body, signal: mine.signal });
    if (!answer.ok) throw new Error(await reasonOf(answer));
    let done = false;
    for await (const event of eventsOf(answer.body)) {
      if (mine.signal.aborted) return; // what had come before that
      parts[event.event](event);
      done = ["done", "rejected", "fault"].includes(event.event);
    }
    if (!done) throw new Error("The page ended before it was done. Is its command still running?");
  } catch (error) {
    if (mine.signal.aborted) return;
    fail(error instanceof TypeError ? "The page does not answer. Is its command still running?" : error.message);
  }
  at("results").setAttribute("aria-busy", "false");
}

async function reasonOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).detail;
  } catch {
    return text;
  }
}

/** The events of a stream of lines of JSON. */
async function* eventsOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

function clear() {
  const runnable = [...rows.values()].filter((row) => !row.dataset.obstacle);
  shown = { captions: 0, all: runnable.length };
  for (const row of rows.values()) setRow(row, row.dataset.obstacle ? "cannot" : "waits", row.dataset.obstacle || "waits");
  for (const id of ["near-code", "near-picture", "canonical", "raw"]) at(id).textContent = "…";
  at("tokens").tBodies[0].replaceChildren();
  for (const id of ["fault", "references"]) at(id).hidden = true;
  at("results").setAttribute("aria-busy", "true");
  at("results").dataset.reading = "true"; // the drawing before fades until the next is there, so that the page is calm
  at("status").textContent = "Reading the drawing …";
}

function setRow(row, state, content, time = "") {
  row.dataset.state = state;
  row.querySelector(".caption").replaceChildren(...[content].flat().filter(Boolean));
  row.querySelector(".figure").replaceChildren(time);
}

function fail(reason) {
  at("results").hidden = false;
  delete at("results").dataset.reading;
  at("card").hidden = true;
  for (const section of document.querySelectorAll("#results section")) section.hidden = true;
  at("fault").hidden = false;
  at("fault").textContent = reason;
  at("status").textContent = "No captions.";
}

function progress(more = "") {
  at("status").textContent = `${shown.captions} of ${shown.all} captions.${more}`;
}

/** A drawing as an image: nothing in it can run, or ask for anything. */
const svgSource = (svg) => `data:image/svg+xml,${encodeURIComponent(svg)}`;

const parts = {
  drawing(event) {
    at("results").hidden = at("card").hidden = false;
    delete at("results").dataset.reading;
    for (const id of ["drawings", "measures", "flags"]) at(id).replaceChildren();
    for (const section of document.querySelectorAll("#results section")) section.hidden = false;
    const what = event.id ? `Test sample ${event.id}` : "Your drawing";
    at("drawings").append(
      h("figure", { class: "drawing" }, event.png
        ? h("img", { src: `data:image/png;base64,${event.png}`, alt: `${what}, as captioners see it`, width: 200, height: 200 })
        : h("p", { class: "undrawn" }, `No picture: ${event.fault}`), h("figcaption", {}, event.png ? `Picture, ${event.size} px` : "Picture")),
      h("figure", { class: "drawing" }, h("img", { src: svgSource(event.xml), alt: `${what}, its canonical text drawn by this browser`, width: 200, height: 200 }),
        h("figcaption", {}, "Canonical text, by this browser")));
    at("measures").textContent = [[event.measures.shapes, "shape"], [event.measures.commands, "command"], [event.measures.colours, "colour"]]
      .map(([n, word]) => `${n} ${word}${n === 1 ? "" : "s"}`).concat(`read in ${seconds(event.seconds)}`).join(" · ");
    at("flags").append(...event.flags.map(({ flag, words }) => h("li", {}, h("span", { class: "tag flag" }, flag), words && h("small", {}, words))));
    if (!event.flags.length) at("flags").append(h("li", {}, h("small", {}, "Nothing was repaired or flagged.")));
    at("references").hidden = !event.references.length;
    at("references").querySelector("ul").replaceChildren(...event.references.map((text) => h("li", {}, text)));
    at("canonical").textContent = event.xml;
    at("tokens").tBodies[0].append(h("tr", { id: "characters" }, h("th", { scope: "row" }, "Characters"), h("td", {}, "…"), h("td", {}, number(event.measures.characters))));
    progress();
    // On a small screen the captions would be out of sight.
    if (at("results").getBoundingClientRect().top > innerHeight * 0.6) at("status").scrollIntoView({ block: "start" });
  },
  rejected(event) {
    fail(`The models cannot read this drawing: ${event.reason}.`);
  },
  fault(event) {
    fail(event.reason);
  },
  working({ system, loads }) {
    const row = rows.get(system);
    setRow(row, "writes", loads ? "The model is being loaded …" : "Writes …");
    progress(` ${row.dataset.label} ${loads ? "is being loaded" : "writes"} …`);
  },
  caption(event) {
    const notes = [
      event.is_cut && h("span", { class: "badge cut" }, "cut at the length limit"),
      event.in_run?.is_same && h("span", { class: "badge exact" }, "as in the report"),
      event.in_run && !event.in_run.is_same && h("small", {}, `In the report: ${event.in_run.caption || "no caption"}`),
      event.tokens_removed ? h("small", {}, `The drawing was shortened by ${number(event.tokens_removed)} tokens to fit the prompt.`) : null,
    ];
    const text = event.caption ? h("span", {}, event.caption) : h("span", { class: "no-caption" }, `No caption: ${event.reason || "no reason given"}`);
    setRow(rows.get(event.system), "done", [text, ...notes], h("span", {}, seconds(event.seconds), event.loading >= 0.1 && h("small", {}, ` loading ${seconds(event.loading)}`)));
    shown.captions += 1;
    progress();
  },
  obstacle({ system, reason }) {
    setRow(rows.get(system), "cannot", reason);
    shown.all -= 1;
  },
  in_run({ system, caption, reason }) {
    const row = rows.get(system);
    setRow(row, "done", [h("span", { class: caption ? null : "no-caption" }, caption || `No caption: ${reason}`), h("small", {}, `From the report. ${row.dataset.obstacle}`)]);
  },
  neighbours({ by, drawings, reason }) {
    at(`near-${by}`).replaceChildren(...drawings.map(({ id, xml, references, similarity }) => h("figure", {},
      h("img", { src: svgSource(xml), alt: `Training drawing ${id}`, width: 200, height: 200 }),
      h("figcaption", {}, references[0], h("small", {}, `similarity ${similarity.toFixed(3)} · ${id}`),
        references.length > 1 && h("small", { title: references.slice(1).join("\n") }, `and ${references.length - 1} more ${references.length === 2 ? "reference" : "references"}`)))));
    if (!drawings.length) at(`near-${by}`).append(h("p", { class: "note" }, reason || "There are none."));
  },
  raw({ text, length, reason }) {
    at("raw").textContent = text === null ? reason : text.length < length ? `${text}\n… ${number(length - text.length)} more characters` : text;
    at("characters").cells[1].textContent = number(length);
    if (text !== null && text.length === length && ["", filled].includes(at("code").value)) {
      at("code").value = text;
      filled = at("code").value;
    }
  },
  tokens({ bases }) {
    at("tokens").tBodies[0].append(...bases.map(({ label, raw, canonical }) =>
      h("tr", {}, h("th", { scope: "row" }, `Tokens of ${label}`), h("td", {}, number(raw)), h("td", {}, number(canonical)))));
  },
  done(event) {
    at("status").textContent = `${shown.captions} captions in ${seconds(event.seconds)}.`;
  },
};

function press(id) {
  for (const button of document.querySelectorAll("#thumbs button")) button.setAttribute("aria-pressed", String(button.dataset.id === id));
}

async function showSamples() {
  const answer = await fetch(`/samples?words=${encodeURIComponent(at("words").value)}`);
  if (!answer.ok) return;
  const found = await answer.json();
  at("none").hidden = found.length > 0;
  at("thumbs").replaceChildren(...found.map(({ id, xml, reference }) => h("li", {},
    h("button", { type: "button", "data-id": id, "aria-pressed": "false", title: reference, onclick: () => { press(id); ask("/samples", id); } },
      h("img", { src: svgSource(xml), alt: reference, width: 80, height: 80 })))));
}

function askFile(file) {
  if (!file) return;
  press(null);
  ask("/drawings", file);
}

function askCode() {
  if (!at("code").value.trim()) { at("code").focus(); return; }
  press(null);
  ask("/drawings", at("code").value);
}

at("ask").addEventListener("submit", (event) => { event.preventDefault(); askCode(); });
at("code").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); askCode(); } });
at("open").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", () => { askFile(at("file").files[0]); at("file").value = ""; });
at("others").addEventListener("click", () => { at("words").value = ""; showSamples(); });
at("words").addEventListener("input", () => { clearTimeout(at("words").timer); at("words").timer = setTimeout(showSamples, 200); });
// A file may be dropped anywhere; without this the browser would leave the page for it.
document.addEventListener("dragover", (event) => { event.preventDefault(); at("ask").classList.add("dropping"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("ask").classList.remove("dropping"); });
document.addEventListener("drop", (event) => { event.preventDefault(); at("ask").classList.remove("dropping"); askFile(event.dataTransfer.files[0]); });
showSamples().finally(() => { document.documentElement.dataset.ready = "true"; });
