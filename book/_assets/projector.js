// The projector view: large letters, one part of the page at a time. P or the button begins and ends it (Escape too);
// the arrows, Page Up and Page Down, which remote controls send, go back and forth.
const projector = (() => {
  const root = document.documentElement;
  let parts = [], at = 0;

  // A heading with what follows it, up to the next heading, is a part.
  const partsOf = (section) => {
    const inner = [...section.children].filter((child) => child.matches("section") && child.querySelector(":scope > :is(h2, h3)"));
    return [[...section.children].filter((child) => !inner.includes(child)), ...inner.flatMap(partsOf)];
  };

  const show = (k) => {
    at = Math.max(0, Math.min(k, parts.length - 1));
    parts.forEach((part, i) => part.forEach((element) => element.classList.toggle("off-screen", i !== at)));
    document.getElementById("projected").textContent = `${at + 1} of ${parts.length}`;
    scrollTo(0, 0);
    dispatchEvent(new Event("resize")); // wide formulas are measured when they are seen
  };

  const seen = () => parts.findIndex((part) => part[0]?.getBoundingClientRect().top > 0);

  const toggle = () => {
    const on = !root.classList.contains("projector");
    parts = partsOf(document.querySelector(".bd-article > section"));
    const first = on ? Math.max(0, seen()) : at;
    root.classList.toggle("projector", on);
    if (on) return show(first);
    parts.flat().forEach((element) => element.classList.remove("off-screen"));
    parts[first][0]?.scrollIntoView();
  };

  const busy = (element) => element.closest("input, select, textarea, canvas, [contenteditable]");
  const STEPS = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || busy(event.target)) return;
    const on = root.classList.contains("projector");
    if (event.key === "p" || (on && event.key === "Escape")) toggle();
    else if (on && STEPS[event.key]) {
      show(at + STEPS[event.key]);
      event.preventDefault();
    }
  });
  return { toggle, step: (by) => show(at + by) };
})();
