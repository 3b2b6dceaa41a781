// A formula wider than the page scrolls. The keyboard must reach it, so it becomes a stop of the tab key, but only then.
const reachWideFormulas = () => {
  for (const formula of document.querySelectorAll("mjx-container")) {
    if (!formula.hasAttribute("display")) {
      formula.classList.remove("wide");
      let block = formula.parentElement;
      while (block.clientWidth === 0 && block.parentElement) block = block.parentElement; // what is part of a line has no width
      formula.classList.toggle("wide", formula.offsetWidth > block.clientWidth);
    }
    // not scrollWidth: it counts the formula for screen readers, which is not seen
    const displayed = formula.hasAttribute("display") && formula.clientWidth;
    if (formula.matches(".wide") || (displayed && formula.querySelector("mjx-math").offsetWidth > formula.clientWidth)) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
};

// On a narrow page a table that is too wide stands on end, its cells below one another; many columns scroll.
const standOnEnd = () => {
  for (const table of document.querySelectorAll("table.table")) {
    table.classList.remove("stacked");
    for (const cell of table.querySelectorAll("td")) cell.dataset.head = table.rows[0].cells[cell.cellIndex]?.textContent ?? "";
    const narrow = matchMedia("screen and (max-width: 768px)").matches && table.rows[0].cells.length <= 5;
    table.classList.toggle("stacked", narrow && table.offsetWidth > table.parentElement.clientWidth);
    table.parentElement.tabIndex = table.offsetWidth > table.parentElement.clientWidth ? 0 : -1;
  }
};

const fit = () => { standOnEnd(); reachWideFormulas(); };
addEventListener("load", () => {
  fit();
  window.MathJax?.startup?.promise.then(fit);
  let soon;
  addEventListener("resize", () => { clearTimeout(soon); soon = setTimeout(fit, 200); });
  addEventListener("toggle", fit, true);
});

// On a narrow page the contents lie over it; they go when one of them is chosen.
addEventListener("click", ({ target }) => target.closest?.("dialog a[href^='#']")?.closest("dialog").close());

// On paper nothing stays folded but the code that only draws.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open], .hide)")];
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
