/** Two versions of a task side by side on the same images. */
import { path, request } from './api.js';
import { h, put, section } from './dom.js';
import { percent, short } from './format.js';
import { chooser, dropping, filesOf } from './intake.js';
import { t } from './texts.js';

const MOST_IMAGES = 64;

/**
 * Make the section.
 * @param {any} task  with at least two versions
 * @param {AbortSignal} signal
 */
export function compare(task, signal) {
  const numbers = task.stored.map(({ number }) => number).reverse();
  const first = task.live ?? numbers[0];
  const sides = [first, numbers.find((number) => number !== first)].map((chosen, side) => h('select', {
    'aria-label': t.side(side + 1), onchange: () => ask([...files]),
  }, numbers.map((number) => h('option', { value: number, selected: number === chosen }, t.version(number)))));
  const rows = h('tbody');
  const headings = [h('th', { scope: 'col' }, ''), h('th', { scope: 'col' }, ''), h('th', { scope: 'col' }, '')];
  const table = h('table.compare', { hidden: true }, h('thead', h('tr', headings)), rows);
  const summary = h('p', { role: 'status' });
  let files = [], urls = [], run = new AbortController();
  const zone = h('div.dropzone', h('p', t.dropImages, ' ', chooser(t.choose, ask, { multiple: true })));
  dropping(zone, (data) => ask(filesOf(data)));
  signal.addEventListener('abort', () => { run.abort(); forget(); });
  return section(t.compare, h('div.row', sides[0], h('span.muted', t.against), sides[1]), zone, summary, h('div.scroll', table));

  function forget() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
  }

  async function ask(given) {
    run.abort();
    run = new AbortController();
    const { signal: wanted } = run;
    files = given.slice(0, MOST_IMAGES);
    forget();
    table.hidden = !files.length;
    const versions = sides.map((side) => Number(side.value));
    put(headings[0], t.image);
    versions.forEach((version, at) => put(headings[at + 1], t.version(version)));
    let [same, asked] = [0, 0];
    const made = files.map((file) => {
      urls.push(URL.createObjectURL(file));
      return h('tr', h('th.pictured', { scope: 'row' }, h('img', { src: urls.at(-1), alt: '' }), h('span', file.name)), versions.map(() => h('td', '…')));
    });
    put(rows, made);
    for (const [at, file] of files.entries()) {
      const answers = await Promise.all(versions.map((version) => best(task, version, file, wanted).catch((error) => error)));
      if (wanted.aborted) return;
      answers.forEach((answer, side) => put(made[at].cells[side + 1], answer instanceof Error
        ? h('span.error', answer.message)
        : [h('strong', answer.label), ' ', h('span.muted', task.activation === 'none' ? short(answer.value) : percent(answer.value))]));
      const agree = answers[0].label !== undefined && answers[0].label === answers[1].label;
      if (!agree) made[at].className = 'differs';
      [same, asked] = [same + Number(agree), asked + 1];
      put(summary, t.agreement(same, asked));
    }
  }
}

/**
 * Ask a version by the Open Inference Protocol: JSON, and the image's bytes behind it.
 * @param {any} task @param {number} version @param {Blob} file @param {AbortSignal} signal
 * @returns {Promise<{label: string, value: number}>}
 */
async function best({ task, activation }, version, file, signal) {
  const scores = activation === 'none' ? 'scores' : 'probabilities';
  const head = JSON.stringify({
    inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: file.size + 4 } }],
    outputs: [{ name: scores, parameters: { binary_data: false, classification: 1 } }],
  });
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, file.size, true);
  const response = await request(path`v2/models/${task}/versions/${version}/infer`, {
    method: 'POST', signal, body: new Blob([head, length.buffer, file]),
    headers: { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': String(new Blob([head]).size) },
  });
  const { outputs } = await response.json();
  const [, value, label] = outputs[0].data[0].match(/^([^:]*):\d+:(.*)$/s);
  return { label, value: Number(value) };
}
