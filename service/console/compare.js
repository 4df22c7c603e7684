/** Two versions of a task side by side on the same images. */
import { path, request } from './api.js';
import { h, put, section, table } from './dom.js';
import { percent, short } from './format.js';
import { chooser, dropping } from './intake.js';
import { t } from './texts.js';
import { thumbnail } from './try.js';

const MOST_IMAGES = 64;

/** Make the section. @param {any} task  with at least two versions @param {AbortSignal} signal */
export function compare(task, signal) {
	const numbers = task.stored.map(({ number }) => number).reverse();
	const first = task.live ?? numbers[0];
	const sides = [first, numbers.find((number) => number !== first)].map((chosen, side) => h('select', { 'aria-label': t.side(side + 1), onchange: () => ask(files) },
		numbers.map((number) => h('option', { value: number, selected: number === chosen }, t.version(number)))));
	const [rows, summary, found] = [h('tbody'), h('p', { role: 'status' }), h('div')];
	let [files, run] = [/** @type {File[]} */ ([]), new AbortController()];
	const zone = h('div.dropzone', h('p', t.dropImages, chooser(t.choose, ask, { multiple: true })));
	dropping(zone, (data) => ask([...data.files]));
	signal.addEventListener('abort', () => run.abort());
	return section(t.compare, h('div.row', sides[0], t.against, sides[1]), zone, summary, found);

	async function ask(given) {
		run.abort();
		run = new AbortController();
		const { signal: wanted } = run;
		files = given.slice(0, MOST_IMAGES);
		if (!files.length) return;
		const versions = sides.map(({ value }) => value);
		put(found, table('compare', [t.image, ...versions.map(t.version)], rows));
		const made = files.map((file) => h('tr', h('th.pictured', { scope: 'row' }, thumbnail(file, wanted), file.name), versions.map(() => h('td', '…'))));
		put(rows, made);
		let same = 0;
		for (const [at, file] of files.entries()) {
			const answers = await Promise.all(versions.map((version) => best(task, version, file, wanted).catch((error) => error)));
			if (wanted.aborted) return;
			answers.forEach(({ label, value, message }, side) => put(made[at].cells[side + 1],
				message ? h('span.error', message) : [h('strong', label), ' ', h('span.muted', task.activation === 'none' ? short(value) : percent(value))]));
			const agree = answers[0].label !== undefined && answers[0].label === answers[1].label;
			same += Number(agree);
			made[at].classList.toggle('differs', !agree);
			put(summary, t.agreement(same, at + 1));
		}
	}
}

/**
 * Ask a version by the Open Inference Protocol: JSON, and the image's bytes behind it.
 * @param {any} task @param {string} version @param {File} file @param {AbortSignal} signal @returns {Promise<{label: string, value: number}>}
 */
async function best({ task, activation }, version, file, signal) {
	const head = new Blob([JSON.stringify({
		inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: file.size + 4 } }],
		outputs: [{ name: activation === 'none' ? 'scores' : 'probabilities', parameters: { binary_data: false, classification: 1 } }],
	})]);
	const length = new DataView(new ArrayBuffer(4));
	length.setUint32(0, file.size, true);
	const response = await request(path`v2/models/${task}/versions/${version}/infer`, {
		method: 'POST', signal, body: new Blob([head, length.buffer, file]),
		headers: { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': String(head.size) },
	});
	const [, value, label] = (await response.json()).outputs[0].data[0].match(/^([^:]*):\d+:(.*)$/s);
	return { label, value: Number(value) };
}
