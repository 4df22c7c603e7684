/** Files with their paths: out of dropped folders, chosen folders and zip archives. */
import { unzip } from './zip.js';

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|heif)$/i;

/** @typedef {{path: string, file: File}} Found */

const isImage = (path) => IMAGE.test(path) && !path.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');

/** Find the images in what was dropped. Must be called while the drop is handled: later it is forgotten. @param {DataTransfer} data @returns {Promise<Found[]>} */
export function dropped(data) {
	const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
	const loose = entries.length ? [] : [...data.files].map((file) => ({ path: file.name, file }));
	return opened((async () => [...loose, ...(await Promise.all(entries.map(walk))).flat()])());
}

/** Find the images among chosen files. @param {File[]} files @returns {Promise<Found[]>} */
export function chosen(files) {
	return opened(files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/** Sort images into classes: a class is the folder in which an image lies. @param {Found[]} found @returns {Map<string | null, File[]>} null: those in no folder */
export function byFolder(found) {
	const classes = new Map();
	for (const { path, file } of found) {
		const label = path.split('/').at(-2) ?? null;
		classes.set(label, [...(classes.get(label) ?? []), file]);
	}
	return classes;
}

async function opened(coming) {
	const images = [];
	for (const { path, file } of await coming) {
		if (!/\.zip$/i.test(path)) {
			if (isImage(path) || (!path.includes('/') && file.type.startsWith('image/'))) images.push({ path, file });
			continue;
		}
		for await (const each of unzip(file, isImage)) images.push(each);
	}
	return images;
}

async function walk(entry) {
	if (entry.isFile) {
		const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
		return [{ path: entry.fullPath.slice(1), file }];
	}
	const reader = entry.createReader();
	const found = [];
	for (;;) {  // a reader gives a hundred at a time
		const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
		if (!some.length) return found;
		for (const each of some) found.push(...(await walk(each)));
	}
}
