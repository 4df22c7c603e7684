/** A training: how far it is, what it reached, which labels look wrong, and its publication. */
import { call, events, path, request } from './api.js';
import { confusion, curve } from './charts.js';
import { announce, attempt, button, confirm, factList, h, put, section, taskLink } from './dom.js';
import { duration, moment, percent, short, size } from './format.js';
import { t } from './texts.js';
import { imagesOf, isUnderWay, keptUntil, state } from './trainings.js';

const MOST_PICTURES = 48;

/** Show a training and follow it. @param {HTMLElement} root @param {AbortSignal} signal @param {string} id */
export async function show(root, signal, id) {
	const here = path`v1/trainings/${id}`;
	const read = () => call(here, { signal });
	const [heading, actions, outcome, facts, line, result] = [h('h1', '…'), h('div.actions'), h('div.outcome'), h('div'), h('div'), h('div.view')];
	const [bar, phase] = [h('progress', { 'aria-label': t.progress }), h('p', { role: 'status' })];
	put(root, h('nav.crumbs', { 'aria-label': t.path }, h('a', { href: '#/teach' }, t.views.teach)),
		h('div.row.between', heading, actions), outcome, facts, section(t.progress, bar, phase, line), result);
	let [training, points, corrected] = [await read(), [], 0];
	fill();
	await follow();

	/** Hear of it until it has ended. */
	async function follow() {
		if (!isUnderWay(training)) return;
		for await (const { event, data } of events(`${here}/events`, signal)) {
			if (event === 'progress') {
				training.progress = data;
				if (data.phase === 'training' && data.done) points.push({ epoch: data.done, loss: data.loss, score: data.score });
				fillProgress();
				continue;
			}
			training = await read();
			fill();
			if (!isUnderWay(training)) break;
		}
		announce(`${training.task}: ${t.trainingStates[training.state]}`);
	}

	function fill() {
		const { task, state: name, error, published, result: reached, method, labels, by, started } = training;
		const images = imagesOf(training);
		put(heading, task);
		put(facts, factList([
			[t.state, state(training)], [t.method, reached?.method ?? method], [t.images, t.imagesInLabels(images, labels.length)],
			[t.by, by], [t.started, started && moment(started)], [t.imagesKept, keptUntil(training)],
		]));
		put(actions, isUnderWay(training) && button(t.cancel, () => change('cancel')),
			!isUnderWay(training) && images > 0 && button(name === 'collecting' ? t.train : t.trainAgain, start),
			name === 'done' && button(t.publish, publish, { kind: 'primary' }), button(t.delete, remove, { kind: 'danger' }));
		put(outcome, error && h('p.error', error), published && h('p.done', t.publishedAs(task, published), ' ', taskLink(task, t.show)));
		fillProgress();
		put(result, ...(reached && name === 'done' ? resultOf(reached) : []));
	}

	function fillProgress() {
		const { state: name, progress: now, result: reached } = training;
		bar.hidden = !isUnderWay(training);
		if (now?.total) [bar.max, bar.value] = [now.total, now.done];
		else bar.removeAttribute('value');
		put(phase, name === 'queued' ? t.waiting : name === 'running' && now
			? [t.phases[now.phase] ?? now.phase, now.method, now.total && t.ofTotal(now.done, now.total), typeof now.loss === 'number' && `${t.loss} ${short(now.loss)}`].filter(Boolean).join(' · ')
			: reached && t.took(duration(reached.seconds * 1000)));
		put(line, curve(name === 'done' && reached?.curve?.length ? reached.curve : points));
	}

	function resultOf({ accuracy, interval, held_out_images: images, labels, wrong, doubtful, size: bytes, confusion: matrix }) {
		return [
		section(t.result, h('p.accuracy', h('strong', percent(accuracy)), ' ', t.interval(...interval.map(percent))), h('p.muted', t.heldOut(images), bytes ? ` · ${size(bytes)}` : '')),
		section(t.confusion, confusion(labels, matrix)),
		pictures(t.doubtful, t.doubtfulAbout, doubtful, ({ label, suggested }) => t.looksLike(label, suggested)),
		pictures(t.wrong, t.wrongAbout, wrong, ({ label, predicted }) => t.wasTaken(label, predicted)),
		];
	}

	/** Images with what is said of each, and their labels to correct. */
	function pictures(title, about, entries, say) {
		if (!entries?.length) return null;
		return section(title, h('p.muted', about), h('div.pictures', entries.slice(0, MOST_PICTURES).map((entry) => {
			const place = h('div.outcome');
			const select = h('select', { 'aria-label': t.rightLabel, onchange: () => correct(entry, select.value, place) },
				training.labels.map(({ label }) => h('option', { value: label, selected: label === entry.label }, label)));
			const take = () => { select.value = entry.suggested; select.onchange(); };
			return h('article.picture', picture(entry.image), h('p', say(entry), ' ', h('span.muted', percent(entry.probability))),
				h('div.row', select, entry.suggested && button(t.takeIt, take)), place);
		})));
	}

	function correct(entry, label, place) {
		return attempt(place, async () => {
		await call(path`v1/trainings/${id}/images/${entry.image}`, { method: 'PUT', json: { label }, signal });
		put(place, h('p.done', t.corrected(label)));
		put(outcome, h('div.row', h('p.done', t.correctedCount(++corrected)), button(t.trainAgain, start, { kind: 'primary' })));
		});
	}

	/** An image of the training; it needs the key, so it comes by a call. */
	function picture(image) {
		const element = h('img', { alt: '' });
		request(path`v1/trainings/${id}/images/${image}`, { signal }).then(async (response) => {
			element.src = URL.createObjectURL(await response.blob());
			signal.addEventListener('abort', () => URL.revokeObjectURL(element.src));
		}).catch(() => { element.alt = t.noPicture; });
		return element;
	}

	function change(what, json) {
		return attempt(outcome, async () => {
		await call(`${here}/${what}`, { method: 'POST', json, signal });
		training = await read();
		fill();
		});
	}

	async function start() {
		[points, corrected] = [[], 0];
		await change('start');
		await attempt(outcome, follow);
	}

	async function publish() {
		if (await confirm(t.publish, t.publishAsk(training.task))) await change('publish', { activate: true });
	}

	async function remove() {
		if (!(await confirm(t.delete, t.deleteTrainingAsk(training.task), 'danger'))) return;
		await attempt(outcome, async () => {
			await call(here, { method: 'DELETE', signal });
			location.hash = '#/teach';
		});
	}
}
