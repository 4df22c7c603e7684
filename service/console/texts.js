/** Which language the page speaks. `t` is its catalogue; a new language is a file and a line here. */
import en from './texts.en.js';
import ko from './texts.ko.js';

const CATALOGUES = { en, ko };
const CHOICE = 'facet-language';

/** The texts, by name. */
export let t = en;
/** The language as a tag, for dates and numbers. */
export let locale = 'en';

/** @returns {string} the language that was chosen here before, or the browser's first that there is */
export function preferred() {
	const wanted = [localStorage.getItem(CHOICE) ?? '', ...navigator.languages.map((tag) => tag.split('-')[0])];
	return wanted.find((code) => code in CATALOGUES) ?? 'en';
}

/** @param {string} code @param {boolean} [keep]  whether the next visit begins with it */
export function speak(code, keep = false) {
	[t, locale] = [CATALOGUES[code], code];
	document.documentElement.lang = code;
	if (keep) localStorage.setItem(CHOICE, code);
}
