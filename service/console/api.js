/** The server's calls: all below the address of this page, with the key that the person gave. */

const KEY = 'facet-key';

/** What the server said in place of an answer: the sentence of a problem document. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} detail  one sentence
   * @param {string} [reason]  end of the problem's type, such as 'unknown-task'
   */
  constructor(status, detail, reason = '') {
    super(detail);
    this.status = status;
    this.reason = reason;
  }
}

/** Asks the person for a key; main.js sets it. Resolves to whether there is another one now. */
let askForKey = async () => false;

/** @param {() => Promise<boolean>} ask */
export function whenUnauthorized(ask) {
  askForKey = ask;
}

/** @returns {string} the key that is shown to the server; empty if there is none */
export function key() {
  return sessionStorage.getItem(KEY) ?? '';
}

/** @param {string} text  the key from now on, until the tab is closed; empty for none */
export function setKey(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

/**
 * Write a path below this page; values are escaped.
 * @param {TemplateStringsArray} parts
 * @param {...(string | number | boolean)} values
 */
export function path(parts, ...values) {
  return String.raw({ raw: parts }, ...values.map((value) => encodeURIComponent(value)));
}

/** @param {string} relative  a path of `path` */
export function address(relative) {
  return new URL(relative, document.baseURI).href;
}

/**
 * @typedef {object} Options
 * @property {string} [method]
 * @property {any} [json]  a document to send
 * @property {BodyInit} [body]  or other bytes
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 */

/**
 * Make a call.
 * @param {string} relative
 * @param {Options} [options]
 * @returns {Promise<Response>} an answer without an error
 * @throws {Problem}
 */
export async function request(relative, { method = 'GET', json, body, headers = {}, signal } = {}) {
  for (;;) {
    const sent = { ...headers, ...authorization() };
    if (json !== undefined) sent['Content-Type'] = 'application/json';
    const content = json === undefined ? body : JSON.stringify(json);
    const before = key();
    let response;
    try {
      response = await fetch(address(relative), { method, headers: sent, body: content, signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(0, String(error instanceof Error ? error.message : error), 'unreachable');
    }
    if (response.ok) return response;
    if (response.status === 401 && (before !== key() || (await askForKey()))) continue;
    throw problem(response.status, await response.text());
  }
}

/**
 * Make a call whose answer is a JSON document.
 * @param {string} relative
 * @param {Options} [options]
 * @returns {Promise<any>} the document; null if there is none
 * @throws {Problem}
 */
export async function call(relative, options) {
  const response = await request(relative, options);
  return response.status === 204 ? null : response.json();
}

/**
 * Send a file and be told how far it is.
 * @param {string} relative
 * @param {Blob} file
 * @param {(share: number) => void} progress  from 0 to 1
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the answer's document
 * @throws {Problem}
 */
export function upload(relative, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open('POST', address(relative));
    sending.setRequestHeader('Content-Type', 'application/octet-stream');
    for (const [name, value] of Object.entries(authorization())) sending.setRequestHeader(name, value);
    sending.upload.onprogress = (event) => progress(event.loaded / Math.max(event.total, 1));
    sending.onload = async () => {
      if (sending.status < 300) resolve(JSON.parse(sending.responseText));
      else if (sending.status === 401 && (await askForKey())) resolve(upload(relative, file, progress, signal));
      else reject(problem(sending.status, sending.responseText));
    };
    sending.onerror = () => reject(new Problem(0, 'The connection broke.', 'unreachable'));
    sending.onabort = () => reject(new DOMException('aborted', 'AbortError'));
    signal.addEventListener('abort', () => sending.abort());
    sending.send(file);
  });
}

/**
 * Follow a stream of server-sent events. EventSource cannot show a key, fetch can.
 * @param {string} relative
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{event: string, data: any}>} goes on after a broken connection where it was
 * @throws {Problem}
 */
export async function* events(relative, signal) {
  let last = '';
  for (;;) {
    const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) };
    const response = await request(relative, { headers, signal });
    try {
      for await (const fields of blocks(response.body)) {
        last = fields.id ?? last;
        if (fields.data !== undefined) yield { event: fields.event ?? 'message', data: JSON.parse(fields.data) };
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof TypeError)) throw error;
    }
    await pause(1000, signal);
  }
}

/** @param {number} milliseconds @param {AbortSignal} signal  ends the wait with an error */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const aborted = () => { clearTimeout(timer); reject(signal.reason); };
    const timer = setTimeout(() => { signal.removeEventListener('abort', aborted); resolve(undefined); }, milliseconds);
    signal.addEventListener('abort', aborted, { once: true });
  });
}

/**
 * Do something again and again while the page is looked at.
 * @param {number} milliseconds  between two times
 * @param {AbortSignal} signal  ends it
 * @param {() => Promise<void>} work
 */
export async function every(milliseconds, signal, work) {
  try {
    while (!signal.aborted) {
      await work();
      await pause(milliseconds, signal);
      while (document.hidden) await shown(signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function shown(signal) {
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', resolve, { once: true, signal });
    signal.addEventListener('abort', resolve, { once: true });
  });
}

async function* blocks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value.replaceAll('\r', '');
      let end;
      while ((end = text.indexOf('\n\n')) >= 0) {
        yield fieldsOf(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function fieldsOf(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const [, name, value] = line.match(/^([a-z]+): ?(.*)$/) ?? [];
    if (name) fields[name] = name in fields ? `${fields[name]}\n${value}` : value;
  }
  return fields;
}

function authorization() {
  return key() ? { Authorization: `Bearer ${key()}` } : {};
}

function problem(status, text) {
  try {
    // The Open Inference Protocol has a form of its own.
    const { detail, error, type = '' } = JSON.parse(text);
    return new Problem(status, detail ?? error ?? `HTTP ${status}`, type.split(':').pop());
  } catch {
    return new Problem(status, text.slice(0, 200) || `HTTP ${status}`);
  }
}
