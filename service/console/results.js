/** Answers: ranked labels with bars, the version that answered, and where the time went. */
import { h, put, taskLink } from './dom.js';
import { brief, duration, percent, short } from './format.js';
import { t } from './texts.js';

/** Labels in an answer. */
export const TOP = 5;

/** @param {string} task  that is being asked @returns {HTMLElement} its card, with room for the answer */
export const card = (task) => h('article.card', { 'aria-busy': 'true', 'data-task': task },
	h('header', h('h3', taskLink(task)), h('span.muted', '…')), h('div.answer'));

/** Show an answer in its card. @param {HTMLElement} element  of `card` @param {any} result  as the server sent it */
export function fill(element, { version, timings, label, labels, reason, predictions }) {
	const [, head, answer] = settle(element);
	put(head, `${t.version(version)} · ${duration(timings.total)}`);
	const given = labels ?? [label === undefined ? predictions[0].label : label];
	put(answer, reason && h('p.none', h('strong', t.noneOfThese), reason), ranking(predictions, given), h('p.stages', stages(timings)));
}

/** @param {HTMLElement} element  of `card` @param {Error} error  why there is no answer */
export function fail(element, error) {
	const [, head, answer] = settle(element);
	put(head);
	put(answer, h('p.error', error.message));
}

function settle(element) {
	element.removeAttribute('aria-busy');
	return [element, element.querySelector('header span'), element.querySelector('.answer')];
}

function ranking(predictions, given) {
	const largest = Math.max(...predictions.map(({ score = 1 }) => Math.abs(score)), Number.MIN_VALUE);
	return h('ol.ranking', predictions.map(({ label, probability, score }) => {
		const bar = h('span.bar', { 'aria-hidden': 'true' });
		bar.style.setProperty('--share', String(probability ?? Math.abs(score) / largest));
		return h(given.includes(label) ? 'li.best' : 'li', h('span.label', { title: label }, label), bar, h('span.value', valueOf({ probability, score })));
	}));
}

const valueOf = ({ probability, score }) => (probability === undefined ? short(score) : percent(probability));

/** The parts of the time; what is left to the total are the network's and the server's other work. */
const stages = ({ decode, queue, forward }) => [[t.decode, brief(decode)], [t.queue, brief(queue)], [t.forward, `${brief(forward)} ms`]].map((part) => h('span', part.join(' ')));

/** @param {any} result @returns {string} one line for a screen reader */
export const spoken = ({ task, reason, predictions: [best] }) => `${task}: ${reason ? t.noneOfThese : `${best.label}, ${valueOf(best)}`}`;
