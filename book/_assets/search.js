// The search page: Sphinx' own search, with each page found once and an excerpt that can be read.

// a browser lets no page from a file read another, and the excerpts would need that
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
Object.assign(Documentation.TRANSLATIONS, {
  "Search finished, found ${resultCount} page(s) matching the search query.": "Search finished: found in ${resultCount} places.",
  "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.":
    "Nothing found. The book’s spelling is British: optimiser, regularisation.",
});
// the excerpt: the sentence, not the code, if there is one; formulas as one would type them
const NAMES = {
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", Delta: "Δ", varepsilon: "ε", theta: "θ", kappa: "κ", lambda: "λ", Lambda: "Λ", mu: "μ",
  pi: "π", rho: "ρ", sigma: "σ", Sigma: "Σ", tau: "τ", Phi: "Φ", varphi: "φ", nabla: "∇", partial: "∂", sum: "Σ", top: "T", infty: "∞",
  cdot: "·", times: "×", odot: "⊙", pm: "±", le: "≤", ge: "≥", ne: "≠", approx: "≈", to: "→", leftarrow: "←", dots: "…", ldots: "…", ell: "ℓ",
  quad: " ", qquad: " ", sqrt: "√",
};
const typed = (formula) => formula
  .replace(/\\[()[\]]|\\(operatorname|text|mathrm|mathbb|mathbf|mathcal|left|right|[Bb]igg?[lrm]?)(?![a-z])/g, "")
  .replace(/\\hat\s*(\w)/g, "$1\u0302").replace(/\\bar\s*(\w)/g, "$1\u0304")
  .replace(/([_^]){([^{}]*)}/g, "$1$2")
  .replace(/\\[td]?frac\s*(\w|\\[a-z]+)\s*(\w)/gi, "$1/$2")
  .replace(/\\[td]?frac\s*(\w){([^{}]*)}/g, "$1/($2)")
  .replace(/\\[td]?frac\s*{([^{}]*)}\s*{([^{}]*)}/g, "($1)/($2)")
  .replace(/\\([a-zA-Z]+)/g, (_, name) => NAMES[name] ?? name).replace(/\\.|[{}]/g, "");
const excerpt = (text, words) => {
  const places = words.map((word) => text.toLowerCase().indexOf(word)).filter((place) => place >= 0);
  const first = places.length ? Math.min(...places) : 0;
  const start = first > 120 && text.length > 240 ? text.indexOf(" ", first - 120) + 1 : 0;
  const end = text.length > start + 240 ? text.lastIndexOf(" ", start + 240) : text.length;
  return (start ? "… " : "") + text.slice(start, end) + (end < text.length ? " …" : "");
};
document.addEventListener("DOMContentLoaded", () => {
  Search.makeSearchSummary = (html, terms, place) => {
    const main = new DOMParser().parseFromString(html, "text/html").querySelector("article");
    for (const part of main.querySelectorAll(".headerlink, .prelude, script, style, img")) part.remove();
    for (const formula of main.querySelectorAll(".math")) formula.textContent = typed(formula.textContent);
    const part = (place && main.querySelector("#" + CSS.escape(place.slice(1)))) || main;
    // what is searched is the stem: entropi, probabl
    const words = [...terms].map((word) => word.toLowerCase().replace(/(?<=.{4})[il]$/, ""));
    const says = ({ textContent }) => words.some((word) => textContent.toLowerCase().includes(word));
    const told = (dt) => dt?.parentElement.querySelector(`#${CSS.escape(dt.id)} ~ dd`);
    const term = part.matches("dt") ? part : [...part.querySelectorAll("dt[id]")].find(says);
    const first = (selector) => [...part.querySelectorAll(selector)].find(says);
    const found = told(term) ?? first("p, li, dd") ?? first("pre") ?? first("h2, h3") ?? part;
    const summary = document.createElement("p");
    summary.className = "context";
    summary.textContent = excerpt(found.textContent.trim().replace(/\s+/g, " "), words);
    return summary;
  };
  // a page is found once; if the index knows the place where it speaks of the term, there
  const find = Search._performSearch;
  Search._performSearch = (...query) => {
    const found = find(...query).reverse(), kept = new Map();
    for (const result of found) {
      const [page, title, place, told] = result;
      const name = told || title.includes(" &gt; ") || title.includes(" > ") ? page + place : page;
      const before = kept.get(name);
      if (!before) kept.set(name, result);
      else if (!before[2] && place) before[2] = place;
    }
    return [...kept.values()].reverse();
  };
});
