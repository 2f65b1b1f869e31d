"use strict";
// Two things move on a page: pictures with a slider, and the order of a table's rows. Everything that is shown was
// computed before; this only swaps it. Text is set as text, shapes are made one by one: no string becomes markup.
(() => {
  const SHAPES = new Set(["path", "rect", "circle", "text"]);

  function shape([tag, attributes, content]) {
    if (!SHAPES.has(tag)) throw new Error(`no shape: ${tag}`);
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = content;
    return element;
  }

  function explore(figure) {
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const slider = figure.querySelector("input[type=range]");
    const value = figure.querySelector("output");
    const sentence = figure.querySelector(".sentence [aria-live]");
    const picture = figure.querySelector("svg.drawing");
    const groups = [...figure.querySelectorAll("[data-moving]")];
    function show() {
      const at = Number(slider.value);
      for (const group of groups) group.replaceChildren(...data.shapes[at][group.dataset.moving].map(shape));
      value.textContent = data.texts[at];
      slider.setAttribute("aria-valuetext", data.texts[at]);
      sentence.textContent = data.sentences[at];
      picture.setAttribute("aria-label", `${data.title}. ${data.sentences[at]}`.trim());
    }
    slider.addEventListener("input", show);
    slider.disabled = false;
    if (slider.value !== slider.getAttribute("value")) show(); // a browser may restore where the slider was
  }

  // What a cell is sorted by: its text without what is in small type or only a mark; null for what is missing.
  function key(cell) {
    const copy = cell.cloneNode(true);
    for (const aside of copy.querySelectorAll("small, [aria-hidden]")) aside.remove();
    const text = copy.textContent.trim();
    return text === "" || text === "–" || text === "nan" ? null : text;
  }

  function number(text) {
    const plain = text.replace("−", "-").replace(/,(?=\d{3})/g, "");
    const found = /^(<\s*)?([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*%?$/i.exec(plain);
    return found ? Number(found[2]) - (found[1] ? 1e-12 : 0) : NaN; // "< 0.001" is below 0.001
  }

  function sort(table, button) {
    const head = button.closest("th");
    const column = [...head.parentNode.children].indexOf(head);
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
    const numeric = rows.every(([text]) => text === null || !Number.isNaN(number(text)));
    const order = (a, b) => (numeric ? number(a) - number(b) : a.localeCompare(b, undefined, { numeric: true }));
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * order(a, b)));
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    body.append(...rows.map(([, row]) => row));
  }

  function each(selector, prepare) {
    for (const element of document.querySelectorAll(selector)) {
      try {
        prepare(element);
      } catch (error) {
        console.error(error); // that one stays as it was written; the others must still work
      }
    }
  }

  each("figure.explorer", explore);
  each("table.sortable", (table) => {
    for (const button of table.tHead.querySelectorAll("button.sort")) {
      button.addEventListener("click", () => sort(table, button));
      button.disabled = false;
    }
  });
})();
