// The filter box of the page of all causes. Without this script the page is whole.
(() => {
  "use strict";
  const sections = [...document.querySelectorAll('section[id^="cause-"]')].map((element) => ({
    element,
    text: element.textContent.toLowerCase(),
  }));
  if (sections.length === 0) return;
  const areas = [...new Set(sections.map((found) => found.element.parentElement))];

  const box = document.createElement("input");
  box.type = "search";
  box.placeholder = "Filter: words of a message, a program, an id";
  box.setAttribute("aria-label", "Filter the causes");
  box.style.cssText =
    "width: 100%; box-sizing: border-box; padding: 0.5rem; font: inherit; " +
    "color: inherit; background: inherit; border: 1px solid currentColor; border-radius: 4px;";
  const count = document.createElement("p");
  count.setAttribute("role", "status");
  areas[0].before(box, count);

  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, text } of sections) {
      const fits = words.every((word) => text.includes(word));
      element.hidden = !fits;
      shown += fits;
    }
    for (const area of areas) {
      area.hidden = sections.every((s) => s.element.parentElement !== area || s.element.hidden);
    }
    count.textContent = `${shown} of ${sections.length} causes`;
  };
  box.addEventListener("input", filter);
  // A link to a cause must show it, whatever is in the box.
  window.addEventListener("hashchange", () => {
    if (document.querySelector(":target")?.closest("section[hidden]")) {
      box.value = "";
      filter();
      document.querySelector(":target").scrollIntoView();
    }
  });
  filter();
})();
