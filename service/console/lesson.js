/** A lesson: classes with their images, and what of it the server has learned at once. */
import { call, path } from './api.js';

/** Limits of a request, below those that a server has by default. */
const [MOST_IMAGES, MOST_BYTES] = [32, 32e6];

/** @typedef {{file: File, sent: {id: string, label: string} | null}} Picture  sent: the example that the server has of it @typedef {{label: string, pictures: Picture[]}} Class */

export class Lesson {
	task = '';
	/** @type {Class[]} */
	classes = [{ label: '', pictures: [] }, { label: '', pictures: [] }];
	/** Ids of examples of images that were taken away. @type {Set<string>} */
	#gone = new Set();

	/** Classes that have a name and images. */
	get full() {
		return this.classes.filter(({ label, pictures }) => label.trim() && pictures.length);
	}

	get images() {
		return this.full.reduce((sum, { pictures }) => sum + pictures.length, 0);
	}

	/** @param {string} task  another one has learned nothing yet */
	rename(task) {
		this.task = task;
		this.#gone.clear();
		for (const { pictures } of this.classes) for (const picture of pictures) picture.sent = null;
	}

	/** @param {string} label @returns {Class} the class of that name; an empty one takes it, or else a new one */
	named(label) {
		let found = this.classes.find((each) => each.label.trim() === label) ?? this.classes.find((each) => !each.label.trim() && !each.pictures.length);
		if (!found) this.classes.push((found = { label, pictures: [] }));
		found.label = label;
		return found;
	}

	/** @param {Class} into @param {File[]} files @returns {number} how many */
	add(into, files) {
		into.pictures.push(...files.map((file) => ({ file, sent: null })));
		return files.length;
	}

	/** @param {Class} from @param {Picture} picture */
	remove(from, picture) {
		from.pictures.splice(from.pictures.indexOf(picture), 1);
		if (picture.sent) this.#gone.add(picture.sent.id);
	}

	/** @param {Class} which */
	removeClass(which) {
		for (const picture of [...which.pictures]) this.remove(which, picture);
		this.classes.splice(this.classes.indexOf(which), 1);
	}

	/** Have the server learn what it does not know yet, as an instant task. @param {AbortSignal} signal @returns {Promise<any>} its last answer; null if there was nothing to do */
	async teach(signal) {
		let answer = null;
		for (const batch of this.#batches(({ sent }, label) => sent?.label !== label)) {
			answer = await call(path`v1/tasks/${this.task}/examples`, { method: 'POST', body: form(batch), signal });
			batch.forEach(({ picture, label }, at) => { picture.sent = { id: answer.examples[at], label }; });
		}
		for (const { pictures } of this.full) for (const { sent } of pictures) this.#gone.delete(sent?.id);
		for (const id of this.#gone) {
			answer = await call(path`v1/tasks/${this.task}/examples/${id}`, { method: 'DELETE', signal }).catch((error) => {
				if (error.reason !== 'unknown-example') throw error;
				return answer;
			});
			this.#gone.delete(id);
		}
		return answer;
	}

	/**
	 * Make a training of it and start it.
	 * @param {{method: string, budget: number, keep: number | null}} choice  in seconds; the budget counts with method auto
	 * @param {(sent: number) => void} progress @param {AbortSignal} signal @returns {Promise<string>} its id
	 */
	async train({ method, budget, keep }, progress, signal) {
		const json = { task: this.task, method, keep_seconds: keep, ...(method === 'auto' && { budget_seconds: budget }) };
		const { id } = await call('v1/trainings', { method: 'POST', json, signal });
		const here = path`v1/trainings/${id}`;
		try {
			let sent = 0;
			for (const batch of this.#batches(() => true)) {
				await call(`${here}/images`, { method: 'POST', body: form(batch), signal });
				progress((sent += batch.length));
			}
			await call(`${here}/start`, { method: 'POST', signal });
		} catch (error) {
			await call(here, { method: 'DELETE' }).catch(() => {});  // what is half there helps nobody
			throw error;
		}
		return id;
	}

	*#batches(wanted) {
		let [batch, bytes] = [[], 0];
		for (const { label, pictures } of this.full) {
			for (const picture of pictures) {
				if (!wanted(picture, label.trim())) continue;
				if (batch.length === MOST_IMAGES || (batch.length && bytes + picture.file.size > MOST_BYTES)) {
					yield batch;
					[batch, bytes] = [[], 0];
				}
				batch.push({ picture, label: label.trim() });
				bytes += picture.file.size;
			}
		}
		if (batch.length) yield batch;
	}
}

function form(batch) {
	const body = new FormData();
	for (const { picture: { file }, label } of batch) {
		body.append('file', file, file.name);
		body.append('label', label);
	}
	return body;
}
