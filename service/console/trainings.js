/** The list of trainings, and what may be done with each. */
import { call, every, path } from './api.js';
import { attempt, button, confirm, h, put, showError, table } from './dom.js';
import { ago, moment, whole } from './format.js';
import { t } from './texts.js';

const SECONDS = 3;
const UNDER_WAY = new Set(['queued', 'running']);

/** @param {{state: string}} training */
export const isUnderWay = ({ state }) => UNDER_WAY.has(state);

/** @param {{delete_at: string | null}} training @returns {string} how long its images are kept */
export const keptUntil = ({ delete_at: at }) => (at ? t.deletedAt(ago(at)) : t.keptForEver);

/** @param {{labels: {count: number}[]}} training */
export const imagesOf = ({ labels }) => labels.reduce((sum, { count }) => sum + count, 0);

/**
 * Make the list; it follows the server while the signal lives.
 * @param {AbortSignal} signal
 */
export function trainings(signal) {
  const failure = h('div');
  const body = h('tbody');
  const headings = [t.task, t.state, t.method, t.images, t.by, t.imagesKept, t.actions];
  let before = '';
  every(SECONDS * 1000, signal, read);
  return h('div', failure, table('versions', headings, body));

  async function read() {
    try {
      const { trainings: all } = await call('v1/trainings', { signal });
      // Rows stay as they are while nothing changes, so that a button is not taken from under a finger.
      if (JSON.stringify(all) === before) return;
      before = JSON.stringify(all);
      put(body, all.length ? all.map(row) : h('tr', h('td.empty', { colSpan: headings.length }, t.noTrainings)));
    } catch (error) {
      showError(failure, error);
    }
  }

  function row(training) {
    const { id, task, method, by, created } = training;
    const cell = (at, value) => h('td', { 'data-label': headings[at] }, value);
    return h('tr', h('th', { scope: 'row' }, h('a', { href: `#/teach/${encodeURIComponent(id)}` }, task), h('small', { title: moment(created) }, ' ', ago(created))),
      cell(1, state(training)), cell(2, method), cell(3, whole(imagesOf(training))), cell(4, by), cell(5, keptUntil(training)),
      h('td.row',
        isUnderWay(training) && button(t.stop, () => change(path`v1/trainings/${id}/cancel`, 'POST')),
        button(t.delete, async () => {
          if (await confirm(t.delete, t.deleteTrainingAsk(task), 'danger')) change(path`v1/trainings/${id}`, 'DELETE');
        }, { kind: 'danger' })));
  }

  async function change(where, method) {
    await attempt(failure, () => call(where, { method, signal }));
    await read();
  }
}

/** @param {{state: string}} training */
export function state({ state: name }) {
  return h(`span.state.${name}`, t.trainingStates[name] ?? name);
}
