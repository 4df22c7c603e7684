/** Health: what the server does now, from its metrics, and who changed what. */
import { call, every, request } from './api.js';
import { h, put, section, showError, table } from './dom.js';
import { duration, percent, short, size, whole } from './format.js';
import { counts, histogram, parse, total } from './metrics.js';
import { Ring, sparkline } from './sparkline.js';
import { event } from './task.js';
import { t } from './texts.js';

const SECONDS = 2;
/** Quantiles and means are of so many readings, half a minute; of two alone they would jump. */
const WINDOW = 15;
const PREDICTS = /predict|infer|embeddings|^\/hf/;

/**
 * One number of the view.
 * @typedef {object} Tile
 * @property {string} name
 * @property {(now: Figures) => number} value
 * @property {(value: number) => string} form
 * @property {(now: Figures) => string} [note]
 */

/** @type {import('./main.js').View} */
export async function view(root, _, signal) {
  const tiles = tilesOf().map(tile);
  const errors = h('tbody');
  const stages = h('tbody');
  const changes = h('ol.history');
  const failure = h('div');
  put(root, h('h1', t.views.health), h('p.lead', t.healthLead), failure,
    h('div.tiles', tiles.map(({ element }) => element)),
    h('div.halves', section(t.stages, table('plain', [t.stage, t.median, 'p99'], stages)), section(t.errors, table('plain', [t.kind, t.sinceStart, t.lastSeconds], errors))),
    section(t.changes, changes));

  /** @type {{at: number, reading: import('./metrics.js').Reading}[]} */
  const readings = [];
  let looked = 0;
  await every(SECONDS * 1000, signal, async () => {
    try {
      const reading = parse(await (await request('metrics', { signal })).text());
      readings.push({ at: performance.now() / 1000, reading });
      if (readings.length > WINDOW) readings.shift();
      const now = new Figures(readings);
      for (const { draw } of tiles) draw(now);
      put(stages, rowsOfStages(now));
      put(errors, rowsOfErrors(now));
      failure.replaceChildren();
      if (looked++ % 5 === 0) {
        const { events } = await call('v1/events?limit=20', { signal });
        put(changes, events.length ? events.map(event) : h('li.muted', t.noChanges));
      }
    } catch (error) {
      showError(failure, error);
    }
  });
}

/** What the last readings tell. */
class Figures {
  constructor(readings) {
    this.now = readings.at(-1).reading;
    this.last = readings.at(-2)?.reading ?? null;
    this.first = readings.length > 1 ? readings[0].reading : null;
    this.seconds = this.last ? readings.at(-1).at - readings.at(-2).at : 0;
  }

  gauge(name) { return total(this.now, name); }

  rate(name) { return this.last ? (total(this.now, name) - total(this.last, name)) / this.seconds : 0; }

  /** Of the last half minute; before there are two readings, and where nothing came, since the start. */
  histogram(name, wanted) {
    const lately = histogram(this.first, this.now, name, wanted);
    return lately.count ? lately : histogram(null, this.now, name, wanted);
  }

  requests() { return this.histogram('facet_request_seconds', ({ route }) => PREDICTS.test(route)); }
}

/** @returns {Tile[]} */
function tilesOf() {
  const milliseconds = (seconds) => duration(seconds * 1000);
  return [
    { name: t.imagesPerSecond, value: (now) => now.rate('facet_images_total'), form: short },
    { name: t.p50, value: (now) => now.requests().quantile(0.5), form: milliseconds },
    { name: t.p99, value: (now) => now.requests().quantile(0.99), form: milliseconds },
    { name: t.queued, value: (now) => now.gauge('facet_queued_rows'), form: whole, note: (now) => t.of(whole(now.gauge('facet_queue_limit'))) },
    { name: t.batchImages, value: (now) => now.histogram('facet_batch_images').mean, form: short, note: (now) => t.atMost(whole(now.gauge('facet_batch_limit'))) },
    { name: t.batchTasks, value: (now) => now.histogram('facet_batch_tasks').mean, form: short },
    { name: t.resident, value: (now) => now.gauge('facet_resident_tasks'), form: whole, note: (now) => `${size(now.gauge('facet_resident_bytes'))} ${t.of(size(now.gauge('facet_resident_budget_bytes')))}` },
    { name: t.hosted, value: (now) => now.gauge('facet_hosted_tasks'), form: whole, note: (now) => `${size(now.gauge('facet_hosted_bytes'))} ${t.of(size(now.gauge('facet_hosted_budget_bytes')))}` },
    { name: t.found, value: (now) => share(counts(null, now.now, 'facet_task_lookups_total', 'found')), form: percent, note: (now) => t.lookups(whole(total(now.now, 'facet_task_lookups_total'))) },
    { name: t.evictions, value: (now) => total(now.now, 'facet_task_eviction_age_seconds_count'), form: whole },
    { name: t.memory, value: (now) => now.gauge('process_resident_memory_bytes'), form: size },
    { name: t.cores, value: (now) => now.rate('process_cpu_seconds_total'), form: short },
  ];
}

function share(found) {
  const all = found.reduce((sum, [, count]) => sum + count, 0);
  return all ? (new Map(found).get('device') ?? 0) / all : 1;
}

function tile({ name, value, form, note }) {
  const [number, small] = [h('strong', '–'), h('small', ' ')];
  const ring = new Ring(90);
  const { element: line, draw } = sparkline(120, 28);
  return {
    element: h('article.tile', h('h2', name), number, small, line),
    draw(now) {
      ring.push(value(now));
      number.textContent = form(ring.last);
      small.textContent = note?.(now) ?? ' ';
      draw(ring);
    },
  };
}

function rowsOfStages(now) {
  const stages = [[t.decode, 'facet_decode_seconds'], [t.queue, 'facet_queue_seconds'], [t.forward, 'facet_forward_seconds'], [t.heads, 'facet_head_seconds'], [t.loading, 'facet_task_miss_seconds']];
  return stages.map(([name, series]) => {
    const { count, quantile } = now.histogram(series);
    const cell = (part) => h('td', count ? duration(quantile(part) * 1000) : '–');
    return h('tr', h('th', { scope: 'row' }, name), cell(0.5), cell(0.99));
  });
}

function rowsOfErrors(now) {
  const all = counts(null, now.now, 'facet_rejections_total', 'reason');
  const lately = new Map(now.first ? counts(now.first, now.now, 'facet_rejections_total', 'reason') : []);
  if (!all.length) return h('tr', h('td.muted', { colSpan: 3 }, t.noErrors));
  return all.slice(0, 12).map(([reason, count]) => h('tr', h('th', { scope: 'row' }, reason), h('td', whole(count)), h('td', whole(lately.get(reason) ?? 0))));
}
