/** Prometheus's text format, and what two readings of it tell. */

/**
 * One reading: by the name of a series its samples, each with labels and value.
 * @typedef {Map<string, {labels: Record<string, string>, value: number}[]>} Reading
 */

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/**
 * Read the text.
 * @param {string} text
 * @returns {Reading}
 */
export function parse(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = line.match(LINE) ?? [];
    if (!name) continue;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, text]) => [key, text.replace(/\\(.)/g, (_, each) => (each === 'n' ? '\n' : each))])),
      value: Number(value.replace('Inf', 'Infinity')),
    });
  }
  return found;
}

/**
 * Add the samples of a series up.
 * @param {Reading | null} reading
 * @param {string} name
 * @param {(labels: Record<string, string>) => boolean} [wanted]
 */
export function total(reading, name, wanted = () => true) {
  return (reading?.get(name) ?? []).reduce((sum, { labels, value }) => (wanted(labels) ? sum + value : sum), 0);
}

/**
 * What was counted between two readings, by a label.
 * @param {Reading | null} before  null: since the server's start
 * @param {Reading} after
 * @param {string} name
 * @param {string} label
 * @returns {[string, number][]} the most first
 */
export function counts(before, after, name, label) {
  const found = new Map();
  for (const [reading, sign] of /** @type {const} */ ([[after, 1], [before, -1]])) {
    for (const { labels, value } of reading?.get(name) ?? []) found.set(labels[label], (found.get(labels[label]) ?? 0) + sign * value);
  }
  return [...found].filter(([, value]) => value > 0).sort(([, one], [, other]) => other - one);
}

/**
 * What a histogram counted between two readings.
 * @param {Reading | null} before
 * @param {Reading} after
 * @param {string} name
 * @param {(labels: Record<string, string>) => boolean} [wanted]
 * @returns {{count: number, mean: number, quantile: (share: number) => number}} quantile: by linear
 *   interpolation within a bucket, as Prometheus does
 */
export function histogram(before, after, name, wanted = () => true) {
  const difference = (end) => total(after, name + end, wanted) - total(before, name + end, wanted);
  const limits = new Map();
  for (const [reading, sign] of /** @type {const} */ ([[after, 1], [before, -1]])) {
    for (const { labels, value } of reading?.get(`${name}_bucket`) ?? []) {
      if (!wanted(labels)) continue;
      const limit = Number(labels.le.replace('Inf', 'Infinity'));
      limits.set(limit, (limits.get(limit) ?? 0) + sign * value);
    }
  }
  const buckets = [...limits].sort(([one], [other]) => one - other);
  const count = difference('_count');
  return {
    count,
    mean: count ? difference('_sum') / count : 0,
    quantile(share) {
      const rank = share * count;
      const at = buckets.findIndex(([, upTo]) => upTo >= rank);
      if (!count || at < 0) return 0;
      const [low, under] = at ? buckets[at - 1] : [0, 0];
      const [high, upTo] = buckets[at];
      return high === Infinity ? low : low + (high - low) * ((rank - under) / (upTo - under || 1));
    },
  };
}
