/** Answers: ranked labels with bars, the version that answered, and where the time went. */
import { h, put, taskLink } from './dom.js';
import { duration, percent, short } from './format.js';
import { t } from './texts.js';

/** Labels in an answer; cards keep the room for so many. */
export const TOP = 5;

/**
 * Make the card of a task that is being asked.
 * @param {string} task
 * @param {number} labels  how many it will show
 */
export function card(task, labels) {
  const element = h('article.card', { 'aria-busy': 'true', 'data-task': task },
    h('header', h('h3', taskLink(task)), h('span.muted', '…')),
    h('div.answer', ranking(Array.from({ length: labels }, () => ({ label: ' ', probability: 0 })))));
  return element;
}

/**
 * Show an answer in its card.
 * @param {HTMLElement} element  of `card`
 * @param {any} result  as the server sent it
 */
export function fill(element, result) {
  element.removeAttribute('aria-busy');
  const { version, timings } = result;
  put(element.querySelector('header span'), `${t.version(version)} · ${duration(timings.total)}`);
  const none = 'label' in result && result.label === null;
  const several = result.labels ?? [];
  put(element.querySelector('.answer'),
    (none || result.reason) && h('p.none', h('strong', t.noneOfThese), ' ', result.reason ?? ''),
    ranking(result.predictions, none, several),
    h('p.stages', stages(timings)));
}

/**
 * Show in a task's card why it has no answer.
 * @param {HTMLElement} element
 * @param {Error} error
 */
export function fail(element, error) {
  element.removeAttribute('aria-busy');
  put(element.querySelector('header span'));
  put(element.querySelector('.answer'), h('p.error', error.message));
}

/**
 * Make a list of labels, best first, with bars.
 * @param {{label: string, probability?: number, score?: number}[]} predictions
 * @param {boolean} [dimmed]  the best is not meant
 * @param {string[]} [several]  labels that are given, of a task with several on an image
 */
export function ranking(predictions, dimmed = false, several = []) {
  const scores = predictions.map(({ score }) => Math.abs(score ?? 0));
  const largest = Math.max(...scores, Number.MIN_VALUE);
  return h(dimmed ? 'ol.ranking.dimmed' : 'ol.ranking', predictions.map(({ label, probability, score }) => {
    const bar = h('span.bar', { 'aria-hidden': 'true' });
    bar.style.setProperty('--share', String(probability ?? Math.abs(score) / largest));
    const value = label === ' ' ? '' : probability === undefined ? short(score) : percent(probability);
    return h(several.includes(label) ? 'li.given' : 'li', h('span.label', { title: label }, label), bar, h('span.value', value));
  }));
}

function stages({ decode, queue, forward, total }) {
  const rest = Math.max(total - decode - queue - forward, 0);
  const parts = [[t.decode, decode], [t.queue, queue], [t.forward, forward], [t.rest, rest]];
  return parts.map(([name, value], at) => h('span', `${name} ${at === 3 ? duration(value) : short(value)}`));
}

/** @param {any} result @returns {string} one line for a screen reader */
export function spoken(result) {
  const [best] = result.predictions;
  if (result.reason) return `${result.task}: ${t.noneOfThese}`;
  const value = best.probability === undefined ? short(best.score) : percent(best.probability);
  return `${result.task}: ${best.label}, ${value}`;
}
