/** Numbers, sizes and times as people write them in the language of the page. */
import { locale } from './texts.js';

const number = (value, options) => new Intl.NumberFormat(locale, options).format(value);

/** @param {number} value  a share @returns {string} such as 97.3% */
export const percent = (value) => number(value, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** @param {number} value @returns {string} with three significant digits */
export const short = (value) => number(value, { maximumSignificantDigits: 3, notation: value >= 10000 ? 'compact' : 'standard' });

/** @param {number} value  @returns {string} with two digits, or whole */
export const brief = (value) => number(value, value < 10 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 });

/** @param {number} value */
export const whole = (value) => number(value, { maximumFractionDigits: 0 });

/** @param {number} milliseconds @returns {string} such as 12.3 ms or 1.5 s */
export const duration = (milliseconds) => (milliseconds >= 1000 ? `${short(milliseconds / 1000)} s` : `${short(milliseconds)} ms`);

/** @param {number} bytes @returns {string} such as 32.6 kB */
export function size(bytes) {
	const step = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), 4);
	return number(bytes / 1000 ** step, { style: 'unit', unit: ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'][step], maximumSignificantDigits: 3 });
}

/** @param {string} name @param {number} value  of a metric: a share, unless it counts images */
export const measure = (name, value) => (value > 1 || name.endsWith('images') ? short(value) : percent(value));

/** @param {string} at  of the server @returns {string} date and minute here */
export const moment = (at) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at));

const STEPS = /** @type {const} */ ([['day', 86400], ['hour', 3600], ['minute', 60], ['second', 0]]);

/** @param {string} at  of the server @returns {string} such as 5 minutes ago, or in 2 hours */
export function ago(at) {
	const seconds = (new Date(at).getTime() - Date.now()) / 1000;
	const [unit, step] = STEPS.find(([, each]) => Math.abs(seconds) >= each);
	return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(Math.round(seconds / (step || 1)), unit);
}
