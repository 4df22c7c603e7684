/** Health: what the server does now, from its metrics, and who changed what. */
import { call, every, request } from './api.js';
import { h, put, section, showError, table } from './dom.js';
import { duration, short, size, whole } from './format.js';
import { counts, histogram, parse, total } from './metrics.js';
import { keep, sparkline } from './sparkline.js';
import { event } from './task.js';
import { t } from './texts.js';

const MILLISECONDS = 2000;
/** Quantiles and means are of so many readings, half a minute: of two alone they would jump. */
const WINDOW = 15;
/** Readings from one look at the last changes to the next. */
const CHANGES_EVERY = 5;
const PREDICTS = /predict|infer|embeddings|^\/hf/;

/** @type {import('./main.js').View} */
export async function view(root, _, signal) {
	const tiles = figuresOf().map(tile);
	const [errors, stages, changes, failure] = [h('tbody'), h('tbody'), h('ol.history'), h('div')];
	put(root, h('h1', t.views.health), h('p.lead', t.healthLead), failure, h('div.tiles', tiles.map(({ element }) => element)),
		h('div.halves', section(t.stages, table('plain', [t.stage, t.median, 'p99'], stages)), section(t.errors, table('plain', [t.kind, t.sinceStart, t.lastSeconds], errors))),
		section(t.changes, changes));
	const readings = [];
	let looked = 0;
	await every(MILLISECONDS, signal, async () => {
		try {
			readings.push(Object.assign(parse(await (await request('metrics', { signal })).text()), { at: performance.now() / 1000 }));
			if (readings.length > WINDOW) readings.shift();
			const now = new Now(readings);
			for (const { draw } of tiles) draw(now);
			put(stages, rowsOfStages(now));
			put(errors, rowsOfErrors(now));
			put(failure);
			if (looked++ % CHANGES_EVERY) return;
			const { events } = await call('v1/events?limit=20', { signal });
			put(changes, events.length ? events.map(event) : h('li.muted', t.noChanges));
		} catch (error) {
			showError(failure, error);
		}
	});
}

/** What the last readings tell. */
class Now {
	constructor(readings) {
		this.last = readings.at(-1);
		this.before = readings.at(-2);
		this.first = readings.length > 1 ? readings[0] : undefined;
	}

	gauge(name) { return total(this.last, name); }

	rate(name) { return this.before ? (total(this.last, name) - total(this.before, name)) / (this.last.at - this.before.at) : 0; }

	/** Of the last half minute; where nothing came, since the server's start. */
	histogram(name, wanted) {
		const lately = histogram(this.first, this.last, name, wanted);
		return lately.count ? lately : histogram(undefined, this.last, name, wanted);
	}

	requests(share) { return 1000 * this.histogram('facet_request_seconds', ({ route }) => PREDICTS.test(route)).quantile(share); }

	tier(name) { return `${size(this.gauge(`facet_${name}_bytes`))} ${t.of(size(this.gauge(`facet_${name}_budget_bytes`)))}`; }
}

/** Names, values, how they are written, and what is said below them. @returns {[string, (now: Now) => number, (value: number) => string, ((now: Now) => string)?][]} */
const figuresOf = () => [
	[t.imagesPerSecond, (now) => now.rate('facet_images_total'), short],
	[t.p50, (now) => now.requests(0.5), duration],
	[t.p99, (now) => now.requests(0.99), duration],
	[t.queued, (now) => now.gauge('facet_queued_rows'), whole, (now) => t.of(whole(now.gauge('facet_queue_limit')))],
	[t.batchImages, (now) => now.histogram('facet_batch_images').mean, short, (now) => t.atMost(whole(now.gauge('facet_batch_limit')))],
	[t.batchTasks, (now) => now.histogram('facet_batch_tasks').mean, short],
	[t.resident, (now) => now.gauge('facet_resident_tasks'), whole, (now) => now.tier('resident')],
	[t.hosted, (now) => now.gauge('facet_hosted_tasks'), whole, (now) => now.tier('hosted')],
	[t.evictions, (now) => now.gauge('facet_task_eviction_age_seconds_count'), whole],
];

function tile([name, value, form, note]) {
	const [number, below, values, { element, draw }] = [h('strong', '–'), h('small.muted'), [], sparkline()];
	return {
		element: h('article.tile', h('h2', name), number, below, element),
		draw(now) {
			keep(values, value(now));
			put(number, form(values.at(-1)));
			put(below, note?.(now));
			draw(values);
		},
	};
}

function rowsOfStages(now) {
	const stages = [[t.decode, 'decode'], [t.queue, 'queue'], [t.forward, 'forward'], [t.heads, 'head'], [t.loading, 'task_miss']];
	return stages.map(([name, series]) => {
		const { count, quantile } = now.histogram(`facet_${series}_seconds`);
		return h('tr', h('th', { scope: 'row' }, name), [0.5, 0.99].map((share) => h('td', count ? duration(quantile(share) * 1000) : '–')));
	});
}

function rowsOfErrors({ first, last }) {
	const name = 'facet_rejections_total';
	const lately = Object.fromEntries(first ? counts(first, last, name, 'reason') : []);
	const rows = counts(undefined, last, name, 'reason').map(([reason, count]) =>
		h('tr', h('th', { scope: 'row' }, reason), h('td', whole(count)), h('td', whole(lately[reason] ?? 0))));
	return rows.length ? rows : h('tr', h('td.muted', { colSpan: 3 }, t.noErrors));
}
