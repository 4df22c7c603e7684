/** Elements, dialogs and announcements. What comes from data becomes text, never markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */
import { t } from './texts.js';

const isPlain = (value) => Boolean(value) && Object.getPrototypeOf(value) === Object.prototype;

/**
 * Make an element.
 * @param {string} selector  its tag with classes: 'li.row.wide'
 * @param {...any} children  perhaps after an object of properties, listeners (`onclick`) and other attributes @returns {any}
 */
export function h(selector, ...children) {
	const props = isPlain(children[0]) ? children.shift() : {};
	const [tag, ...classes] = selector.split('.');
	const element = document.createElement(tag);
	if (classes.length) element.className = classes.join(' ');
	for (const [name, value] of Object.entries(props)) {
		if (value === null || value === undefined) continue;
		if (name in element) element[name] = value;
		else element.setAttribute(name, value);
	}
	put(element, ...children);
	return element;
}

/** Make an element of a drawing. @param {string} tag @param {Record<string, string | number>} attributes @param {...Node} children */
export function svg(tag, attributes, ...children) {
	const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
	element.append(...children);
	return element;
}

/** Give an element these children in place of what it has. @param {Element} element @param {...(Child | Child[])} children */
export function put(element, ...children) {
	element.replaceChildren(...children.flat()
		.filter((each) => each !== null && each !== undefined && each !== false)
		.map((each) => (each instanceof Node ? each : String(each))));
}

/** @param {string} text @param {(event: MouseEvent) => void} onclick @param {{kind?: string, [name: string]: any}} [props]  kind: its class */
export const button = (text, onclick, { kind, ...props } = {}) => h(kind ? `button.${kind}` : 'button', { type: 'button', onclick, ...props }, text);

/** @param {string} text  that a screen reader says */
export function announce(text) {
	document.getElementById('live').textContent = text;
}

/** Show why something was not done, in place of what the element shows. @param {Element} element @param {any} error  an abort says nothing */
export function showError(element, error) {
	if (error.name !== 'AbortError') put(element, h('p.error', { role: 'alert' }, error.message));
}

/** Do something; if it fails, show why. @param {Element} place  of the sentence; emptied first @param {() => Promise<void>} work */
export async function attempt(place, work) {
	place.replaceChildren();
	await work().catch((error) => showError(place, error));
}

/** @param {string} title @param {...(Child | Child[])} content  below it */
export const section = (title, ...content) => h('section', { 'aria-label': title }, h('h2', title), ...content);

/** @param {string} kind  its class @param {Child[]} headings @param {HTMLElement} body */
export const table = (kind, headings, body) =>
	h('div.scroll', h(`table.${kind}`, h('thead', h('tr', headings.map((text) => h('th', { scope: 'col' }, text)))), body));

/** @param {any[][]} rows  terms with what is said of them; those of which nothing is said are left out */
export const factList = (rows) => h('dl', rows.filter(([, value]) => value).map(([name, value]) =>
	h(typeof value === 'string' && value.length > 30 ? 'div.wide' : 'div', h('dt', name), h('dd', value))));

/** @param {string} task @param {string} [text]  of the link to the task's page */
export const taskLink = (task, text = task) => h('a', { href: `#/tasks/${encodeURIComponent(task)}` }, text);

/** @param {string} text @param {HTMLElement} input @param {string} [hint] */
export const field = (text, input, hint) => h('label.field', text, input, hint && h('small', hint));

/**
 * Make a choice of one among a few: radio buttons that look like one control.
 * @param {string} legend  read aloud, not shown @param {[string, string][]} options  values with their texts; the first is chosen
 * @param {(value: string) => void} onchange
 */
export const segments = (legend, options, onchange) => h('fieldset.segments', h('legend.hidden', legend),
	options.map(([value, text], at) => h('label', h('input', { type: 'radio', name: legend, checked: !at, onchange: () => onchange(value) }), h('span', text))));

/**
 * Open a dialog and wait until it is closed.
 * @param {string} title @param {Child[]} content
 * @param {{action?: string, kind?: string, wide?: boolean}} [options]  of the button that agrees, if there is one
 * @returns {Promise<boolean>} whether the person agreed
 */
export const dialog = (title, content, { action, kind = 'primary', wide = false } = {}) => new Promise((resolve) => {
	const before = /** @type {HTMLElement} */ (document.activeElement);
	const box = h(wide ? 'dialog.wide' : 'dialog', { 'aria-label': title }, h('form', { method: 'dialog' }, h('h2', title), ...content,
		// Enter in a field presses the first button of a form, which must be the one that agrees.
		h('div.actions.reverse', action && h(`button.${kind}`, { value: 'yes' }, action), h('button', { value: 'no' }, action ? t.cancel : t.close))));
	box.addEventListener('close', () => {
		box.remove();
		before?.focus();
		resolve(box.returnValue === 'yes');
	});
	document.body.append(box);
	box.showModal();
});

/** @param {string} action  also what the button says that agrees @param {string} question @param {string} [kind]  of that button */
export const confirm = (action, question, kind) => dialog(action, [h('p', question)], { action, kind });
