/** The list of trainings, and what may be done with each. */
import { call, every, path } from './api.js';
import { attempt, button, confirm, h, put, showError, table } from './dom.js';
import { ago, moment, whole } from './format.js';
import { t } from './texts.js';

const MILLISECONDS = 3000;

/** @param {{state: string}} training */
export const isUnderWay = ({ state }) => state === 'queued' || state === 'running';

/** @param {{delete_at: string | null}} training @returns {string} how long its images are kept */
export const keptUntil = ({ delete_at: at }) => (at ? t.deletedAt(ago(at)) : t.keptForEver);

/** @param {{labels: {count: number}[]}} training */
export const imagesOf = ({ labels }) => labels.reduce((sum, { count }) => sum + count, 0);

/** @param {{state: string}} training */
export const state = ({ state: name }) => h(`span.state.${name}`, t.trainingStates[name] ?? name);

/** @param {AbortSignal} signal  until it aborts, the list follows the server */
export function trainings(signal) {
	const [failure, body] = [h('div'), h('tbody')];
	const headings = [t.task, t.state, t.method, t.images, t.by, t.imagesKept, t.actions];
	let before = '';
	every(MILLISECONDS, signal, read);
	return h('div', failure, table('versions', headings, body));

	async function read() {
		try {
			const { trainings: all } = await call('v1/trainings', { signal });
			// While nothing changes the rows stay, so that no button is taken from under a finger.
			if (JSON.stringify(all) === before) return;
			before = JSON.stringify(all);
			put(body, all.reverse().map(row), !all.length && h('tr', h('td.empty', { colSpan: headings.length }, t.noChanges)));
		} catch (error) {
			showError(failure, error);
		}
	}

	function row(training) {
		const { id, task, method, by, created } = training;
		const cells = [state(training), method, whole(imagesOf(training)), by, keptUntil(training)];
		return h('tr', h('th', { scope: 'row' }, h('a', { href: `#/teach/${encodeURIComponent(id)}` }, task), h('small.muted', { title: moment(created) }, ' ', ago(created))),
			cells.map((cell, at) => h('td', { 'data-label': headings[at + 1] }, cell)),
			h('td.row', isUnderWay(training) && button(t.cancel, () => change(path`v1/trainings/${id}/cancel`, 'POST')),
				button(t.delete, async () => {
					if (await confirm(t.delete, t.deleteTrainingAsk(task), 'danger')) change(path`v1/trainings/${id}`, 'DELETE');
				}, { kind: 'danger' })));
	}

	async function change(where, method) {
		await attempt(failure, () => call(where, { method, signal }));
		await read();
	}
}
