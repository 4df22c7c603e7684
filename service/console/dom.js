/**
 * Elements, dialogs and announcements. What comes from data becomes text, never markup.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 */
import { t } from './texts.js';

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Make an element.
 * @param {string} selector  its tag with classes: 'li.row.wide'
 * @param {...any} children  before them, if there are any, its properties,
 *   listeners (`onclick`) and other attributes; null and undefined are left out
 * @returns {any} the element
 */
export function h(selector, ...children) {
  const props = isPlain(children[0]) ? children.shift() : {};
  const [tag, ...classes] = selector.split('.');
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(' ');
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name in element && name !== 'list') element[name] = value;
    else element.setAttribute(name, value);
  }
  put(element, ...children);
  return element;
}

const isPlain = (value) => Boolean(value) && Object.getPrototypeOf(value) === Object.prototype;

/**
 * Make an element of a drawing.
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Give an element these children in place of what it has.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function put(element, ...children) {
  const kept = children.flat().filter((each) => each !== null && each !== undefined && each !== false);
  element.replaceChildren(...kept.map((each) => (each instanceof Node ? each : String(each))));
}

/**
 * Make a button.
 * @param {string} text
 * @param {(event: MouseEvent) => void} onclick
 * @param {{kind?: string} & Record<string, any>} [props]  kind: 'primary', 'danger', 'quiet' or none
 */
export function button(text, onclick, { kind, ...props } = {}) {
  return h(kind ? `button.${kind}` : 'button', { type: 'button', onclick, ...props }, text);
}

/**
 * Have a screen reader say something.
 * @param {string} text
 */
export function announce(text) {
  document.getElementById('live').textContent = text;
}

/**
 * Show why something was not done, in place of what the element shows.
 * @param {Element} element
 * @param {unknown} error  an abort says nothing
 */
export function showError(element, error) {
  if (error instanceof DOMException && error.name === 'AbortError') return;
  put(element, h('p.error', { role: 'alert' }, error instanceof Error ? error.message : String(error)));
}

/**
 * Do something; if it fails, show why.
 * @param {Element} place  of the sentence; emptied first
 * @param {() => Promise<void>} work
 */
export async function attempt(place, work) {
  place.replaceChildren();
  try {
    await work();
  } catch (error) {
    showError(place, error);
  }
}

/**
 * Make a part of a view under its heading.
 * @param {string} title
 * @param {...(Child | Child[])} content
 */
export const section = (title, ...content) => h('section', { 'aria-label': title }, h('h2', title), ...content);

/**
 * Make a table.
 * @param {string} kind  its class
 * @param {string[]} headings
 * @param {HTMLElement} body
 */
export const table = (kind, headings, body) =>
  h('div.scroll', h(`table.${kind}`, h('thead', h('tr', headings.map((text) => h('th', { scope: 'col' }, text)))), body));

/** @param {string} task @param {string} [text]  of the link to the task's page */
export const taskLink = (task, text = task) =>
  h('a', { href: `#/tasks/${encodeURIComponent(task)}` }, text);

/**
 * Ask whether to do something.
 * @param {string} action  also what the button says that agrees
 * @param {string} question
 * @param {string} [kind]  of that button
 */
export const confirm = (action, question, kind) => dialog(action, [h('p', question)], { action, kind });

/**
 * Open a dialog and wait until it is closed.
 * @param {string} title
 * @param {Child[]} content
 * @param {{action?: string, kind?: string, wide?: boolean}} [options]  action: of the button that agrees;
 *   without one there is only a button that closes
 * @returns {Promise<boolean>} whether the person agreed
 */
export function dialog(title, content, { action, kind = 'primary', wide = false } = {}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const heading = h('h2', { id: 'dialog-title' }, title);
    const no = h('button', { value: 'no' }, action ? t.cancel : t.close);
    const yes = action && h(`button.${kind}`, { value: 'yes' }, action);
    // Enter in a field presses the first button of a form, which must be the one that agrees.
    const form = h('form', { method: 'dialog' }, heading, ...content, h('div.actions.reverse', yes, no));
    const box = h(wide ? 'dialog.wide' : 'dialog', { 'aria-labelledby': 'dialog-title' }, form);
    box.addEventListener('close', () => {
      box.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(box.returnValue === 'yes');
    });
    document.body.append(box);
    box.showModal();
  });
}

/**
 * Make a choice of one among a few, as radio buttons that look like one control.
 * @param {string} legend  read aloud, not shown
 * @param {[string, string][]} options  values with their texts
 * @param {string} chosen
 * @param {(value: string) => void} onchange
 */
export function segments(legend, options, chosen, onchange) {
  const name = `choice-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  return h('fieldset.segments', h('legend.hidden', legend), options.map(([value, text]) =>
    h('label',
      h('input', { type: 'radio', name, value, checked: value === chosen, onchange: () => onchange(value) }),
      h('span', text))));
}

/**
 * Make a field with its label.
 * @param {string} text
 * @param {HTMLElement} input
 * @param {string} [hint]
 */
export function field(text, input, hint) {
  return h('label.field', h('span', text), input, hint && h('small', hint));
}
