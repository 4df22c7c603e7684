/** Where the class token looks: its attention to the patches, as a wash of colour over the image. */
import { call, path } from './api.js';
import { h, segments, showError } from './dom.js';
import { t } from './texts.js';

/** From no attention to the most: red, green, blue and opacity in 0…255. */
const COLOURS = [[40, 0, 90, 0], [150, 20, 130, 110], [240, 90, 50, 190], [255, 200, 40, 235], [255, 255, 200, 255]];

/**
 * Make the canvas and its controls.
 * @param {HTMLCanvasElement} canvas  lies over the image
 * @param {HTMLImageElement} image
 * @param {AbortSignal} signal
 */
export function attention(canvas, image, signal) {
  let file, tasks = [], shown = 'off', grids = null, asked = '';
  const failure = h('div');
  const task = h('select', { 'aria-label': t.attentionOf, onchange: () => refresh() });
  const opacity = h('input', { type: 'range', min: 0, max: 100, value: 75, 'aria-label': t.opacity, oninput: () => { canvas.style.opacity = String(opacity.value / 100); } });
  const mode = segments(t.attention, [['off', t.attentionOff], ['adapted', t.attentionAdapted], ['bare', t.attentionBare]], shown,
    (value) => { shown = value; refresh(); });
  const controls = h('section.attention', { 'aria-label': t.attention }, h('h2', t.attention),
    h('div.row', mode, task), h('label.row.opacity', h('span', t.opacity), opacity), failure);
  canvas.style.opacity = '0.75';
  new ResizeObserver(() => draw()).observe(canvas);

  async function refresh() {
    draw();
    const wanted = task.value;
    if (shown === 'off' || !file || !wanted) return;
    if (asked === wanted && grids) return;
    asked = wanted;
    grids = null;
    failure.replaceChildren();
    draw();
    const sent = file;
    try {
      const found = await call(path`v1/tasks/${wanted}/explain`, {
        method: 'POST', body: sent, signal, headers: { 'Content-Type': sent.type || 'application/octet-stream' },
      });
      if (sent === file && asked === wanted) grids = found;
      draw();
    } catch (error) {
      asked = '';
      showError(failure, error);
    }
  }

  function draw() {
    const ratio = devicePixelRatio;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    if (shown === 'off' || !grids || !image.naturalWidth) return;
    const context = canvas.getContext('2d');
    const [left, top, right, bottom] = grids.box;
    const scale = Math.min(canvas.width / image.naturalWidth, canvas.height / image.naturalHeight);
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    const [x, y] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
    /** @type {[number, number, number, number]} */
    const place = [x + left * width, y + top * height, (right - left) * width, (bottom - top) * height];
    context.imageSmoothingQuality = 'high';
    context.drawImage(wash(grids[shown]), ...place);
    context.strokeStyle = 'rgb(255 255 255 / 0.6)';
    context.lineWidth = ratio;
    context.strokeRect(...place);
  }

  return {
    controls,
    /** @param {File | null} next  the image that is shown from now on */
    setFile(next) { file = next; grids = null; asked = ''; refresh(); },
    /** @param {string[]} names  tasks to choose from */
    setTasks(names) {
      if (names.join('\n') === tasks.join('\n')) return;
      const before = task.value;
      tasks = names;
      task.replaceChildren(...names.map((name) => h('option', { value: name }, name)));
      if (names.includes(before)) task.value = before;
      else refresh();
    },
    redraw: draw,
  };
}

/** Paint a grid, a pixel for each patch, its largest number as the last colour. */
function wash(grid) {
  const canvas = h('canvas', { width: grid[0].length, height: grid.length });
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(canvas.width, canvas.height);
  const largest = Math.max(...grid.flat(), Number.MIN_VALUE);
  grid.flat().forEach((value, place) => pixels.data.set(colour(value / largest), place * 4));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function colour(share) {
  const at = share * (COLOURS.length - 1);
  const from = Math.min(Math.floor(at), COLOURS.length - 2);
  return COLOURS[from].map((low, channel) => low + (at - from) * (COLOURS[from + 1][channel] - low));
}
