// ipywidgets gives a slider's handle no name; its label's text is one. `element` is the output that holds this script.
const name = (panel) => {
  for (const slider of panel.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector(".widget-label");
    const handle = slider.querySelector("[role=slider]");
    if (label && handle && handle.getAttribute("aria-label") !== label.textContent) {
      handle.setAttribute("aria-label", label.textContent);
    }
  }
};
const begin = (tries) => {
  const panel = element.closest(".widget-vbox");
  if (panel) {
    name(panel);
    new MutationObserver(() => name(panel)).observe(panel, { childList: true, subtree: true });
  } else if (tries > 0) {
    setTimeout(begin, 50, tries - 1); // the panel is not on the page yet
  }
};
begin(200);
