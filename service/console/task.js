/** A task: what is live, its versions and history, and what may be done with them. */
import { call, path, request } from './api.js';
import { compare } from './compare.js';
import { announce, attempt, button, confirm, factList, h, put, section, table, taskLink } from './dom.js';
import { ago, measure, moment, size } from './format.js';
import { t } from './texts.js';
import { uploader } from './uploader.js';

const MOST_EVENTS = 100;
const MOST_LABELS = 200;

/** Show a task. @param {HTMLElement} root @param {AbortSignal} signal @param {string} name */
export async function show(root, signal, name) {
	const [about, outcome, facts, labels] = [h('p.lead'), h('div.outcome'), h('div'), h('details')];
	const [actions, comparison, versions, history] = [h('div.actions'), h('div'), h('tbody'), h('ol.history')];
	let task;
	put(root, h('nav.crumbs', { 'aria-label': t.path }, h('a', { href: '#/tasks' }, t.views.tasks)),
		h('div.row.between', h('h1', name), actions), about, outcome, facts, labels,
		section(t.versions, table('versions', [t.number, t.at, t.by, t.size, t.actions], versions), uploader(name, signal, refresh)),
		comparison, section(t.history, history));
	await refresh();

	async function refresh() {
		task = await call(path`v1/tasks/${name}`, { signal });
		const live = task.state === 'live';
		put(about, task.reason ?? task.description);
		put(actions, live && h('a.button', { href: `#/try/${encodeURIComponent(name)}` }, t.tryIt),
			live && change(t.retire, 'danger', t.retireAsk(name), t.retired(name), path`v1/tasks/${name}`, { method: 'DELETE' }));
		put(facts, factsOf(task));
		const all = task.labels ?? [];
		labels.hidden = !all.length;
		put(labels, h('summary', t.labelCount(all.length)), h('ul.labels',
			all.slice(0, MOST_LABELS).map((label) => h('li', label)), all.length > MOST_LABELS && h('li', t.more(all.length - MOST_LABELS))));
		put(versions, [...task.stored].reverse().map(version));
		put(history, [...task.history].reverse().slice(0, MOST_EVENTS).map(event));
		put(comparison, task.stored.length > 1 && compare(task, signal));
	}

	function version({ number, at, by, size: bytes, sha256 }) {
		const live = number === task.live;
		return h(live ? 'tr.live' : 'tr', { 'data-version': number },
			h('th', { scope: 'row', title: sha256 }, t.version(number), live && h('span.badge', t.live)),
			h('td', { 'data-label': t.at, title: ago(at) }, moment(at)), h('td', { 'data-label': t.by }, by), h('td', { 'data-label': t.size }, size(bytes)),
			h('td.row',
				!live && change(number < task.live ? t.rollBack : t.activate, 'primary', t.activateAsk(name, number, task.live), t.activated(name, number),
					path`v1/tasks/${name}/live`, { method: 'PUT', json: { version: number } }),
				button(t.download, () => download(number)),
				!live && change(t.delete, 'danger', t.deleteAsk(name, number), t.deleted(number), path`v1/tasks/${name}/versions/${number}`, { method: 'DELETE' })));
	}

	/** A button that makes a call once the person has agreed. */
	function change(action, kind, question, done, where, options) {
		return button(action, async () => {
			if (!(await confirm(action, question, kind))) return;
			await attempt(outcome, async () => {
				await call(where, { ...options, signal });
				await refresh();
				put(outcome, h('p.done', done));
				announce(done);
			});
		}, { kind });
	}

	function download(number) {
		return attempt(outcome, async () => {
			const response = await request(path`v1/tasks/${name}/versions/${number}`, { signal });
			const href = URL.createObjectURL(await response.blob());
			h('a', { href, download: `${name}-v${number}.safetensors` }).click();
			setTimeout(() => URL.revokeObjectURL(href), 10000);
		});
	}
}

const factsOf = ({ state, live, metrics = {}, method, size: bytes, place, manifest }) => factList([
	[t.live, live ? t.version(live) : t.states[state]],
	...Object.entries(metrics).map(([name, value]) => [name.replaceAll('_', ' '), measure(name, value)]),
	[t.method, method], [t.size, bytes && size(bytes)], [t.place, place && t.places[place]],
	[t.trained, manifest?.created && moment(manifest.created)], [t.data, manifest?.data],
]);

/** @param {{event: string, version: number, at: string, by: string, task?: string}} entry  of a history */
export const event = ({ event: kind, version, at, by, task }) => h('li', h('time', { dateTime: at, title: moment(at) }, ago(at)),
	h('span', task ? [taskLink(task), ' '] : '', t.events[kind]?.(version) ?? `${kind} ${version}`), h('span.muted', by));
