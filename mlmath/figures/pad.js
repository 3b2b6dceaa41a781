// The pad: a sheet to draw on, a bar for each class, a canvas for each stage from the drawing to what the network sees, and one for each
// hidden layer. For tests and for the curious, el.pad.see(picture, "mass" or "box") and el.pad.classify(784 pixels) answer for any picture.
function pad(el, spec) {
  const { bytes, picture, centreOfMass, see, classify } = el.pad = reader(spec.layers);
  const SIDE = 280, WIDTH = 24;                            // of the sheet, and of a stroke: as thick as MNIST's in a digit that fills the sheet

  const figure = kind => `<figure class="${kind}"><canvas aria-hidden="true"></canvas><figcaption></figcaption></figure>`;
  const radio = (value, words) => `<label><input type="radio" name="centre" value="${value}">${words}</label>`;
  const bar = (_, k) => `<li><span>${k}</span><span class="bar"><i></i></span><span></span></li>`;
  el.querySelectorAll("img, p").forEach(still => still.remove());
  el.insertAdjacentHTML("beforeend", `<form autocomplete="off">
    <div class="sheet"><canvas width="${SIDE}" height="${SIDE}" role="img" aria-label="Drawing area for mouse, finger or pen"></canvas>
      <div><button type="button">Undo</button><button type="button">Clear</button></div></div>
    <div class="answer"><output></output>
      <ol aria-label="Probabilities">${Array.from({ length: spec.layers.at(-1).n_out }, bar).join("")}</ol></div>
    <div class="samples" role="group" aria-label="Samples to try"></div>
    <div class="stages">${["", "", "", "seen", ...spec.layers.slice(1).fill("units")].map(figure).join("")}</div>
    <fieldset><legend>Centred by</legend>${radio("mass", "mass, as MNIST is")}${radio("box", "the box around the ink")}</fieldset>
    <p></p></form>`);
  const form = el.querySelector("form"), sheet = form.querySelector("canvas"), pen = sheet.getContext("2d", { willReadFrequently: true });
  const figures = [...form.querySelectorAll("figure")], [undo, clear] = form.querySelectorAll("button"), { centre } = form.elements;
  const answer = form.querySelector("output"), percent = p => `${(100 * p).toFixed(1)}\u00a0%`;
  form.querySelector("p").textContent = `Draw with mouse, finger or pen, or try a sample. Network ${spec.sizes}, learnt from ${spec.name}.`;

  const show = (canvas, { pixels, width, height }) => {    // white, as opaque as there is ink
    const ctx = Object.assign(canvas, { width, height }).getContext("2d"), image = ctx.createImageData(width, height);
    image.data.fill(255);
    pixels.forEach((ink, i) => image.data[4 * i + 3] = ink);
    ctx.putImageData(image, 0, 0);
    return canvas;
  };
  const showUnits = (canvas, a) => {
    const columns = Math.min(16, a.length), rows = Math.ceil(a.length / columns), most = Math.max(...a.map(Math.abs));
    const ctx = Object.assign(canvas, { width: 12 * columns, height: 12 * rows }).getContext("2d");
    a.forEach((v, i) => {
      ctx.fillStyle = `rgba(255, 255, 255, ${v ? 0.3 + 0.7 * Math.abs(v) / most : 0.12})`;
      ctx.fillRect(12 * (i % columns) + 1, 12 * Math.floor(i / columns) + 1, 10, 10);
    });
  };
  const unitsInWords = (a, k) => (spec.layers.length > 2 ? `layer ${k + 1}: ` : "") +
    (spec.layers[k].f === "relu" ? `${a.filter(v => v > 0).length} of ${a.length} hidden units fire` : `${a.length} hidden units, bright where |a| is large`);
  const ink = points => {                                  // a curve through the midpoints, which is smooth
    pen.beginPath();
    pen.moveTo(...points[0]);
    points.slice(1, -1).forEach(([x, y], i) => pen.quadraticCurveTo(x, y, (x + points[i + 2][0]) / 2, (y + points[i + 2][1]) / 2));
    pen.lineTo(points.at(-1)[0] + 0.01, points.at(-1)[1]); // a hair further: a dot is a stroke too
    pen.stroke();
  };

  // A drawing is a list of samples (canvases) and strokes (lists of points). Whatever one does adds a drawing; undo takes it back.
  const drawings = [], shown = () => drawings.at(-1);
  const update = () => {
    Object.assign(pen, { lineWidth: WIDTH, lineCap: "round", lineJoin: "round", strokeStyle: "white", imageSmoothingEnabled: false });
    pen.clearRect(0, 0, SIDE, SIDE);
    for (const item of shown()) Array.isArray(item) ? ink(item) : pen.drawImage(item, 0, 0, SIDE, SIDE);
    const rgba = pen.getImageData(0, 0, SIDE, SIDE).data, drawn = picture(SIDE, SIDE, (x, y) => rgba[4 * (SIDE * y + x) + 3]);
    const { cropped, box, placed } = see(drawn, centre.value), { probabilities, hidden } = classify(placed.pixels), c = centreOfMass(placed);
    [drawn, cropped, box, placed].forEach((stage, k) => show(figures[k].firstChild, stage));
    hidden.forEach((a, k) => showUnits(figures[4 + k].firstChild, a));
    ["1 drawn", "2 cropped", "3 longest side 20", `4 what the network sees${c ? `: centre of mass in column ${c[0].toFixed(1)}, row ${c[1].toFixed(1)}` : ""}`,
      ...hidden.map(unitsInWords)].forEach((words, k) => figures[k].lastChild.textContent = words);
    form.querySelectorAll("li").forEach(({ children: [, bar, number] }, k) => {
      bar.firstChild.style.width = `${c ? 100 * probabilities[k] : 0}%`;
      number.textContent = c ? percent(probabilities[k]) : "–";
    });
    const sure = Math.max(...probabilities);
    return c ? `The network reads ${probabilities.indexOf(sure)}, ${sure > 0.999 ? "over 99.9\u00a0%" : percent(sure)} sure.` : "Nothing is drawn.";
  };
  const say = () => answer.textContent = update();         // in the live region: once an act, not at every move of the pen
  const act = drawing => { drawings.push(drawing); say(); };

  const samples = bytes(spec.samples);
  for (let k = 0; k < samples.length / 784; k++) {
    const thumbnail = show(document.createElement("canvas"), { pixels: samples.subarray(784 * k, 784 * (k + 1)), width: 28, height: 28 });
    const button = form.querySelector(".samples").appendChild(Object.assign(document.createElement("button"), { type: "button" }));
    button.setAttribute("aria-label", `Sample ${k + 1}${spec.labels ? `, a ${spec.labels[k]}` : ""}`);
    button.append(thumbnail);
    button.onclick = () => act([thumbnail]);
    if (k === 0) drawings.push([thumbnail]);               // what the still picture showed; the first stroke replaces it
  }
  undo.onclick = () => { if (drawings.length > 1) drawings.pop(); say(); };
  clear.onclick = () => act([]);
  form.onchange = say;
  form.onsubmit = () => false;
  form.querySelectorAll("button, input").forEach(control => control.dataset.lmSuppressShortcuts = "true");   // JupyterLab's, that is

  let points = null, frame = 0;
  const add = events => {
    const { left, top, width, height } = sheet.getBoundingClientRect();
    for (const e of events) points.push([(e.clientX - left) * SIDE / width, (e.clientY - top) * SIDE / height]);
    frame ||= requestAnimationFrame(() => { frame = 0; update(); });
  };
  sheet.onpointerdown = e => {
    if (!e.isPrimary || e.button) return;
    sheet.setPointerCapture(e.pointerId);
    drawings.push([...drawings.length > 1 ? shown() : [], points = []]);
    add([e]);
  };
  sheet.onpointermove = e => {
    if (!points || !e.isPrimary) return;
    const all = e.getCoalescedEvents?.() ?? [];            // every place the pen was in since the last frame
    add(all.length ? all : [e]);
  };
  sheet.onpointerup = sheet.onpointercancel = e => {
    if (!points || !e.isPrimary) return;
    points = null;
    say();
  };
  centre.value = "mass";
  say();
}
