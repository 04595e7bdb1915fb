// Building elements. Text only ever enters the page through textContent: captions and names are untrusted.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** An HTML element: h("p", {class: "note"}, "text", child). Properties that start with "on" are listeners. */
function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An SVG element. */
function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A labelled <select>. `options` are [value, text] pairs. */
function choice(label, options, value, onchange) {
  const select = h("select", { "aria-label": label, onchange: (event) => onchange(event.target.value) },
    options.map(([key, text]) => h("option", { value: key }, text)));
  select.value = value;
  return h("label", { class: "field" }, h("span", {}, label), select);
}

function format(number, decimals) {
  if (number === null || number === undefined) return "–";
  return number.toFixed(decimals).replace("-", "−");
}

function pText(p) {
  if (p === null) return "–";
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}

/** Ticks at round numbers inside [low, high], about `wanted` of them. */
function ticks(low, high, wanted) {
  const step = roundStep((high - low) / wanted);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return { step, found };
}

function roundStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= step * (1 - 1e-9));
}

/** Text of a tick: as many decimals as its step needs. */
function tickText(number, step) {
  const decimals = [0, 1, 2, 3].find((n) => Math.abs(step * 10 ** n - Math.round(step * 10 ** n)) < 1e-6) ?? 4;
  return number.toFixed(decimals).replace("-", "−");
}

/** Give the reader a text as a file. */
function saveText(name, type, text) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name.replace(/[^\w.-]+/g, "_") });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Put text on the clipboard and say so on the button; where the browser refuses, show it for copying by hand. */
async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  } catch {
    const area = h("textarea", { readonly: true, rows: 8, "aria-label": "Text to copy" });
    area.value = text;
    const dialog = h("dialog", {}, h("p", {}, "Copy this text:"), area, h("form", { method: "dialog" }, h("button", {}, "Close")));
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    area.select();
  }
}
