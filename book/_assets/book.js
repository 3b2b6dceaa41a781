// A formula wider than the page scrolls. The keyboard must reach it, so it becomes a stop of the tab key, but only then.
const reachWideFormulas = () => {
  for (const formula of document.querySelectorAll("mjx-container")) {
    if (!formula.hasAttribute("display")) {
      formula.classList.remove("wide");
      formula.classList.toggle("wide", formula.offsetWidth > formula.closest("p, li, td, dd, div").clientWidth);
    }
    if (formula.scrollWidth > formula.clientWidth && formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
};

addEventListener("load", () => {
  if (!window.MathJax?.startup) return; // a page without formulas
  MathJax.startup.promise.then(reachWideFormulas);
  let soon;
  addEventListener("resize", () => { clearTimeout(soon); soon = setTimeout(reachWideFormulas, 200); });
  addEventListener("toggle", reachWideFormulas, true);
});

// On paper nothing stays folded but the code that only draws.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open], .hide)")];
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
