/** Teach: name classes, show images of each, and have the task answer at once, or trained. */
import { announce, attempt, button, field, h, put, section, showError, taskLink } from './dom.js';
import { byFolder, chosen, dropped } from './folders.js';
import { short } from './format.js';
import { chooser, dropping, photographer } from './intake.js';
import { Lesson } from './lesson.js';
import { card, fill } from './results.js';
import { t } from './texts.js';
import { show } from './training.js';
import { trainings } from './trainings.js';
import { predict, thumbnail } from './try.js';

const MOST_THUMBS = 12;
const METHODS = ['auto', 'linear', 'vpt-deep', 'lda'];
const [BUDGETS, KEEP] = [[120, 30, 600, 3600], [86400, 3600, 30 * 86400, null]];

/** What stays while other views are looked at. */
let kept = new Lesson();

/** @type {import('./main.js').View} */
export const view = (root, name, signal) => (name ? show : lesson)(root, signal, name);

async function lesson(root, signal) {
	const images = new Map();
	const name = h('input', { value: kept.task, spellcheck: false, autocomplete: 'off', oninput: rename });
	const [grid, answer] = [h('div.classes'), h('div')];
	const [taken, instant, trained] = [h('div.outcome', { role: 'status' }), h('div.outcome'), h('div.outcome')];
	const bar = h('progress', { hidden: true, 'aria-label': t.sending });
	const learn = button(t.answerNow, teach, { kind: 'primary' });
	const train = button(t.train, startTraining, { kind: 'primary' });
	const select = (values, words) => h('select', values.map((value, at) => h('option', { value: at }, words(value))));
	const [method, budget, keep] = [select(METHODS, (each) => t.methods[each]), select(BUDGETS, t.atMostTime), select(KEEP, t.keepFor)];
	let [following, running, again] = [false, false, false];

	const folders = h('div.dropzone', h('p', t.dropFolders, chooser(t.chooseFolder, sort, { webkitdirectory: true }), chooser(t.chooseZip, sort, { accept: '.zip' })));
	dropping(folders, (data) => place(dropped(data)));
	put(root, h('h1', t.views.teach), h('p.lead', t.teachLead),
		step(t.stepClasses, h('div.row', field(t.taskName, name, t.taskNameHint)), folders, taken, grid, h('div.actions', button(t.addClass, addClass), button(t.clear, clear, { kind: 'quiet' }))),
		step(t.stepInstant, h('p.muted', t.instantAbout), h('div.actions', learn), instant, answer),
		step(t.stepTrain, h('p.muted', t.trainAbout), h('div.row.fields', field(t.method, method), field(t.budget, budget), field(t.keep, keep), train), bar, trained),
		section(t.trainings, trainings(signal)));
	method.onchange = () => { budget.disabled = method.value !== '0'; };
	classes();

	function sort(files) {
		return place(chosen(files));
	}

	/** Put images into the classes that their folders name. */
	async function place(coming) {
		try {
			const sorted = byFolder(await coming);
			const loose = sorted.get(null)?.length;
			sorted.delete(null);
			const count = [...sorted].reduce((sum, [label, files]) => sum + kept.add(kept.named(label), files), 0);
			put(taken, h('p', t.placed(count, sorted.size), ' ', loose && t.loose(loose)));
			changed();
		} catch (error) {
			showError(taken, error);
		}
	}

	function rename() {
		kept.rename(name.value.trim());
		following = false;
		enable();
	}

	function addClass() {
		kept.classes.push({ label: '', pictures: [] });
		classes();
		grid.lastElementChild.querySelector('input').focus();
	}

	function clear() {
		kept = new Lesson();
		[name.value, following] = ['', false];
		for (const each of [answer, instant, taken]) put(each);
		classes();
	}

	function enable() {
		learn.disabled = train.disabled = !(kept.full.length > 1 && kept.task);
	}

	function changed() {
		classes();
		follow();
	}

	/** Teach again what has changed, once the person has asked for it a first time. */
	function follow() {
		if (following && !learn.disabled) teach();
	}

	function classes() {
		put(grid, kept.classes.map(oneClass));
		const shown = new Set(kept.classes.flatMap(({ pictures }) => pictures.slice(-MOST_THUMBS)));
		for (const [picture, { src }] of images) if (!shown.has(picture)) { URL.revokeObjectURL(src); images.delete(picture); }
		enable();
	}

	function oneClass(each, at) {
		const { pictures } = each;
		const label = h('input', { value: each.label, placeholder: t.className(at + 1), 'aria-label': t.className(at + 1), onchange: follow });
		label.oninput = () => { each.label = label.value; enable(); };
		const add = (files) => { kept.add(each, files); changed(); };
		const away = t.removeClass(each.label || at + 1);
		const element = h('article.class',
			h('header', label, h('small.muted', t.imageCount(pictures.length)), button('×', () => { kept.removeClass(each); changed(); }, { kind: 'quiet', title: away, 'aria-label': away })),
			h('div.thumbs', pictures.slice(-MOST_THUMBS).map((picture) => thumb(each, picture)),
				h('span.muted', pictures.length > MOST_THUMBS ? t.more(pictures.length - MOST_THUMBS) : !pictures.length && t.dropHere)),
			h('div.actions', chooser(t.addImages, add, { multiple: true }), photographer(add, true)));
		dropping(element, async (data) => add((await dropped(data)).map(({ file }) => file)));
		return element;
	}

	function thumb(from, picture) {
		if (!images.has(picture)) images.set(picture, thumbnail(picture.file, signal));
		const away = t.remove(picture.file.name);
		return h('button.thumb', { type: 'button', title: away, 'aria-label': away, onclick: () => { kept.remove(from, picture); changed(); } }, images.get(picture));
	}

	async function teach() {
		again = running;
		if (running) return;
		running = learn.disabled = true;
		const begun = performance.now();
		await attempt(instant, async () => {
			let made = null;
			do {
				again = false;
				made = (await kept.teach(signal)) ?? made;
			} while (again);
			following = true;
			if (made) put(instant, h('p.done', t.taught(made.task, made.version, kept.images, short((performance.now() - begun) / 1000)), ' ', taskLink(made.task, t.show)));
			announce(instant.textContent);
			if (!answer.children.length) put(answer, tryZone());
		});
		running = false;
		enable();
	}

	/** Ask the task about an image that it has not seen. */
	function tryZone() {
		const result = h('div.answers');
		const ask = async (/** @type {File[]} */ [file]) => {
			if (!file) return;
			const shown = card(kept.task);
			for (const { src } of result.querySelectorAll('img')) URL.revokeObjectURL(src);
			put(result, thumbnail(file, signal), shown);
			try {
				const [found] = await predict(file, [kept.task], false, signal);
				fill(shown, found);
				announce(found.predictions[0].label);
			} catch (error) {
				showError(shown, error);
			}
		};
		const element = h('div.dropzone.asking', h('p', t.tryNew, chooser(t.choose, ask), photographer(ask)), result);
		dropping(element, ({ files }) => ask([...files]));
		return element;
	}

	async function startTraining() {
		[train.disabled, bar.hidden, bar.max, bar.value] = [true, false, kept.images, 0];
		const choice = { method: METHODS[method.value], budget: BUDGETS[budget.value], keep: KEEP[keep.value] };
		await attempt(trained, async () => { location.hash = `#/teach/${await kept.train(choice, (sent) => { bar.value = sent; }, signal)}`; });
		bar.hidden = true;
		enable();
	}
}

function step(title, ...content) {
	const element = section(title, ...content);
	element.classList.add('step');
	return element;
}
