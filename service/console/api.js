/** The server's calls: all below the address of this page, with the key that the person gave. */

const KEY = 'facet-key';

/** What the server said in place of an answer, in one sentence. */
export class Problem extends Error {
	/** @param {number} status @param {string} detail @param {string} [reason]  such as 'unknown-task' */
	constructor(status, detail, reason = '') {
		super(detail);
		Object.assign(this, { status, reason });
	}
}

let askForKey = async () => false;

/** The key that the person left as it is when asked; calls that go on by themselves do not ask again. @type {string | null} */
let declined = null;

/** @param {() => Promise<boolean>} ask  asks the person for a key; resolves to whether there is another */
export function whenUnauthorized(ask) {
	askForKey = ask;
}

/** @returns {string} the key; empty if there is none */
export const key = () => sessionStorage.getItem(KEY) ?? '';

/** @param {string} text  the key until the tab is closed; empty for none */
export const setKey = (text) => sessionStorage.setItem(KEY, text);

/** Write a path below this page; values are escaped. @param {TemplateStringsArray} parts @param {...(string | number | boolean)} values */
export const path = (parts, ...values) => String.raw({ raw: parts }, ...values.map(encodeURIComponent));

/** @param {string} relative  a path of `path` */
export const address = (relative) => new URL(relative, document.baseURI).href;

/**
 * Make a call.
 * @param {string} relative
 * @param {{method?: string, json?: any, body?: BodyInit, headers?: Record<string, string>, signal?: AbortSignal}} [options]  json: in place of a body
 * @returns {Promise<Response>} an answer without an error; of any other a `Problem` is thrown
 */
export async function request(relative, { method = 'GET', json, body, headers, signal } = {}) {
	for (;;) {
		const before = key();
		const response = await fetch(address(relative), {
			method, signal,
			body: json === undefined ? body : JSON.stringify(json),
			headers: { ...headers, ...authorization(), ...(json !== undefined && { 'Content-Type': 'application/json' }) },
		}).catch((error) => {
			throw signal?.aborted ? error : new Problem(0, String(error.message), 'unreachable');
		});
		if (response.ok) return response;
		// Another call may have asked for the key meanwhile.
		if (response.status === 401 && (before !== key() || (await anotherKey()))) continue;
		throw problem(response.status, await response.text());
	}
}

/** Make a call whose answer is a JSON document, or nothing. @param {string} relative @param {Parameters<typeof request>[1]} [options] @returns {Promise<any>} */
export async function call(relative, options) {
	const response = await request(relative, options);
	return response.status === 204 ? null : response.json();
}

/**
 * Send a file and be told how far it is.
 * @param {string} relative @param {Blob} file @param {(share: number) => void} progress  from 0 to 1
 * @param {AbortSignal} signal @returns {Promise<any>} the answer's document
 */
export function upload(relative, file, progress, signal) {
	return new Promise((resolve, reject) => {
		const sending = new XMLHttpRequest();  // fetch does not tell how much has been sent
		sending.open('POST', address(relative));
		for (const header of Object.entries({ 'Content-Type': 'application/octet-stream', ...authorization() })) sending.setRequestHeader(...header);
		sending.upload.onprogress = ({ loaded, total }) => progress(loaded / (total || 1));
		sending.onload = async () => {
			if (sending.status < 300) resolve(JSON.parse(sending.responseText));
			else if (sending.status === 401 && (await anotherKey())) resolve(upload(relative, file, progress, signal));
			else reject(problem(sending.status, sending.responseText));
		};
		sending.onerror = () => reject(new Problem(0, 'Failed to send', 'unreachable'));
		sending.onabort = () => reject(signal.reason);
		signal.addEventListener('abort', () => sending.abort());
		sending.send(file);
	});
}

/**
 * Follow server-sent events; after a broken connection it goes on where it was. EventSource cannot show a key.
 * @param {string} relative @param {AbortSignal} signal @returns {AsyncGenerator<{event: string, data: any}>}
 */
export async function* events(relative, signal) {
	for (let last = ''; ; await pause(1000, signal)) {
		const response = await request(relative, { signal, headers: last ? { 'Last-Event-ID': last } : {} });
		try {
			for await (const { id, event, data } of blocks(response.body)) {
				last = id ?? last;
				if (data) yield { event, data: JSON.parse(data) };
			}
		} catch (error) {
			if (signal.aborted || !(error instanceof TypeError)) throw error;
		}
	}
}

async function* blocks(body) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	try {
		for (let text = '', part; !(part = await reader.read()).done; ) {
			text += part.value.replaceAll('\r', '');
			const whole = text.split('\n\n');
			text = whole.pop();
			for (const block of whole) yield Object.fromEntries([...block.matchAll(/^([a-z]+): ?(.*)$/gm)].map(([, name, value]) => [name, value]));
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}

/** @param {number} milliseconds @param {AbortSignal} signal  ends the wait with an error */
export const pause = (milliseconds, signal) => new Promise((resolve, reject) => {
	signal.throwIfAborted();
	const aborted = () => { clearTimeout(timer); reject(signal.reason); };
	const timer = setTimeout(() => { signal.removeEventListener('abort', aborted); resolve(undefined); }, milliseconds);
	signal.addEventListener('abort', aborted);
});

/** Do something again and again while the page is looked at. @param {number} milliseconds  between two times @param {AbortSignal} signal @param {() => Promise<void>} work */
export async function every(milliseconds, signal, work) {
	try {
		for (;; await pause(milliseconds, signal)) if (!document.hidden) await work();
	} catch (error) {
		if (!signal.aborted) throw error;
	}
}

async function anotherKey() {
	if (declined === key()) return false;
	const agreed = await askForKey();
	declined = agreed ? null : key();
	return agreed;
}

const authorization = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

function problem(status, text) {
	try {
		// The Open Inference Protocol has a form of its own.
		const { detail, error, type = '' } = JSON.parse(text);
		return new Problem(status, detail ?? error, type.split(':').pop());
	} catch {
		return new Problem(status, text.slice(0, 200) || `HTTP ${status}`);
	}
}
