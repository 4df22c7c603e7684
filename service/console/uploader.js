/** Sending a task file, with its progress and the sentence of a refusal. */
import { path, upload } from './api.js';
import { announce, attempt, button, h, put } from './dom.js';
import { percent } from './format.js';
import { chooser, dropping, filesOf } from './intake.js';
import { t } from './texts.js';

const MOST_HEADER = 8e6;

/**
 * Make a place to drop task files.
 * @param {string | null} task  what they are versions of; null: the person says, and the file proposes
 * @param {AbortSignal} signal
 * @param {() => unknown} done  called after each that was taken
 */
export function uploader(task, signal, done) {
  let file = null;
  const name = h('input', { type: 'text', required: true, spellcheck: false, 'aria-label': t.taskName, value: task ?? '', hidden: task !== null });
  const activate = h('input', { type: 'checkbox', checked: true });
  const chosen = h('span.filename');
  const bar = h('progress', { max: 1, value: 0, hidden: true, 'aria-label': t.upload });
  const outcome = h('div.outcome');
  const send = button(t.send, sendFile, { kind: 'primary' });
  const row = h('div.row', { hidden: true }, chosen, name, h('label.check', activate, t.activateAtOnce), send);
  const zone = h('div.dropzone', h('p', t.dropTaskFile, ' ', chooser(t.chooseFile, ([first]) => take(first), { accept: '.safetensors' })), row, bar, outcome);
  dropping(zone, (data) => { const [first] = filesOf(data); if (first) take(first); });
  return zone;

  async function take(next) {
    file = next;
    outcome.replaceChildren();
    put(chosen, next.name);
    row.hidden = false;
    if (task === null) {
      name.value = (await taskOf(next)) ?? '';
      name.focus();
    } else send.focus();
  }

  async function sendFile() {
    if (!name.reportValidity()) return;
    [send.disabled, bar.hidden, bar.value] = [true, false, 0];
    await attempt(outcome, async () => {
      const made = await upload(path`v1/tasks/${name.value.trim()}/versions?activate=${activate.checked}`, file, (share) => {
        bar.value = share;
        bar.title = percent(share);
      }, signal);
      const text = t.uploaded(made.task, made.version, made.live);
      put(outcome, h('p.done', text));
      announce(text);
      row.hidden = true;
      await done();
    });
    [send.disabled, bar.hidden] = [false, true];
  }
}

/**
 * Read the name that a task file gives itself, from the header of the safetensors file.
 * @param {Blob} file
 * @returns {Promise<string | null>} null if it is no task file
 */
export async function taskOf(file) {
  try {
    const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
    if (length > MOST_HEADER) return null;
    const header = JSON.parse(await file.slice(8, 8 + length).text());
    return JSON.parse(header.__metadata__.facet).task;
  } catch {
    return null;
  }
}
