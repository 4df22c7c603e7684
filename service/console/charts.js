/** A learning curve, and a confusion matrix. */
import { h, svg } from './dom.js';
import { short, whole } from './format.js';
import { t } from './texts.js';

const [WIDTH, HEIGHT] = [600, 160];
const MOST_POINTS = 400;
const MOST_LABELS = 24;

/** Draw what a training has reached so far. @param {{epoch: number, loss?: number | null, score?: number | null}[]} points */
export function curve(points) {
	const step = Math.ceil(points.length / MOST_POINTS);
	const last = points.at(-1)?.epoch ?? 0;
	const lines = [['loss', t.loss, 'line'], ['score', t.score, 'line.score']].map(([key, name, kind]) => ({
		name, kind, known: points.filter((point, at) => typeof point[key] === 'number' && (at % step === 0 || at === points.length - 1)).map((point) => [point.epoch, point[key]]),
	})).filter(({ known }) => known.length > 1);
	if (!lines.length) return h('figure.curve', h('p.muted', t.noCurve));
	const texts = lines.map(({ name, known }) => `${name} ${short(known.at(-1)[1])}`);
	return h('figure.curve',
		svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${t.epochs(last)}: ${texts.join(', ')}` }, ...lines.map(({ kind, known }) => {
			const [first, top] = [known[0][0], Math.max(...known.map(([, value]) => value), kind === 'line' ? Number.MIN_VALUE : 1)];
			const place = ([epoch, value]) => `${(((epoch - first) / (last - first || 1)) * WIDTH).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`;
			return svg('path', { class: kind.replace('.', ' '), d: `M${known.map(place).join('L')}` });
		})),
		h('figcaption', lines.map(({ kind }, at) => h('span', h(`i.key.${kind}`), texts[at])), t.epochs(last)));
}

/**
 * Show how often each label was taken for which; of many labels only what was confused most.
 * @param {string[]} labels @param {number[][]} matrix  rows: the true label; columns: the predicted one
 */
export function confusion(labels, matrix) {
	if (labels.length > MOST_LABELS) {
		const pairs = matrix.flatMap((row, from) => row.map((count, to) => ({ count, from, to }))).filter(({ count, from, to }) => count && from !== to);
		return h('ul', pairs.sort((one, other) => other.count - one.count).slice(0, MOST_LABELS).map(({ count, from, to }) => h('li', t.takenFor(count, labels[from], labels[to]))));
	}
	const rows = matrix.map((row, from) => h('tr', h('th', { scope: 'row', title: labels[from] }, labels[from]), row.map((count, to) => {
		const cell = h(from === to ? 'td.right' : 'td', { title: t.takenFor(count, labels[from], labels[to]) }, whole(count));
		cell.style.setProperty('--share', String(count / (row.reduce((sum, each) => sum + each) || 1)));
		return cell;
	})));
	return h('div.scroll', { tabIndex: 0, role: 'group', 'aria-label': t.confusion }, h('table.confusion', h('caption', t.confusionAbout),
		h('thead', h('tr', h('td'), labels.map((label) => h('th', { scope: 'col', title: label }, label)))), h('tbody', rows)));
}
