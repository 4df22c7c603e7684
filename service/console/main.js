/** The frame of the page: which view the address names, the key, the language. */
import { call, key, setKey, whenUnauthorized } from './api.js';
import { dialog, field, h, put, showError } from './dom.js';
import { preferred, speak, t } from './texts.js';

/**
 * A view fills its element until the signal aborts: listeners, timers and calls end with it.
 * @typedef {(root: HTMLElement, name: string, signal: AbortSignal) => Promise<void>} View
 */
const VIEWS = {
  try: () => import('./try.js'),
  tasks: () => import('./tasks.js'),
  teach: () => import('./teach.js'),
  health: () => import('./health.js'),
};

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);
const main = byId('main');
let leave = new AbortController();

/** Show what the address names: `#/view` or `#/view/name`. */
async function show() {
  const [, view = '', ...rest] = location.hash.split('/');
  const name = view in VIEWS ? view : 'try';
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  for (const link of byId('nav').querySelectorAll('a')) {
    if (link.dataset.view === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${t.views[name]} · Facet`;
  const root = h('div.view');
  put(main, root);
  try {
    const { view: fill } = await VIEWS[name]();
    if (!signal.aborted) await fill(root, decodeURIComponent(rest.join('/')), signal);
  } catch (error) {
    if (!signal.aborted) showError(root, error);
  }
}

/** Write what does not change with the view. */
function frame() {
  put(byId('nav'), Object.keys(VIEWS).map((name) => h('a', { href: `#/${name}`, 'data-view': name }, t.views[name])));
  byId('nav').setAttribute('aria-label', t.navigation);
  byId('skip').textContent = t.skip;
  byId('docs').textContent = t.docs;
  byId('language').setAttribute('aria-label', t.language);
  byId('language').value = document.documentElement.lang;
  byId('key').textContent = key() ? t.keyChange : t.keyGive;
}

let asking = null;

/** Ask for the key; several calls that were refused at once share the question. */
function askForKey(refused = true) {
  asking ??= (async () => {
    const input = h('input', { type: 'password', autocomplete: 'off', spellcheck: false, value: key(), autofocus: true });
    const reason = refused ? (key() ? t.keyRefused : t.keyNeeded) : t.keyAbout;
    const agreed = await dialog(t.key, [h('p', reason), field(t.key, input, t.keyKept)], { action: t.use });
    if (agreed) setKey(input.value.trim());
    frame();
    return agreed;
  })().finally(() => { asking = null; });
  return asking;
}

async function nameBackbone() {
  const { backbone } = await call('v1/tasks?limit=1');
  byId('backbone').textContent = backbone;
}

whenUnauthorized(askForKey);
speak(preferred());
frame();
byId('key').addEventListener('click', async () => { if (await askForKey(false)) show(); });
byId('language').addEventListener('change', () => { speak(byId('language').value, true); frame(); show(); });
byId('skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
addEventListener('hashchange', async () => { await show(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
// A file that misses its place must not take the page's.
for (const name of ['dragover', 'drop']) addEventListener(name, (event) => event.preventDefault());
show();
nameBackbone().catch(() => {});
