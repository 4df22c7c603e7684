/** Small lines of the last values. */
import { svg } from './dom.js';

/** Values that a line has; older ones make room. */
const LENGTH = 60;

/** @param {number[]} values  oldest first @param {number} value  that is put at the end */
export function keep(values, value) {
	values.push(value);
	if (values.length > LENGTH) values.shift();
}

/** @returns {{element: SVGElement, draw: (values: number[]) => void}} a line that can be drawn anew */
export function sparkline() {
	const [area, line] = ['area', 'line'].map((name) => svg('path', { class: name }));
	const element = svg('svg', { class: 'spark', viewBox: '0 0 59 24', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, area, line);
	return {
		element,
		draw(values) {
			const top = Math.max(...values, Number.MIN_VALUE);
			const from = LENGTH - values.length;
			const points = values.map((value, at) => `${from + at},${(23 - (value / top) * 21).toFixed(1)}`).join('L');
			line.setAttribute('d', `M${points}`);
			area.setAttribute('d', `M${points}V24H${from}Z`);
		},
	};
}
