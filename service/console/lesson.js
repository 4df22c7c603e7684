/** A lesson: classes with their images, and what of it the server has learned at once. */
import { call, path } from './api.js';

/** Limits of a request, below those that a server has by default. */
const MOST_IMAGES = 32;
const MOST_BYTES = 32e6;

/**
 * @typedef {object} Picture
 * @property {File} file
 * @property {{id: string, label: string} | null} sent  the example that the server has of it
 *
 * @typedef {{label: string, pictures: Picture[]}} Class
 */

export class Lesson {
  task = '';
  /** @type {Class[]} */
  classes = [{ label: '', pictures: [] }, { label: '', pictures: [] }];
  /** Examples that the server still has of images that were taken away. @type {string[]} */
  gone = [];

  /** Whether there is enough to learn from: two classes with names and images. */
  get ready() {
    return this.full.length >= 2;
  }

  get full() {
    return this.classes.filter(({ label, pictures }) => label.trim() && pictures.length);
  }

  get images() {
    return this.full.reduce((sum, { pictures }) => sum + pictures.length, 0);
  }

  /** @param {string} label @returns {Class} the class of that name; a nameless empty one takes it */
  named(label) {
    let found = this.classes.find((each) => each.label.trim() === label);
    found ??= this.classes.find((each) => !each.label.trim() && !each.pictures.length);
    if (!found) this.classes.push((found = { label, pictures: [] }));
    found.label = label;
    return found;
  }

  /** @param {Class} into @param {File[]} files */
  add(into, files) {
    into.pictures.push(...files.map((file) => ({ file, sent: null })));
  }

  /** @param {Class} from @param {Picture} picture */
  remove(from, picture) {
    from.pictures.splice(from.pictures.indexOf(picture), 1);
    if (picture.sent) this.gone.push(picture.sent.id);
  }

  /** @param {Class} which */
  removeClass(which) {
    for (const picture of [...which.pictures]) this.remove(which, picture);
    this.classes.splice(this.classes.indexOf(which), 1);
  }

  /**
   * Have the server learn what it does not know yet, as an instant task.
   * @param {AbortSignal} signal
   * @returns {Promise<any>} its last answer; null if there was nothing to do
   */
  async teach(signal) {
    let answer = null;
    for (const batch of batches(this.full, ({ sent }, label) => sent?.label !== label)) {
      answer = await call(path`v1/tasks/${this.task}/examples`, { method: 'POST', body: form(batch), signal });
      batch.forEach(({ picture, label }, at) => { picture.sent = { id: answer.examples[at], label }; });
    }
    const kept = new Set(this.full.flatMap(({ pictures }) => pictures.map(({ sent }) => sent?.id)));
    while (this.gone.length) {
      const id = this.gone[0];
      if (!kept.has(id)) answer = await call(path`v1/tasks/${this.task}/examples/${id}`, { method: 'DELETE', signal }).catch(known);
      this.gone.shift();
    }
    return answer;
  }

  /**
   * Make a training of it and start it.
   * @param {{method: string, budget: number, keep: number | null}} choice  budget and keep in seconds
   * @param {(sent: number) => void} progress
   * @param {AbortSignal} signal
   * @returns {Promise<string>} its id
   */
  async train({ method, budget, keep }, progress, signal) {
    const made = await call('v1/trainings', { method: 'POST', json: { task: this.task, method, budget_seconds: budget, keep_seconds: keep }, signal });
    try {
      let sent = 0;
      for (const batch of batches(this.full, () => true)) {
        await call(path`v1/trainings/${made.id}/images`, { method: 'POST', body: form(batch), signal });
        progress((sent += batch.length));
      }
      await call(path`v1/trainings/${made.id}/start`, { method: 'POST', signal });
    } catch (error) {
      await call(path`v1/trainings/${made.id}`, { method: 'DELETE' }).catch(() => {});
      throw error;
    }
    return made.id;
  }
}

function known(error) {
  if (error.reason !== 'unknown-example') throw error;
  return null;
}

function* batches(classes, wanted) {
  let [batch, bytes] = [[], 0];
  for (const { label, pictures } of classes) {
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

function form(batch) {
  const body = new FormData();
  for (const { picture, label } of batch) {
    body.append('file', picture.file, picture.file.name);
    body.append('label', label);
  }
  return body;
}
