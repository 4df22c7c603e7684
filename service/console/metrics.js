/** Prometheus's text format, and what two readings of it tell. */

/** @typedef {Map<string, {labels: Record<string, string>, value: number}[]>} Reading  samples by the name of their series */
/** @typedef {(labels: Record<string, string>) => boolean} Wanted  which samples of a series count */

const LINE = /^([a-z]\w*)(?:\{(.*)\})? (\S+)/i;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

const number = (text) => Number(text.replace('Inf', 'Infinity'));
const any = () => true;

/** @param {string} text @returns {Reading} */
export function parse(text) {
	const found = new Map();
	for (const line of text.split('\n')) {
		const [, name, labels = '', value] = line.match(LINE) ?? [];
		if (!name) continue;
		if (!found.has(name)) found.set(name, []);
		const pairs = [...labels.matchAll(LABEL)].map(([, key, text]) => [key, text.replace(/\\(.)/g, (_, each) => (each === 'n' ? '\n' : each))]);
		found.get(name).push({ labels: Object.fromEntries(pairs), value: number(value) });
	}
	return found;
}

/** Add the samples of a series up. @param {Reading | undefined} reading @param {string} name @param {Wanted} [wanted] */
export const total = (reading, name, wanted = any) => (reading?.get(name) ?? []).reduce((sum, { labels, value }) => (wanted(labels) ? sum + value : sum), 0);

/**
 * What was counted between two readings, by a label.
 * @param {Reading | undefined} before  undefined: since the server's start @param {Reading} after @param {string} name @param {string} label
 * @param {Wanted} [wanted] @returns {[string, number][]} the most first
 */
export function counts(before, after, name, label, wanted = any) {
	const found = new Map();
	for (const [reading, sign] of /** @type {[Reading | undefined, number][]} */ ([[after, 1], [before, -1]])) {
		for (const { labels, value } of reading?.get(name) ?? []) if (wanted(labels)) found.set(labels[label], (found.get(labels[label]) ?? 0) + sign * value);
	}
	return [...found].filter(([, value]) => value > 0).sort(([, one], [, other]) => other - one);
}

/**
 * What a histogram counted between two readings.
 * @param {Reading | undefined} before  as of `counts` @param {Reading} after @param {string} name @param {Wanted} [wanted]
 * @returns {{count: number, mean: number, quantile: (share: number) => number}} quantile: linear within a
 * bucket, as Prometheus has it
 */
export function histogram(before, after, name, wanted) {
	const difference = (end) => total(after, name + end, wanted) - total(before, name + end, wanted);
	const count = difference('_count');
	const buckets = counts(before, after, `${name}_bucket`, 'le', wanted).map(([limit, upTo]) => [number(limit), upTo]).sort(([one], [other]) => one - other);
	return {
		count,
		mean: count ? difference('_sum') / count : 0,
		quantile(share) {
			const rank = share * count;
			const at = buckets.findIndex(([, upTo]) => upTo >= rank);
			if (!count || at < 0) return 0;
			const [[low, under], [high, upTo]] = [buckets[at - 1] ?? [0, 0], buckets[at]];
			return high === Infinity ? low : low + (high - low) * ((rank - under) / (upTo - under || 1));
		},
	};
}
