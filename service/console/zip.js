/** A reader of zip archives: stored and deflated files, by the central directory at their end. */
import { t } from './texts.js';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const LONGEST_END = 22 + 65535;
/** An archive that would become larger than this is not opened. */
const MOST_BYTES = 2e9;
const MOST_FILES = 20000;

/**
 * Read the files of an archive, one after another.
 * @param {Blob} archive @param {(path: string) => boolean} wanted @returns {AsyncGenerator<{path: string, file: File}>}
 * @throws {Error} a sentence, if it is no archive that this can read
 */
export async function* unzip(archive, wanted) {
	const entries = (await directory(archive)).filter(({ path }) => !path.endsWith('/') && wanted(path));
	if (entries.length > MOST_FILES || entries.reduce((sum, { size }) => sum + size, 0) > MOST_BYTES) throw new Error(t.zipTooLarge);
	for (const entry of entries) yield { path: entry.path, file: await read(archive, entry) };
}

async function directory(archive) {
	const tail = await view(archive, Math.max(archive.size - LONGEST_END, 0), archive.size);
	let end = tail.byteLength - 22;
	while (end >= 0 && tail.getUint32(end, true) !== END) end--;
	if (end < 0) throw new Error(t.zipBroken);
	const [count, length, start] = [tail.getUint16(end + 10, true), tail.getUint32(end + 12, true), tail.getUint32(end + 16, true)];
	// Archives of more than 4 GB keep these elsewhere.
	if (count === 0xffff || start === 0xffffffff) throw new Error(t.zipTooLarge);
	const list = await view(archive, start, start + length);
	const entries = [];
	for (let at = 0; entries.length < count; ) {
		if (at + 46 > list.byteLength || list.getUint32(at, true) !== ENTRY) throw new Error(t.zipBroken);
		const [name, extra, comment] = [28, 30, 32].map((offset) => list.getUint16(at + offset, true));
		entries.push({
			path: new TextDecoder().decode(new Uint8Array(list.buffer, at + 46, name)),
			encrypted: (list.getUint16(at + 8, true) & 1) === 1,
			method: list.getUint16(at + 10, true),
			packed: list.getUint32(at + 20, true),
			size: list.getUint32(at + 24, true),
			start: list.getUint32(at + 42, true),
		});
		at += 46 + name + extra + comment;
	}
	return entries;
}

async function read(archive, { path, encrypted, method, packed, size, start }) {
	if (encrypted || (method !== 0 && method !== 8)) throw new Error(t.zipMethod(path));
	const head = await view(archive, start, start + 30);
	if (head.byteLength < 30 || head.getUint32(0, true) !== LOCAL) throw new Error(t.zipBroken);
	const from = start + 30 + head.getUint16(26, true) + head.getUint16(28, true);
	const bytes = archive.slice(from, from + packed);
	const content = method === 0 ? bytes : await inflate(bytes, size);
	return new File([content], path.split('/').pop());
}

/** Unpack, but no more than the directory promised. */
async function inflate(bytes, size) {
	const chunks = [];
	let length = 0;
	const reader = bytes.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
	for (let part; !(part = await reader.read()).done; chunks.push(part.value)) {
		length += part.value.length;
		if (length > size) throw new Error(t.zipBroken);
	}
	return new Blob(chunks);
}

async function view(archive, from, to) {
	return new DataView(await archive.slice(from, to).arrayBuffer());
}
