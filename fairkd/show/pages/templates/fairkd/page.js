"use strict";
// What moves on a page: pictures with a slider, the order of a table's rows, folds, and the mark in the contents.
// Everything that is shown was computed before. Text is set as text, shapes are made one by one: no string becomes
// markup.
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
    function draw(svg, at) {
      for (const group of svg.querySelectorAll("[data-moving]"))
        group.replaceChildren(...data.shapes[at][group.dataset.moving].map(shape));
    }
    function show() {
      const at = Number(slider.value);
      draw(picture, at);
      value.textContent = data.texts[at];
      slider.setAttribute("aria-valuetext", data.texts[at]);
      sentence.textContent = data.sentences[at];
      picture.setAttribute("aria-label", `${data.title}. ${data.sentences[at]}`.trim());
    }
    slider.addEventListener("input", show);
    slider.disabled = false;
    // On paper: the first value, that which is shown, and the last, side by side; the middle where that is an end.
    addEventListener("beforeprint", () => {
      const strip = figure.appendChild(document.createElement("div"));
      strip.className = "strip";
      const [last, shown] = [data.texts.length - 1, Number(slider.value)];
      for (const at of new Set([0, shown % last ? shown : Math.floor(last / 2), last])) {
        const part = strip.appendChild(document.createElement("div"));
        part.append(`${slider.labels[0].textContent.trim()} ${data.texts[at]}`, picture.cloneNode(true));
        draw(part.lastChild, at);
      }
      picture.after(strip);
    });
    addEventListener("afterprint", () => figure.querySelector(".strip")?.remove());
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

  function target(hash) {
    try {
      return document.getElementById(decodeURIComponent(hash.slice(1)));
    } catch {
      return null; // no address that this page wrote
    }
  }

  // A link into a fold opens it.
  function reveal() {
    const found = target(location.hash);
    for (let fold = found?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    found?.scrollIntoView();
  }

  // The contents: open beside a wide page, a button above a narrow one; the section that is read is marked.
  function follow(nav) {
    const fold = nav.querySelector("details");
    const wide = matchMedia("(min-width: 76rem)");
    const links = [...nav.querySelectorAll('a[href^="#"]')];
    const heads = links.map((link) => target(link.hash));
    function mark() {
      const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
      const read = heads.findLastIndex((head) => head.getBoundingClientRect().top < innerHeight * 0.15);
      const at = end && scrollY > 0 ? heads.length - 1 : read;
      links.forEach((link, n) => (n === at ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    }
    const settle = () => (fold.open = wide.matches);
    settle();
    wide.addEventListener("change", settle);
    nav.addEventListener("click", (event) => event.target.closest("a") && settle());
    nav.addEventListener("keydown", (event) => event.key === "Escape" && settle());
    const observer = new IntersectionObserver(mark, { rootMargin: "9999999px 0px -85% 0px" });
    for (const head of heads) observer.observe(head);
    addEventListener("scrollend", mark);
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

  // Paper and the browser's search have what is open.
  function foldAll(button) {
    const folds = [...document.querySelectorAll("details.fold")];
    const closed = () => folds.some((fold) => !fold.open);
    const name = () => (button.textContent = closed() ? "Open all sections" : "Close all sections");
    button.hidden = false;
    button.addEventListener("click", () => {
      const open = closed();
      for (const fold of [...folds, ...document.querySelectorAll("table.claims details")]) fold.open = open;
    });
    for (const fold of folds) fold.addEventListener("toggle", name);
    name();
  }

  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => event.target.closest('a[href^="#"]') && setTimeout(reveal));
  if (location.hash) reveal();
  each("#contents", follow);
  each("button.folds", foldAll);
  each("figure.explorer", explore);
  each("table.sortable", (table) => {
    for (const button of table.tHead.querySelectorAll("button.sort")) {
      button.addEventListener("click", () => sort(table, button));
      button.disabled = false;
    }
  });
})();
