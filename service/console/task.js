/** A task: what is live, its versions and history, and what may be done with them. */
import { call, path, request } from './api.js';
import { compare } from './compare.js';
import { announce, attempt, button, confirm, h, put, section, table, taskLink } from './dom.js';
import { ago, measure, moment, size } from './format.js';
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
  const [about, outcome, facts] = [h('p.lead'), h('div.outcome'), h('div.facts')];
  const [actions, comparison] = [h('div.actions'), h('div')];
  const [versions, history] = [h('tbody'), h('ol.history')];
  let task;
  put(root,
    h('nav.crumbs', { 'aria-label': t.path }, h('a', { href: '#/tasks' }, t.views.tasks)),
    h('div.row.between', h('h1', name), actions), about, outcome, facts,
    section(t.versions, table('versions', [t.number, t.at, t.by, t.size, t.actions], versions), uploader(name, signal, refresh)),
    comparison, section(t.history, history));
  await refresh();

  async function refresh() {
    task = await call(path`v1/tasks/${name}`, { signal });
    const live = task.state === 'live';
    put(about, task.reason ?? task.description);
    put(actions,
      live && h('a.button', { href: `#/try/${encodeURIComponent(name)}` }, t.tryIt),
      live && button(t.retire, retire, { kind: 'danger' }));
    put(facts, factsOf(task));
    put(versions, [...task.stored].reverse().map(version));
    put(history, [...task.history].reverse().slice(0, MOST_EVENTS).map(event));
    put(comparison, task.stored.length > 1 && compare(task, signal));
  }

  function version({ number, at, by, size: bytes, sha256 }) {
    const live = number === task.live;
    const what = number < (task.live ?? 0) ? t.rollBack : t.activate;
    return h(live ? 'tr.live' : 'tr', { 'data-version': number },
      h('th', { scope: 'row', title: sha256 }, t.version(number), live && h('span.badge', t.live)),
      h('td', { 'data-label': t.at, title: ago(at) }, moment(at)),
      h('td', { 'data-label': t.by }, by),
      h('td', { 'data-label': t.size }, size(bytes)),
      h('td.row',
        !live && button(what, () => activate(number, what), { kind: 'primary' }),
        button(t.download, () => download(number)),
        !live && button(t.delete, () => remove(number), { kind: 'danger' })));
  }

  const activate = (number, what) => change(what, t.activateAsk(name, number, task.live), 'primary', t.activated(name, number),
    path`v1/tasks/${name}/live`, { method: 'PUT', json: { version: number } });

  const remove = (number) => change(t.delete, t.deleteAsk(name, number), 'danger', t.deleted(number),
    path`v1/tasks/${name}/versions/${number}`, { method: 'DELETE' });

  const retire = () => change(t.retire, t.retireAsk(name), 'danger', t.retired(name),
    path`v1/tasks/${name}`, { method: 'DELETE' });

  /** Make a call once the person has agreed. */
  async function change(action, question, kind, done, where, options) {
    if (!(await confirm(action, question, kind))) return;
    await attempt(outcome, async () => {
      await call(where, { ...options, signal });
      await refresh();
      put(outcome, h('p.done', done));
      announce(done);
    });
  }

  function download(number) {
    return attempt(outcome, async () => {
      const response = await request(path`v1/tasks/${name}/versions/${number}`, { signal });
      const href = URL.createObjectURL(await response.blob());
      h('a', { href, download: `${name}-v${number}.safetensors` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10000);
    });
  }
}

function factsOf({ task: _, state, live, labels = [], metrics = {}, method, size: bytes, place, manifest }) {
  const rows = [
    [t.live, live ? t.version(live) : t.states[state]],
    ...Object.entries(metrics).map(([name, value]) => [name.replaceAll('_', ' '), measure(name, value)]),
    [t.method, method], [t.size, bytes && size(bytes)], [t.place, place && t.places[place]],
    [t.trained, manifest?.created && moment(manifest.created)], [t.data, manifest?.data],
  ];
  return [
    factList(rows),
    labels.length > 0 && h('details', h('summary', t.labelCount(labels.length)),
      h('ul.labels', labels.slice(0, MOST_LABELS).map((label) => h('li', label)), labels.length > MOST_LABELS && h('li.muted', t.more(labels.length - MOST_LABELS)))),
  ];
}

/** @param {any[][]} rows  terms with what is said of them; those of which nothing is are left out */
export const factList = (rows) => h('dl', rows.filter(([, value]) => value).map(([name, value]) =>
  h(typeof value === 'string' && value.length > 30 ? 'div.wide' : 'div', h('dt', name), h('dd', value))));

/** @param {{event: string, version: number, at: string, by: string, task?: string}} entry  of a history */
export function event({ event: kind, version, at, by, task }) {
  const what = t.events[kind]?.(version) ?? `${kind} ${version}`;
  return h('li', h('time', { dateTime: at, title: moment(at) }, ago(at)), h('span', task && taskLink(task), task && ' ', what), h('span.muted', by));
}
