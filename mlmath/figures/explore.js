// A drawing by matplotlib that shows the setting its controls stand at. Python (explore.py) drew every setting and found the slots,
// attributes of elements whose value differs between settings; here they are set. This file knows no mathematics and no axes.
const inflate = text => new Response(new Blob([Uint8Array.from(atob(text), c => c.charCodeAt(0))])
  .stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer().then(buffer => new Uint8Array(buffer));
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

async function live(el, { index, controls, data }, changed = () => {}) {
  const [table, bytes, files] = await Promise.all(data.map(inflate));
  const [texts, rows, slots, sentences] = JSON.parse(new TextDecoder().decode(table));
  const img = el.querySelector("img");                       // without scripts this still picture is all there is
  const still = new DOMParser().parseFromString(decodeURIComponent(img.src.slice(img.src.indexOf(",") + 1)), "image/svg+xml");
  const svg = document.importNode(still.documentElement, true), elements = svg.querySelectorAll("*");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", img.alt);

  // Coordinates are tenths of a point: first all x of a path, then all y, each as the difference from the one before.
  const count = bytes.length / 2, tenths = new Int16Array(count), pieces = texts.map(text => text.split("\x01"));
  let at = 0;
  for (const slot of slots) {
    const [, attribute, row, text] = slot;
    const single = (attribute === "x" || attribute === "y") && [text].flat().every(t => pieces[t].length > 1);  // as in weave.py
    slot.versions = Array.from({ length: Math.max(...rows[row]) + 1 }, (_, v) => {
      const piece = pieces[text[v] ?? text], from = at, n = piece.length - 1, half = n + 1 >> 1;
      for (let i = 0; i < n; i++, at++) {
        const first = single ? v === 0 : i === 0 || i === half;
        tenths[at] = (first ? 0 : tenths[at - 1]) + (bytes[at] | bytes[at + count] << 8);
      }
      return { piece, from, half };
    });
  }
  const value = ({ piece, from, half }) => {
    if (piece[0][0] !== "\x02") return piece.reduce((text, p, i) => text + tenths[from + (i & 1 ? 0 : half) + (i - 1 >> 1)] / 10 + p);
    const file = files.subarray(...piece[0].slice(1).split(" "));
    return "data:image/png;base64," + btoa(file.reduce((text, byte) => text + String.fromCharCode(byte), ""));
  };
  const set = (element, attribute, text) => attribute === "" ? element.textContent = text
    : text === "" ? element.removeAttribute(attribute) : element.setAttribute(attribute, text);
  const frame = at => controls.reduce((f, { labels }, k) => f * labels.length + at[k], 0);

  const panel = make("div", { className: "controls" });
  const inputs = controls.map(({ title, labels, slider, play }, k) => {
    const input = slider ? make("input", { type: "range", max: labels.length - 1 })
      : make("select", {}, ...labels.map((label, i) => new Option(label, i)));
    input.dataset.lmSuppressShortcuts = "true";              // JupyterLab must leave the arrow keys to it
    input.oninput = () => turn(k, +input.value);
    const output = make("span", { className: "value", ariaHidden: "true" });   // the slider itself says its value
    panel.append(make("label", {}, title, input, ...slider ? [output] : []), ...play ? [player(title, k)] : []);
    return { input, output };
  });
  const show = (to, from) => {
    const now = frame(to), before = frame(from);
    for (const { 0: element, 1: attribute, 2: row, versions } of slots)
      if (rows[row][now] !== rows[row][before]) set(elements[element], attribute, value(versions[rows[row][now]]));
    if (sentences.length) el.querySelector("[role=status]").textContent = sentences[now];
    inputs.forEach(({ input, output }, k) => {
      input.value = to[k];
      output.textContent = controls[k].labels[to[k]];
      if (controls[k].slider) input.setAttribute("aria-valuetext", output.textContent);
    });
    index = to;
  };
  const turn = (k, i) => { show(Object.assign([...index], { [k]: i }), index); changed(index); };
  function player(title, k) {
    const button = make("button", { type: "button", textContent: "▶ Play", ariaLabel: `Play ${title}` }), last = controls[k].labels.length - 1;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;  // else the whole way in some eight seconds
    const wait = calm ? 1000 : Math.min(1000, Math.max(100, 8000 / last));
    let timer = 0;
    const stop = () => { timer = clearInterval(timer); button.textContent = "▶ Play"; button.ariaLabel = `Play ${title}`; };
    const step = () => index[k] < last && el.isConnected ? turn(k, index[k] + 1) : stop();
    button.onclick = () => {
      if (timer) return stop();
      if (index[k] === last) turn(k, 0);
      timer = setInterval(step, wait);
      button.textContent = "‖ Pause";
      button.ariaLabel = `Pause ${title}`;
    };
    return button;
  }
  show(index, index);
  img.replaceWith(svg, ...controls.length ? [panel] : []);
  return to => show([...to], index);
}
