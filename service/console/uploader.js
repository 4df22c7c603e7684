/** Sending a task file, with its progress and the sentence of a refusal. */
import { path, upload } from './api.js';
import { announce, attempt, button, h, put } from './dom.js';
import { chooser, dropping } from './intake.js';
import { t } from './texts.js';

/**
 * Make a place to drop task files.
 * @param {string | null} task  what they are versions of; null: the person says, and the file proposes @param {AbortSignal} signal
 * @param {() => Promise<void>} done  called after each that was taken
 */
export function uploader(task, signal, done) {
	let file = null;
	const name = h('input', { required: true, spellcheck: false, 'aria-label': t.taskName, value: task ?? '', hidden: task !== null });
	const activate = h('input', { type: 'checkbox', checked: true });
	const [chosen, outcome] = [h('span.filename'), h('div.outcome')];
	const bar = h('progress', { hidden: true, 'aria-label': t.upload });
	const send = button(t.send, sendFile, { kind: 'primary' });
	const row = h('div.row', { hidden: true }, chosen, name, h('label.check', activate, t.activateAtOnce), send);
	const zone = h('div.dropzone', h('p', t.dropTaskFile, chooser(t.chooseFile, take, { accept: '.safetensors' })), row, bar, outcome);
	dropping(zone, ({ files }) => take([...files]));
	return zone;

	function take(/** @type {File[]} */ [next]) {
		if (!next) return;
		file = next;
		put(outcome);
		put(chosen, file.name);
		row.hidden = false;
		if (task === null) name.value = file.name.replace(/(-v\d+)?\.safetensors$/, '');
		(task === null ? name : send).focus();
	}

	async function sendFile() {
		if (!name.reportValidity()) return;
		[send.disabled, bar.hidden, bar.value] = [true, false, 0];
		await attempt(outcome, async () => {
			const made = await upload(path`v1/tasks/${name.value.trim()}/versions?activate=${activate.checked}`, file, (share) => { bar.value = share; }, signal);
			await done();
			put(outcome, h('p.done', t.uploaded(made.task, made.version, made.live)));
			announce(outcome.textContent);
			row.hidden = true;
		});
		[send.disabled, bar.hidden] = [false, true];
	}
}
