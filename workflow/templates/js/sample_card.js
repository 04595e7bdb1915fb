// One sample: its drawing and image, the references, and what each system wrote, with scores.

function sampleCard(index, metric) {
  const id = samples.id[index];
  const [characters, shapes, commands, colours] = samples.measures[index];
  const drawing = h("figure", { class: "drawing" }), image = h("figure", { class: "drawing" });
  const code = h("details", { class: "xml" }, h("summary", {}, `Drawing as the models read it (${characters.toLocaleString("en")} characters)`));
  code.addEventListener("toggle", async () => {
    if (code.open && code.children.length === 1) code.append(h("pre", { class: "code", tabindex: 0 }, (await drawingOf(index))[0]));
  });
  fillDrawings(index, drawing, image);
  const columns = [...new Set([...summary.main, metric])].map((name) => valueByName.get(name));
  const shown = summary.systems.filter(({ name }) => !hidden.has(name));
  const highest = new Map(columns.map((value) => {
    const scores = shown.map(({ name }) => samples.systems[name].scores[value.name][index]).filter((score) => score !== null);
    // Where all score alike nobody is marked.
    return [value.name, new Set(scores).size > 1 ? (value.higher ? Math.max(...scores) : Math.min(...scores)) : null];
  }));
  return h("article", { class: "card", "aria-label": `Sample ${id}`, "data-id": id },
    h("header", {},
      h("h3", {}, h("a", { href: sampleLink(index), title: "Link to this sample" }, id)),
      h("span", { class: "tag" }, samples.source[index]),
      samples.flags[index].map((flag) => h("span", { class: "tag flag" }, flag)),
      samples.undrawn[index] !== undefined && h("span", { class: "tag fault" }, flagTexts["image:failed"]),
      h("span", { class: "measures" }, [[shapes, "shape"], [commands, "command"], [colours, "colour"]].map(([n, what]) => `${n} ${what}${n === 1 ? "" : "s"}`).join(" · "))),
    h("div", { class: "drawings" }, drawing, image),
    h("div", { class: "references" }, h("h4", {}, samples.references[index].length === 1 ? "Reference" : "References"),
      h("ul", {}, samples.references[index].map((reference) => h("li", {}, reference)))),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Captions with scores" },
      h("table", { class: "captions" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "System"), h("th", { scope: "col" }, "Caption"),
          columns.map((value) => h("th", { scope: "col", class: value.name === metric ? "chosen" : null }, wholeWords(value.label))))),
        h("tbody", {}, shown.map((system) => h("tr", {},
          h("th", { scope: "row" }, h("div", { class: "name" }, swatch(systemIndex.get(system.name)), h("span", {}, system.label))),
          h("td", { class: "caption" }, captionText(system.name, index)),
          columns.map((value) => {
            const score = samples.systems[system.name].scores[value.name][index];
            return h("td", { "data-label": value.label, class: `figure ${score !== null && score === highest.get(value.name) ? "high" : ""} ${value.name === metric ? "chosen" : ""}` },
              format(score, value.decimals));
          })))))),
    code);
}

/** A label that breaks at its spaces only: "BLEU-4" stays whole. */
function wholeWords(label) {
  return label.split(" ").flatMap((word) => [h("span", { class: "whole" }, word), " "]);
}

function sampleLink(index) {
  return `#sample=${encodeURIComponent(samples.id[index])}`;
}

async function fillDrawings(index, drawing, image) {
  const [svg, picture, width, height] = await drawingOf(index);
  const what = samples.references[index][0];
  drawing.append(svgImage(svg, `Drawing: ${what}`, 208), h("figcaption", {}, "SVG, by this browser"));
  if (picture === null) {
    image.append(h("p", { class: "undrawn" }, "No image: ", samples.undrawn[index] || "no reason given"), h("figcaption", {}, "PNG"));
  } else {
    image.append(h("img", { src: `data:image/webp;base64,${picture}`, alt: `Image that captioners and CLIP see: ${what}`, width: 208, height: 208 }),
      h("figcaption", {}, `PNG as captioners see it, ${width} × ${height} px${summary.images_reduced ? `; here ${summary.images_reduced}` : ""}`));
  }
}

/** A drawing as an image: nothing in it can run, or ask for anything. */
function svgImage(svg, alt, size) {
  return h("img", { src: `data:image/svg+xml,${encodeURIComponent(svg)}`, alt, width: size, height: size, decoding: "async" });
}

function captionText(system, index) {
  const { captions, failed, flags } = samples.systems[system];
  if (failed[index] !== undefined) return h("span", { class: "no-caption" }, `No caption: ${failed[index] || "no reason given"}`);
  const { words, exact } = compareWords(captions[index], samples.references[index]);
  return [
    words.map(([word, hit]) => [h("span", { class: hit ? "word" : "word miss" }, word), " "]),
    exact && h("span", { class: "badge exact" }, "exact"),
    (flags[index] ?? []).map((flag) => h("span", { class: "badge cut" }, summary.health[flag])),
  ];
}
