// A network that reads drawings. Python (pad.py) gives the weights; the steps from a drawing to MNIST's 28×28 are those of its
// `as_mnist_sees`, to the last bit. A picture is { pixels, width, height }, bytes with ink bright on 0.
function reader(layersAsText) {
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

  // The network: z = W x + b and a = f(z) in each layer, and softmax at the end.
  const functions = { none: z => z, relu: z => Math.max(0, z), tanh: Math.tanh, sigmoid: z => 1 / (1 + Math.exp(-z)) };
  const float16 = bits => {
    const exponent = bits >> 10 & 31, fraction = (bits & 1023) / 1024;
    return (bits >> 15 ? -1 : 1) * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
  };
  const layers = layersAsText.map(({ n_in, n_out, f, halves }) => {
    const numbers = Float32Array.from(new Uint16Array(bytes(halves).buffer), float16);
    return { n_in, f: functions[f], W: numbers.subarray(0, n_in * n_out), b: numbers.subarray(n_in * n_out) };
  });
  const softmax = z => {
    const top = Math.max(...z), e = z.map(v => Math.exp(v - top)), sum = e.reduce((s, v) => s + v);
    return e.map(v => v / sum);
  };
  const classify = pixels => {
    const activations = [Array.from(pixels, p => p / 255)];
    for (const { n_in, f, W, b } of layers) {
      const x = activations.at(-1);
      activations.push(Array.from(b, (z, i) => {
        for (let j = 0; j < n_in; j++) z += W[i * n_in + j] * x[j];
        return f(z);
      }));
    }
    return { probabilities: softmax(activations.pop()), hidden: activations.slice(1) };
  };

  // From a drawing to what MNIST would have made of it.
  const picture = (width, height, value) =>
    ({ width, height, pixels: new Uint8Array(width * height).map((_, i) => value(i % width, Math.floor(i / width))) });
  const crop = ({ pixels, width, height }) => {
    let left = width, right = 0, top = height, bottom = 0;
    pixels.forEach((ink, i) => {
      if (!ink) return;
      const x = i % width, y = Math.floor(i / width);
      left = Math.min(left, x), right = Math.max(right, x), top = Math.min(top, y), bottom = Math.max(bottom, y);
    });
    return picture(right - left + 1, bottom - top + 1, (x, y) => pixels[(y + top) * width + x + left]);
  };
  const overlaps = (n, m) => Array.from({ length: m }, (_, i) => {       // of pixel i of m with each of n, on a line n m long
    const found = [];
    for (let j = Math.floor(i * n / m); j * m < (i + 1) * n; j++) found.push([j, Math.min((i + 1) * n, (j + 1) * m) - Math.max(i * n, j * m)]);
    return found;
  });
  const in20box = ({ pixels, width, height }) => {
    const [across, down] = [width, height].map(n => overlaps(n, Math.max(1, Math.floor(20 * n / Math.max(width, height) + 0.5))));
    return picture(across.length, down.length, (x, y) => {
      let total = 0;                                                     // whole numbers up to the one division
      for (const [j, high] of down[y]) for (const [i, wide] of across[x]) total += high * wide * pixels[j * width + i];
      return Math.floor(total / (width * height) + 0.5);
    });
  };
  const centreOfMass = ({ pixels, width }) => {                          // c = Σ i I_i / Σ I_i, in columns and in rows
    let mass = 0, columns = 0, rows = 0;
    pixels.forEach((ink, i) => { mass += ink; columns += ink * (i % width); rows += ink * Math.floor(i / width); });
    return mass ? [columns / mass, rows / mass] : null;
  };
  const place = (box, centre) => {
    const c = centre === "mass" && centreOfMass(box);                    // 14 - c is rounded to the nearest, a half down
    const start = (n, k) => c ? Math.min(Math.max(Math.ceil(13.5 - c[k]), 0), 28 - n) : Math.floor((28 - n) / 2);
    const left = start(box.width, 0), top = start(box.height, 1), inside = (x, y) => x >= 0 && y >= 0 && x < box.width && y < box.height;
    return picture(28, 28, (x, y) => inside(x - left, y - top) ? box.pixels[(y - top) * box.width + x - left] : 0);
  };
  const see = (drawing, centre = "mass") => {
    const cropped = drawing.pixels.some(ink => ink) ? crop(drawing) : picture(28, 28, () => 0), box = in20box(cropped);
    return { cropped, box, placed: place(box, centre) };
  };
  return { bytes, picture, centreOfMass, see, classify };
}
