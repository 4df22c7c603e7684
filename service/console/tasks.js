/** Tasks: all of them with what they do now, or one of them with its history. */
import { every } from './api.js';
import { h, put, section, table, taskLink } from './dom.js';
import { duration, measure, short, size } from './format.js';
import { sparkline } from './sparkline.js';
import { show } from './task.js';
import { listTasks, mainMetric } from './tasklist.js';
import { t } from './texts.js';
import { Traffic } from './traffic.js';
import { uploader } from './uploader.js';

const MOST_ROWS = 200;
const SECONDS = 3;

/** @type {import('./main.js').View} */
export const view = (root, name, signal) => (name ? show(root, name, signal) : list(root, signal));

async function list(root, signal) {
  const filter = h('input', { type: 'search', placeholder: t.filter, 'aria-label': t.filter, oninput: () => fill() });
  const count = h('span.muted', { role: 'status' });
  const body = h('tbody');
  const headings = [t.task, t.live, t.metric, t.method, t.labels, t.size, t.place, t.rate, t.latency];
  put(root, h('h1', t.views.tasks), h('p.lead', t.tasksLead),
    h('div.row.between', filter, count), table('tasks', headings, body),
    section(t.upload, uploader(null, signal, async () => { tasks = await listTasks(signal); fill(); })));

  let tasks = await listTasks(signal);
  const traffic = new Traffic();
  /** @type {Map<string, (series: {rate: import('./sparkline.js').Ring, latency: import('./sparkline.js').Ring}) => void>} */
  let rows = new Map();
  fill();
  await every(SECONDS * 1000, signal, async () => {
    await traffic.read(signal);
    for (const [task, draw] of rows) if (traffic.tasks.has(task)) draw(traffic.tasks.get(task));
  });

  function fill() {
    const wanted = filter.value.trim().toLowerCase();
    const fitting = tasks.filter(({ task, description = '' }) => `${task} ${description}`.toLowerCase().includes(wanted));
    rows = new Map();
    put(body, fitting.slice(0, MOST_ROWS).map(row));
    if (!fitting.length) put(body, h('tr', h('td.empty', { colSpan: headings.length }, tasks.length ? t.noneFits : t.noTasks)));
    put(count, t.shown(Math.min(fitting.length, MOST_ROWS), tasks.length));
  }

  function row(task) {
    const [rate, latency] = [spark(short), spark(duration)];
    rows.set(task.task, (series) => { rate.draw(series.rate); latency.draw(series.latency); });
    const [metric, value] = mainMetric(task) ?? [];
    const cells = [
      [taskLink(task.task), h('small', task.reason ?? task.description)],
      task.state === 'live' ? t.version(task.live) : h('span.state', t.states[task.state]),
      metric && h('span', { title: metric }, measure(metric, value)),
      task.method,
      task.labels && h('span', { title: task.labels.slice(0, 50).join(', ') }, short(task.labels.length)),
      task.size && size(task.size), task.place && t.places[task.place], rate.element, latency.element,
    ];
    return h('tr', cells.map((cell, at) => h(at ? 'td' : 'th', at ? { 'data-label': headings[at] } : { scope: 'row' }, cell ?? h('span.muted', '–'))));
  }
}

/** A line with its newest value beside it. */
function spark(form) {
  const { element, draw } = sparkline();
  const value = h('span.value', '–');
  return { element: h('span.sparkcell', element, value), draw: (ring) => { draw(ring); put(value, ring.last ? form(ring.last) : '–'); } };
}
