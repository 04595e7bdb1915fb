// A list of thousands of rows of equal height, of which only those near the window are elements.

/**
 * `fillRow(row, item)` puts an item's content into an empty row, `nameRow(item)` is its id for links and tests,
 * `onchoose(item)` is called when a person picks one. Keys: arrows, Page Up and Down, Home, End.
 */
function virtualList({ label, rowHeight, fillRow, nameRow, onchoose }) {
  const rows = h("div", { class: "rows" });
  const element = h("div", { class: "list", role: "listbox", tabindex: 0, "aria-label": label }, rows);
  const drawn = new Map(); // position → row
  let items = [], chosen = -1, waiting = false;

  element.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }, { passive: true });
  element.addEventListener("click", (event) => {
    const row = event.target.closest("[role=option]");
    if (row) pick(Number(row.dataset.position));
  });
  element.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(element.clientHeight / rowHeight) - 1);
    const steps = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + page, PageUp: chosen - page, Home: 0, End: items.length - 1 };
    if (!(event.key in steps) || !items.length) return;
    event.preventDefault();
    pick(Math.min(items.length - 1, Math.max(0, steps[event.key])));
  });
  new ResizeObserver(draw).observe(element);

  return { element, show, choose, redraw, get position() { return chosen; } };

  /** Show other items from the top. */
  function show(newItems) {
    items = newItems;
    chosen = -1;
    element.scrollTop = 0;
    redraw();
  }

  /** Mark an item and bring it into view; -1 where it is not in the list. */
  function choose(item) {
    chosen = items.indexOf(item);
    if (chosen >= 0) reveal(chosen);
    draw();
  }

  function pick(position) {
    if (items[position] === undefined) return;
    chosen = position;
    reveal(position);
    draw();
    onchoose(items[position]);
  }

  function reveal(position) {
    const top = position * rowHeight, bottom = top + rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  }

  function redraw() {
    for (const row of drawn.values()) row.remove();
    drawn.clear();
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(element.scrollTop / rowHeight) - 4);
    const last = Math.min(items.length - 1, Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + 4);
    rows.style.height = `${items.length * rowHeight}px`;
    for (const [position, row] of drawn) {
      if (position >= first && position <= last) continue;
      row.remove();
      drawn.delete(position);
    }
    for (let position = first; position <= last; position += 1) {
      if (drawn.has(position)) continue;
      const row = h("div", { class: "row", role: "option", id: `row-${position}`, "data-position": position, "data-id": nameRow(items[position]),
        "aria-posinset": position + 1, "aria-setsize": items.length });
      row.style.top = `${position * rowHeight}px`;
      row.style.height = `${rowHeight}px`;
      fillRow(row, items[position]);
      drawn.set(position, row);
      rows.append(row);
    }
    for (const [position, row] of drawn) row.setAttribute("aria-selected", String(position === chosen));
    if (drawn.has(chosen)) element.setAttribute("aria-activedescendant", `row-${chosen}`);
    else element.removeAttribute("aria-activedescendant");
  }
}
