/** Try: an image, and what the tasks say of it. */
import { call, path, request } from './api.js';
import { attention } from './attention.js';
import { copyAs } from './copy-as.js';
import { announce, button, h, put } from './dom.js';
import { chooser, dropping, pasting, photographer } from './intake.js';
import { TOP, card, fail, fill, spoken } from './results.js';
import { abstains, listTasks } from './tasklist.js';
import { t } from './texts.js';

/** Tasks in a call, and calls at once: the first answers show early, and the server still makes batches. */
const [GROUP, GROUPS_AT_ONCE] = [4, 3];
/** Of more tasks than so many it is not looked up whether they know "none of these". */
const MOST_DETAILS = 48;
const MOST_CHOICES = 400;

/** What stays while other views are looked at. */
const kept = { file: /** @type {File | null} */ (null), chosen: new Set() };

/** @type {import('./main.js').View} */
export async function view(root, name, signal) {
	const image = h('img');
	const canvas = h('canvas', { 'aria-hidden': 'true' });
	const prompt = h('p', h('strong', t.dropImage), t.orPaste);
	const stage = h('div.stage', prompt, image, canvas);
	const overlay = attention(canvas, image, signal);
	const [samples, picker, answers] = [h('div.samples'), h('div.picker'), h('section.answers', { 'aria-label': t.answers })];
	const copy = button(t.copyAs, () => copyAs(kept.file.name, kept.file.type || 'application/octet-stream', chosen()), { disabled: true });
	let [tasks, address] = [/** @type {import('./tasklist.js').Task[]} */ ([]), ''];
	let [asking, looking] = [new AbortController(), new AbortController()];

	put(root, h('h1', t.views.try), h('p.lead', t.tryLead), h('div.columns',
		h('section.left', { 'aria-label': t.image }, stage, h('div.actions', chooser(t.choose, take, { kind: 'primary' }), photographer(take)), samples, overlay.controls),
		h('div.right', picker, h('div.row.between', h('h2', t.answers), copy), answers)));
	dropping(root, ({ files }) => take([...files]));
	pasting(take, signal);
	image.onerror = () => {
		put(prompt, h('strong', kept.file.name), t.notShown);
		stage.classList.remove('filled');
	};
	signal.addEventListener('abort', () => { asking.abort(); looking.abort(); URL.revokeObjectURL(address); });

	tasks = (await listTasks(signal)).filter(({ state }) => state === 'live');
	const live = tasks.map(({ task }) => task);
	if (live.includes(name)) kept.chosen = new Set([name]);
	kept.chosen = new Set(live.filter((task) => kept.chosen.has(task)));
	if (!kept.chosen.size) kept.chosen = new Set(live.slice(0, 6));
	pick();
	changed();
	if (kept.file) take([kept.file]);
	else put(answers, h('p.empty', live.length ? t.noImage : t.noTasks));

	function chosen() {
		return tasks.map(({ task }) => task).filter((task) => kept.chosen.has(task));
	}

	function changed() {
		overlay.setTasks(chosen());
		copy.disabled = !kept.file || !kept.chosen.size;
		ask();
		showSamples();
	}

	/** Show an image and ask. @param {File[]} files  the first counts */
	function take([file]) {
		if (!file) return;
		kept.file = file;
		URL.revokeObjectURL(address);
		address = URL.createObjectURL(file);
		Object.assign(image, { src: address, alt: file.name });
		stage.classList.add('filled');
		put(answers);
		overlay.setFile(file);
		copy.disabled = !kept.chosen.size;
		asking.abort();
		asking = new AbortController();
		ask();
	}

	/** Ask the chosen tasks that have no card yet; take the cards of others away. */
	async function ask() {
		if (!kept.file) return;
		const { signal: wanted } = asking;
		const cards = new Map([...answers.querySelectorAll('article')].map((each) => [each.dataset.task, each]));
		const missing = tasks.filter(({ task }) => kept.chosen.has(task) && !cards.has(task));
		for (const { task } of missing) cards.set(task, card(task));
		put(answers, chosen().map((task) => cards.get(task)));
		const detailed = missing.length <= MOST_DETAILS;
		const heard = [];
		const work = async () => {
			while (missing.length && !wanted.aborted) await askGroup(missing.splice(0, GROUP), cards, detailed, heard, wanted);
		};
		await Promise.all(Array.from({ length: GROUPS_AT_ONCE }, work));
		if (!wanted.aborted && heard.length) announce(heard.slice(0, 12).join('. '));
	}

	async function askGroup(group, cards, detailed, heard, wanted) {
		const knowing = await Promise.all(group.map((each) => detailed && abstains(each, wanted).catch(() => false)));
		for (const abstain of [true, false]) {
			const names = group.filter((_, at) => knowing[at] === abstain).map(({ task }) => task);
			if (!names.length) continue;
			try {
				for (const result of await predict(kept.file, names, abstain, wanted)) {
					fill(cards.get(result.task), result);
					heard.push(spoken(result));
				}
			} catch (error) {
				if (wanted.aborted) return;
				for (const task of names) fail(cards.get(task), error);
			}
		}
	}

	function pick() {
		const chips = h('div.chips', { role: 'group', 'aria-label': t.views.tasks });
		const filter = h('input', { type: 'search', placeholder: t.filter, 'aria-label': t.filter, oninput: list });
		const choose = (text, names) => button(text, () => { kept.chosen = new Set(names); list(); changed(); }, { kind: 'quiet' });
		put(picker, h('div.row', h('h2', t.views.tasks), live.length > 8 && filter, choose(t.all, live), choose(t.none, [])), chips);
		list();
		function list() {
			const fitting = tasks.filter(({ task }) => task.includes(filter.value.trim()));
			put(chips, fitting.slice(0, MOST_CHOICES).map(({ task, description }) => {
				const box = h('input', { type: 'checkbox', checked: kept.chosen.has(task), onchange: () => { kept.chosen[box.checked ? 'add' : 'delete'](task); changed(); } });
				return h('label.chip', { title: description }, box, h('span', task));
			}), fitting.length > MOST_CHOICES && t.more(fitting.length - MOST_CHOICES));
		}
	}

	/** Offer the samples that came with the first chosen task that has some. */
	async function showSamples() {
		looking.abort();
		looking = new AbortController();
		const { signal: wanted } = looking;
		for (const task of chosen().slice(0, 8)) {
			const { samples: found } = await call(path`v1/tasks/${task}/samples`, { signal: wanted }).catch(() => ({ samples: [] }));
			const thumbs = await Promise.all(found.slice(0, 8).map((each, at) => sample(task, each, at, wanted).catch(() => null)));
			if (wanted.aborted) return;
			if (found.length) put(samples, t.samplesOf(task), h('div.thumbs', thumbs));
			if (found.length) return;
		}
		put(samples);
	}

	async function sample(task, { label, media_type: type }, at, wanted) {
		const blob = await (await request(path`v1/tasks/${task}/samples/${at}`, { signal: wanted })).blob();
		const file = new File([blob], `${task}-${at}.${type.split('/')[1]}`, { type });
		return h('button.thumb', { type: 'button', title: label, 'aria-label': t.sample(label), onclick: () => take([file]) }, thumbnail(file, wanted));
	}
}

/** @param {Blob} file @param {AbortSignal} signal  ends what the browser holds of it @returns {HTMLImageElement} */
export function thumbnail(file, signal) {
	const image = h('img', { src: URL.createObjectURL(file), alt: '' });
	signal.addEventListener('abort', () => URL.revokeObjectURL(image.src));
	return image;
}

/**
 * Ask tasks about an image.
 * @param {File} file @param {string[]} tasks @param {boolean} abstain  whether "none of these" is an answer @param {AbortSignal} signal
 * @returns {Promise<any[]>} a result for each
 */
export async function predict(file, tasks, abstain, signal) {
	const body = new FormData();
	body.append('file', file, file.name);
	body.append('tasks', tasks.join(','));
	return (await call(path`v1/predict?top_k=${TOP}&abstain=${abstain}`, { method: 'POST', body, signal })).results;
}
