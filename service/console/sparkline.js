/** Small lines of the last values, of bounded length. */
import { svg } from './dom.js';

/** The last values of a series; the oldest make room. */
export class Ring {
  /** @param {number} length */
  constructor(length = 60) {
    this.length = length;
    /** @type {number[]} oldest first */
    this.values = [];
  }

  /** @param {number} value */
  push(value) {
    this.values.push(value);
    if (this.values.length > this.length) this.values.shift();
  }

  /** The newest value, or undefined. */
  get last() {
    return this.values.at(-1);
  }
}

/**
 * Make a line that can be drawn anew.
 * @param {number} [width] @param {number} [height]  in units of the drawing
 * @returns {{element: SVGElement, draw: (ring: Ring) => void}}
 */
export function sparkline(width = 96, height = 24) {
  const [area, line] = [svg('path', { class: 'area' }), svg('path', { class: 'line' })];
  const element = svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, area, line);
  return {
    element,
    draw({ values, length }) {
      const top = Math.max(...values, Number.MIN_VALUE);
      const from = length - values.length;
      const points = values.map((value, at) => `${(((from + at) / (length - 1)) * width).toFixed(1)},${(height - 1 - (value / top) * (height - 3)).toFixed(1)}`);
      line.setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '');
      area.setAttribute('d', points.length > 1 ? `M${points.join('L')}V${height}H${((from / (length - 1)) * width).toFixed(1)}Z` : '');
    },
  };
}
