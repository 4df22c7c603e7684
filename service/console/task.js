/** A task: what is live, its versions and history, and what may be done with them. */
import { call, path, request } from './api.js';
import { compare } from './compare.js';
import { announce, button, dialog, h, put, showError } from './dom.js';
import { ago, moment, percent, short, size } from './format.js';
import { t } from './texts.js';
import { uploader } from './uploader.js';

const MOST_EVENTS = 100;
const MOST_LABELS = 200;

/**
 * Show a task.
 * @param {HTMLElement} root
 * @param {string} name
 * @param {AbortSignal} signal
 */
export async function show(root, name, signal) {
  const facts = h('div.facts', {});
  const versions = h('tbody', {});
  const history = h('ol.history', {});
  const outcome = h('div.outcome', {});
  const comparison = h('div', {});
  const actions = h('div.actions', {});
  const about = h('p.lead', {});
  let task;
  put(root,
    h('nav.crumbs', { 'aria-label': t.path }, h('a', { href: '#/tasks' }, t.views.tasks)),
    h('div.row.between', {}, h('h1', {}, name), actions), about, outcome, facts,
    h('section', { 'aria-label': t.versions }, h('h2', {}, t.versions),
      h('div.scroll', {}, h('table.versions', {}, h('thead', {}, h('tr', {}, [t.number, t.at, t.by, t.size, t.actions].map((text) => h('th', { scope: 'col' }, text)))), versions)),
      uploader(name, signal, refresh)),
    comparison,
    h('section', { 'aria-label': t.history }, h('h2', {}, t.history), history));
  await refresh();

  async function refresh() {
    task = await call(path`v1/tasks/${name}`, { signal });
    const live = task.state === 'live';
    put(about, task.reason ?? task.description);
    put(actions, live && h('a.button', { href: `#/try/${encodeURIComponent(name)}` }, t.tryIt),
      live && button(t.retire, retire, { kind: 'danger' }));
    put(facts, factsOf(task));
    const stored = [...task.stored].reverse();
    put(versions, stored.map(version));
    put(history, [...task.history].reverse().slice(0, MOST_EVENTS).map(event));
    put(comparison, stored.length > 1 && compare(task, signal));
  }

  function version({ number, at, by, size: bytes, sha256 }) {
    const isLive = number === task.live;
    const what = number < (task.live ?? 0) ? t.rollBack : t.activate;
    return h(isLive ? 'tr.live' : 'tr', { 'data-version': number },
      h('th', { scope: 'row', title: sha256 }, t.version(number), isLive && h('span.badge', {}, t.live)),
      h('td', { 'data-label': t.at, title: ago(at) }, moment(at)), h('td', { 'data-label': t.by }, by), h('td', { 'data-label': t.size }, size(bytes)),
      h('td.row', {},
        !isLive && button(what, () => activate(number, what), { kind: 'primary' }),
        button(t.download, () => download(number)),
        !isLive && button(t.delete, () => remove(number), { kind: 'danger' })));
  }

  function activate(number, what) {
    return change(what, t.activateAsk(name, number, task.live), what, 'primary', t.activated(name, number),
      () => call(path`v1/tasks/${name}/live`, { method: 'PUT', json: { version: number }, signal }));
  }

  function remove(number) {
    return change(t.delete, t.deleteAsk(name, number), t.delete, 'danger', t.deleted(number),
      () => call(path`v1/tasks/${name}/versions/${number}`, { method: 'DELETE', signal }));
  }

  function retire() {
    return change(t.retire, t.retireAsk(name), t.retire, 'danger', t.retired(name),
      () => call(path`v1/tasks/${name}`, { method: 'DELETE', signal }));
  }

  /** Do something once the person has agreed. */
  async function change(title, question, action, kind, done, work) {
    if (!(await dialog(title, [h('p', {}, question)], { action, kind }))) return;
    try {
      await work();
      await refresh();
      put(outcome, h('p.done', {}, done));
      announce(done);
    } catch (error) {
      showError(outcome, error);
    }
  }

  async function download(number) {
    try {
      const response = await request(path`v1/tasks/${name}/versions/${number}`, { signal });
      const href = URL.createObjectURL(await response.blob());
      h('a', { href, download: `${name}-v${number}.safetensors` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10000);
    } catch (error) {
      showError(outcome, error);
    }
  }
}

function factsOf(task) {
  const metrics = Object.entries(task.metrics ?? {}).map(([key, value]) => [key.replaceAll('_', ' '), key.startsWith('held') || value > 1 ? short(value) : percent(value)]);
  const rows = [
    [t.live, task.live ? t.version(task.live) : t.states[task.state]], ...metrics, [t.method, task.method],
    [t.size, task.size && size(task.size)], [t.place, task.place && t.places[task.place]], [t.data, task.manifest?.data],
    [t.trained, task.manifest?.created && moment(task.manifest.created)],
  ];
  const labels = task.labels ?? [];
  return [
    h('dl', {}, rows.filter(([, value]) => value).map(([name, value]) => h(name === t.data ? 'div.wide' : 'div', {}, h('dt', {}, name), h('dd', {}, value)))),
    labels.length > 0 && h('details', {}, h('summary', {}, t.labelCount(labels.length)),
      h('ul.labels', {}, labels.slice(0, MOST_LABELS).map((label) => h('li', {}, label)), labels.length > MOST_LABELS && h('li.muted', {}, t.more(labels.length - MOST_LABELS)))),
  ];
}

/** @param {{event: string, version: number, at: string, by: string, task?: string}} entry  of a history */
export function event({ event: kind, version, at, by, task }) {
  return h('li', {}, h('time', { dateTime: at, title: moment(at) }, ago(at)),
    h('span', {}, task && h('a', { href: `#/tasks/${encodeURIComponent(task)}` }, task), task && ' ', t.events[kind]?.(version) ?? `${kind} ${version}`), h('span.muted', {}, by));
}
