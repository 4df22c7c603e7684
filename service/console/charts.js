/** A learning curve, and a confusion matrix. */
import { h, svg } from './dom.js';
import { percent, short, whole } from './format.js';
import { t } from './texts.js';

const [WIDTH, HEIGHT] = [600, 160];
const MOST_POINTS = 400;
const MOST_LABELS = 24;

/**
 * Draw what a training has reached so far.
 * @param {{epoch: number, loss?: number | null, score?: number | null}[]} points
 */
export function curve(points) {
  const every = Math.ceil(points.length / MOST_POINTS);
  const shown = points.filter((_, at) => at % every === 0 || at === points.length - 1);
  const lines = [['loss', t.loss, 'line'], ['score', t.score, 'line score']].map(([key, name, kind]) => {
    const known = shown.filter((point) => typeof point[key] === 'number');
    return { name, kind, values: known.map((point) => point[key]), at: known.map(({ epoch }) => epoch) };
  }).filter(({ values }) => values.length > 1);
  if (!lines.length) return h('p.muted', t.noCurve);
  const last = Math.max(...lines.flatMap(({ at }) => at));
  const first = Math.min(...lines.flatMap(({ at }) => at));
  const text = lines.map(({ name, values }) => `${name} ${short(values.at(-1))}`).join(', ');
  const paths = lines.map(({ kind, values, at }) => {
    const top = kind === 'line' ? Math.max(...values, Number.MIN_VALUE) : 1;
    const points = values.map((value, i) => `${(((at[i] - first) / Math.max(last - first, 1)) * WIDTH).toFixed(1)},${(HEIGHT - 2 - (Math.max(value, 0) / top) * (HEIGHT - 6)).toFixed(1)}`);
    return svg('path', { class: kind, d: `M${points.join('L')}` });
  });
  return h('figure.curve',
    svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': t.curveUntil(last, text) }, ...paths),
    h('figcaption', lines.map(({ name, kind, values }) => h('span', h(`i.key.${kind.split(' ').join('.')}`), `${name} ${short(values.at(-1))}`)), h('span.muted', t.epochs(last))));
}

/**
 * Show how often each label was taken for which.
 * @param {string[]} labels
 * @param {number[][]} matrix  rows: the true label; columns: the predicted one
 */
export function confusion(labels, matrix) {
  if (labels.length > MOST_LABELS) return confused(labels, matrix);
  const head = h('tr', h('td', ''), labels.map((label) => h('th', { scope: 'col', title: label }, label)));
  const rows = matrix.map((row, at) => {
    const all = row.reduce((sum, count) => sum + count, 0) || 1;
    return h('tr', h('th', { scope: 'row', title: labels[at] }, labels[at]), row.map((count, to) => {
      const cell = h(at === to ? 'td.right' : 'td.wrong', { title: t.takenFor(count, labels[at], labels[to]) }, count ? whole(count) : h('span.zero', '0'));
      cell.style.setProperty('--share', String(count / all));
      return cell;
    }));
  });
  return h('div.scroll', { tabIndex: 0, role: 'group', 'aria-label': t.confusion }, h('table.confusion', h('caption', t.confusionAbout), h('thead', head), h('tbody', rows)));
}

/** Of many labels: the pairs that are taken for one another most often. */
function confused(labels, matrix) {
  const pairs = matrix.flatMap((row, from) => row.map((count, to) => ({ count, from, to })))
    .filter(({ count, from, to }) => count && from !== to).sort((one, other) => other.count - one.count).slice(0, MOST_LABELS);
  return h('ul.plainlist', pairs.map(({ count, from, to }) => h('li', t.takenFor(count, labels[from], labels[to]))));
}

/** @param {number} accuracy @param {[number, number]} interval */
export function accuracyText(accuracy, [low, high]) {
  return [h('strong', percent(accuracy)), ' ', h('span.muted', t.interval(percent(low), percent(high)))];
}
