/** A training: how far it is, what it reached, which labels look wrong, and its publication. */
import { call, events, path, request } from './api.js';
import { accuracyText, confusion, curve } from './charts.js';
import { announce, attempt, button, confirm, h, put, section, showError, taskLink } from './dom.js';
import { duration, moment, percent, short, size } from './format.js';
import { factList } from './task.js';
import { t } from './texts.js';
import { imagesOf, isUnderWay, keptUntil, state } from './trainings.js';

const MOST_PICTURES = 48;

/**
 * Show a training and follow it.
 * @param {HTMLElement} root
 * @param {string} id
 * @param {AbortSignal} signal
 */
export async function show(root, id, signal) {
  const heading = h('h1', '…');
  const actions = h('div.actions');
  const outcome = h('div.outcome');
  const facts = h('dl');
  const bar = h('progress', { 'aria-label': t.progress });
  const phase = h('p', { role: 'status' });
  const line = h('div.curvebox');
  const progress = section(t.progress, bar, phase, line);
  const result = h('div.view');
  put(root, h('nav.crumbs', { 'aria-label': t.path }, h('a', { href: '#/teach' }, t.views.teach)),
    h('div.row.between', heading, actions), outcome, facts, progress, result);
  const read = () => call(path`v1/trainings/${id}`, { signal });
  let training = await read();
  let points = [];
  let corrected = 0;
  fill();
  await follow();

  /** Hear of it until it has ended. */
  async function follow() {
    if (!isUnderWay(training)) return;
    for await (const { event, data } of events(path`v1/trainings/${id}/events`, signal)) {
      if (event === 'progress') {
        training.progress = data;
        if (typeof data.loss === 'number') points.push({ epoch: data.done, loss: data.loss, score: data.score });
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
    const { task, state: name, error, published } = training;
    put(heading, task);
    const images = imagesOf(training);
    put(facts, factList([
      [t.state, state(training)], [t.method, training.result?.method ?? training.method],
      [t.images, t.imagesInLabels(images, training.labels.length)], [t.by, training.by],
      [t.started, training.started && moment(training.started)], [t.imagesKept, keptUntil(training)],
    ]));
    put(actions,
      isUnderWay(training) && button(t.stop, () => change('cancel', t.stopped)),
      !isUnderWay(training) && images > 0 && button(name === 'collecting' ? t.train : t.trainAgain, start),
      name === 'done' && button(published ? t.publishAgain : t.publish, publish, { kind: 'primary' }),
      button(t.delete, remove, { kind: 'danger' }));
    if (error) showError(outcome, new Error(error));
    if (published) put(outcome, h('p.done', t.publishedAs(task, published), ' ', taskLink(task, t.show)));
    fillProgress();
    put(result, training.result && name === 'done' && resultOf(training.result));
  }

  function fillProgress() {
    const { state: name, progress: now, result: reached } = training;
    bar.hidden = !isUnderWay(training);
    if (now?.total) [bar.max, bar.value] = [now.total, now.done];
    else bar.removeAttribute('value');
    put(phase, name === 'queued' ? t.waiting : name === 'running' && now
      ? [t.phases[now.phase] ?? now.phase, now.method && ` (${now.method})`, now.total ? `: ${t.ofTotal(now.done, now.total)}` : '', typeof now.loss === 'number' && ` · ${t.loss} ${short(now.loss)}`]
      : reached ? t.took(duration(reached.seconds * 1000)) : '');
    put(line, curve(reached?.curve?.length && name === 'done' ? reached.curve : points));
  }

  function resultOf(reached) {
    const { accuracy, interval, held_out_images: images, labels, wrong, doubtful, size: bytes } = reached;
    return [
      section(t.result, h('p.accuracy', accuracyText(accuracy, interval)),
        h('p.muted', t.heldOut(images), bytes ? ` · ${size(bytes)}` : '')),
      section(t.confusion, confusion(labels, reached.confusion)),
      pictures(t.doubtful, t.doubtfulAbout, doubtful, ({ label, suggested, probability }) => [t.looksLike(label, suggested), ' ', h('span.muted', percent(probability))], ({ suggested }) => suggested),
      pictures(t.wrong, t.wrongAbout, wrong, ({ label, predicted, probability }) => [t.wasTaken(label, predicted), ' ', h('span.muted', percent(probability))], () => null),
    ];
  }

  /** Images with what is said of each, and their labels to correct. */
  function pictures(title, about, entries, say, suggest) {
    if (!entries?.length) return null;
    return section(title, h('p.muted', about),
      h('div.pictures', entries.slice(0, MOST_PICTURES).map((entry) => {
        const failure = h('div');
        const select = h('select', { 'aria-label': t.rightLabel, onchange: () => correct(entry, select.value, failure) },
          training.labels.map(({ label }) => h('option', { value: label, selected: label === entry.label }, label)));
        const take = suggest(entry);
        return h('article.picture', picture(entry.image), h('p', say(entry)),
          h('div.row', select, take && button(t.takeIt, () => { select.value = take; correct(entry, take, failure); })), failure);
      })));
  }

  const correct = (entry, label, place) => attempt(place, async () => {
    await call(path`v1/trainings/${id}/images/${entry.image}`, { method: 'PUT', json: { label }, signal });
    put(place, h('p.done', t.corrected(label)));
    put(outcome, h('div.row', h('p.done', t.correctedCount(++corrected)), button(t.trainAgain, start, { kind: 'primary' })));
  });

  /** An image of the training; it needs the key, so it comes by a call. */
  function picture(image) {
    const element = h('img', { alt: '', loading: 'lazy' });
    request(path`v1/trainings/${id}/images/${image}`, { signal }).then(async (response) => {
      element.src = URL.createObjectURL(await response.blob());
      signal.addEventListener('abort', () => URL.revokeObjectURL(element.src));
    }).catch(() => { element.alt = t.noPicture; });
    return element;
  }

  async function start() {
    [points, corrected] = [[], 0];
    await change('start', t.startedAgain);
    await follow().catch((error) => showError(outcome, error));
  }

  async function publish() {
    if (await confirm(t.publish, t.publishAsk(training.task))) await change('publish', t.publishDone, { activate: true });
  }

  const change = (what, done, json) => attempt(outcome, async () => {
    await call(path`v1/trainings/${id}/${what}`, { method: 'POST', json, signal });
    training = await read();
    fill();
    announce(done);
  });

  async function remove() {
    if (!(await confirm(t.delete, t.deleteTrainingAsk(training.task), 'danger'))) return;
    await attempt(outcome, async () => {
      await call(path`v1/trainings/${id}`, { method: 'DELETE', signal });
      location.hash = '#/teach';
    });
  }
}
