/** Tasks: all of them with what they do now, or one of them. */
import { every } from './api.js';
import { h, put, section, table, taskLink } from './dom.js';
import { duration, measure, short, size } from './format.js';
import { sparkline } from './sparkline.js';
import { show } from './task.js';
import { listTasks } from './tasklist.js';
import { t } from './texts.js';
import { Traffic } from './traffic.js';
import { uploader } from './uploader.js';

const MOST_ROWS = 200;
const MILLISECONDS = 3000;

/** @type {import('./main.js').View} */
export const view = (root, name, signal) => (name ? show : list)(root, signal, name);

async function list(root, signal) {
	const filter = h('input', { type: 'search', placeholder: t.filter, 'aria-label': t.filter, oninput: fill });
	const count = h('span.muted', { role: 'status' });
	const body = h('tbody');
	const headings = [t.task, t.live, t.metric, t.method, t.labels, t.size, t.place, t.rate, t.latency];
	put(root, h('h1', t.views.tasks), h('p.lead', t.tasksLead), h('div.row.between', filter, count), table('tasks', headings, body),
		section(t.upload, uploader(null, signal, async () => { tasks = await listTasks(signal); fill(); })));
	let tasks = await listTasks(signal);
	const traffic = new Traffic();
	const rows = new Map();
	fill();
	await every(MILLISECONDS, signal, async () => {
		await traffic.read(signal);
		for (const [task, draw] of rows) if (traffic.tasks.has(task)) draw(traffic.tasks.get(task));
	});

	function fill() {
		const wanted = filter.value.trim().toLowerCase();
		const fitting = tasks.filter(({ task, description }) => `${task} ${description}`.toLowerCase().includes(wanted));
		rows.clear();
		put(body, fitting.slice(0, MOST_ROWS).map(row),
			!fitting.length && h('tr', h('td.empty', { colSpan: headings.length }, tasks.length ? t.noneFits : t.noTasks)));
		put(count, t.shown(Math.min(fitting.length, MOST_ROWS), tasks.length));
	}

	function row({ task, reason, description, state, live, metrics = {}, method, labels, size: bytes, place }) {
		const [rate, latency] = [spark(short), spark(duration)];
		rows.set(task, (series) => { rate.draw(series.rate); latency.draw(series.latency); });
		const [[metric, value] = []] = Object.entries(metrics);
		const cells = [
			live ? t.version(live) : t.states[state], metric && h('span', { title: metric }, measure(metric, value)), method,
			labels && h('span', { title: labels.slice(0, 50).join(', ') }, short(labels.length)),
			bytes && size(bytes), place && t.places[place], rate.element, latency.element,
		];
		return h('tr', h('th', { scope: 'row' }, taskLink(task), h('small.muted', reason ?? description)),
			cells.map((cell, at) => h('td', { 'data-label': headings[at + 1] }, cell ?? '–')));
	}
}

/** A line with its newest value beside it. */
function spark(form) {
	const { element, draw } = sparkline();
	const value = h('span', '–');
	return { element: h('span.sparkcell', element, value), draw: (values) => { draw(values); put(value, values.at(-1) ? form(values.at(-1)) : '–'); } };
}
