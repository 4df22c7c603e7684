/** The frame of the page: the view that the address names, the key, the language. */
import { call, key, setKey, whenUnauthorized } from './api.js';
import { dialog, field, h, put, showError } from './dom.js';
import { preferred, speak, t } from './texts.js';

/** A view fills its element until the signal aborts: listeners, timers and calls end with it. @typedef {(root: HTMLElement, name: string, signal: AbortSignal) => Promise<void>} View */
const VIEWS = {
	try: () => import('./try.js'),
	tasks: () => import('./tasks.js'),
	teach: () => import('./teach.js'),
	health: () => import('./health.js'),
};

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);
let leave = new AbortController();

/** Show what the address names: `#/view` or `#/view/name`. */
async function show() {
	const [, view, ...rest] = location.hash.split('/');
	const name = view in VIEWS ? view : 'try';
	leave.abort();
	leave = new AbortController();
	const { signal } = leave;
	for (const link of byId('nav').children) link.ariaCurrent = link.dataset.view === name ? 'page' : null;
	document.title = `${t.views[name]} · Facet`;
	const root = h('div.view');
	put(byId('main'), root);
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
	byId('nav').ariaLabel = t.navigation;
	byId('language').ariaLabel = t.language;
	byId('language').value = document.documentElement.lang;
	put(byId('skip'), t.skip);
	put(byId('key'), key() ? t.keyChange : t.keyGive);
}

/** @type {Promise<boolean> | null} */
let asking = null;

/** Ask for the key; calls that were refused at once share the question. */
function askForKey(reason = key() ? t.keyRefused : t.keyNeeded) {
	asking ??= (async () => {
		const input = h('input', { type: 'password', autocomplete: 'off', value: key(), autofocus: true });
		const agreed = await dialog(t.key, [h('p', reason), field(t.key, input, t.keyKept)], { action: t.use });
		if (agreed) setKey(input.value.trim());
		frame();
		asking = null;
		return agreed;
	})();
	return asking;
}

whenUnauthorized(() => askForKey());
await speak(preferred());
frame();
byId('key').onclick = async () => { if (await askForKey(t.keyAbout)) show(); };
byId('language').onchange = async () => { await speak(byId('language').value, true); frame(); show(); };
byId('skip').onclick = (event) => { event.preventDefault(); byId('main').focus(); };
addEventListener('hashchange', () => { show(); byId('main').focus({ preventScroll: true }); scrollTo(0, 0); });
// A file that misses its place must not take the page's.
for (const name of ['dragover', 'drop']) addEventListener(name, (event) => event.preventDefault());
show();
call('v1/tasks?limit=1').then(({ backbone }) => put(byId('backbone'), backbone), () => {});
