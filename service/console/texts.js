/** Which language the page speaks. `t` is its catalogue; a new language is a file and a line here. */

const CATALOGUES = {
	en: () => import('./texts.en.js'),
	ko: () => import('./texts.ko.js'),
};
const CHOICE = 'facet-language';

/** The texts, by name. @type {typeof import('./texts.en.js').default} */
export let t;
/** The language as a tag, for dates and numbers. */
export let locale = 'en';

/** @returns {string} the language that was chosen here before, or the browser's first that there is */
export function preferred() {
	const wanted = [localStorage.getItem(CHOICE) ?? '', ...navigator.languages.map((tag) => tag.split('-')[0])];
	return wanted.find((code) => code in CATALOGUES) ?? 'en';
}

/** @param {string} code @param {boolean} [keep]  whether the next visit begins with it */
export async function speak(code, keep = false) {
	[t, locale] = [(await CATALOGUES[code]()).default, code];
	document.documentElement.lang = code;
	if (keep) localStorage.setItem(CHOICE, code);
}
