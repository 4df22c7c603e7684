/** Try: an image, and what the tasks say of it. */
import { call, path, request } from './api.js';
import { attention } from './attention.js';
import { copyAs } from './copy-as.js';
import { announce, button, h, put } from './dom.js';
import { chooser, dropping, filesOf, pasting, photographer } from './intake.js';
import { TOP, card, fail, fill, spoken } from './results.js';
import { abstains, listTasks } from './tasklist.js';
import { t } from './texts.js';

const GROUP = 4;
const GROUPS_AT_ONCE = 3;
/** Of more tasks than so many it is not looked up whether they know "none of these". */
const MOST_DETAILS = 48;
const MOST_CHOICES = 400;

/** What stays while other views are looked at. */
const kept = { file: /** @type {File | null} */ (null), chosen: new Set() };

/** @type {import('./main.js').View} */
export async function view(root, name, signal) {
  const image = h('img', { alt: '' });
  const canvas = h('canvas', { 'aria-hidden': 'true' });
  const prompt = h('div.prompt', h('strong', t.dropImage), h('span', t.orPaste));
  const stage = h('div.stage', prompt, image, canvas);
  const overlay = attention(canvas, image, signal);
  const samples = h('div.samples');
  const picker = h('div.picker', { role: 'group', 'aria-label': t.tasks });
  const answers = h('section.answers', { 'aria-label': t.answers });
  const copy = button(t.copyAs, () => kept.file && copyAs(kept.file.name, kept.file.type || 'application/octet-stream', chosen()), { disabled: true });
  const problem = h('div');
  let tasks = [], asking = new AbortController(), thumbs = new AbortController(), address = '';

  put(root,
    h('h1', t.views.try), h('p.lead', t.tryLead),
    h('div.columns',
      h('section.left', { 'aria-label': t.image }, stage,
        h('div.actions', chooser(t.choose, take, { kind: 'primary' }), photographer(take)),
        samples, overlay.controls),
      h('div.right', picker, problem, h('div.row.between', h('h2', t.answers), copy), answers)));

  dropping(root, (data) => take(filesOf(data)));
  pasting(take, signal);
  image.addEventListener('load', overlay.redraw);
  image.addEventListener('error', () => { if (kept.file) put(prompt, h('strong', kept.file.name), h('span', t.notShown)); stage.classList.remove('filled'); });
  signal.addEventListener('abort', () => { asking.abort(); URL.revokeObjectURL(address); });

  tasks = (await listTasks(signal)).filter(({ state }) => state === 'live');
  const live = new Set(tasks.map(({ task }) => task));
  if (live.has(name)) kept.chosen = new Set([name]);
  for (const each of kept.chosen) if (!live.has(each)) kept.chosen.delete(each);
  if (!kept.chosen.size) for (const { task } of tasks.slice(0, 6)) kept.chosen.add(task);
  pick();
  showSamples();
  if (kept.file) take([kept.file]);
  else blank();

  function chosen() {
    return tasks.map(({ task }) => task).filter((task) => kept.chosen.has(task));
  }

  /** Show an image and ask. @param {File[]} files  the first counts */
  function take([file]) {
    if (!file) return;
    kept.file = file;
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(file);
    image.src = address;
    image.alt = file.name;
    stage.classList.add('filled');
    answers.replaceChildren();
    copy.disabled = false;
    overlay.setFile(file);
    asking.abort();
    asking = new AbortController();
    ask();
  }

  function blank() {
    put(answers, tasks.length ? h('p.empty', t.noImage) : h('p.empty', t.noTasks));
  }

  /** Ask the chosen tasks that have no card yet; take the cards of others away. */
  async function ask() {
    overlay.setTasks(chosen());
    if (!kept.file) return;
    const { signal: wanted } = asking;
    for (const each of [...answers.children]) if (!kept.chosen.has(each.dataset.task)) each.remove();
    const cards = new Map([...answers.children].map((each) => [each.dataset.task, each]));
    const missing = tasks.filter(({ task }) => kept.chosen.has(task) && !cards.has(task));
    for (const each of missing) cards.set(each.task, card(each.task, Math.min(each.labels?.length ?? TOP, TOP)));
    put(answers, chosen().map((task) => cards.get(task)));
    const groups = [];
    for (let first = 0; first < missing.length; first += GROUP) groups.push(missing.slice(first, first + GROUP));
    const heard = [];
    const details = chosen().length <= MOST_DETAILS;
    const worker = async () => {
      for (let group; (group = groups.shift()) && !wanted.aborted;) await askGroup(group, cards, details, heard, wanted);
    };
    await Promise.all(Array.from({ length: GROUPS_AT_ONCE }, worker));
    if (!wanted.aborted && heard.length) announce(heard.slice(0, 12).join('. '));
  }

  async function askGroup(group, cards, details, heard, wanted) {
    const knowing = await Promise.all(group.map((each) => details && abstains(each, wanted).catch(() => false)));
    for (const abstain of [true, false]) {
      const names = group.filter((_, at) => Boolean(knowing[at]) === abstain).map(({ task }) => task);
      if (!names.length || wanted.aborted) continue;
      try {
        for (const result of await predict(kept.file, names, abstain, wanted)) {
          fill(cards.get(result.task), result);
          heard.push(spoken(result));
        }
      } catch (error) {
        if (!wanted.aborted) for (const task of names) fail(cards.get(task), error);
      }
    }
  }

  function pick() {
    const filter = h('input', { type: 'search', placeholder: t.filter, 'aria-label': t.filter, oninput: () => list() });
    const chips = h('div.chips');
    const all = (on) => { kept.chosen = new Set(on ? tasks.map(({ task }) => task) : []); list(); ask(); showSamples(); };
    put(picker, h('div.row', h('h2', t.tasks), tasks.length > 8 && filter,
      button(t.all, () => all(true), { kind: 'quiet' }), button(t.none, () => all(false), { kind: 'quiet' })), chips);
    list();
    function list() {
      const fitting = tasks.filter(({ task }) => task.includes(filter.value.trim()));
      put(chips, fitting.slice(0, MOST_CHOICES).map(({ task, description }) => h('label.chip', { title: description ?? '' },
        h('input', {
          type: 'checkbox', checked: kept.chosen.has(task),
          onchange: (event) => { kept.chosen[event.target.checked ? 'add' : 'delete'](task); ask(); showSamples(); },
        }), h('span', task))),
        fitting.length > MOST_CHOICES && h('span.muted', t.more(fitting.length - MOST_CHOICES)));
    }
  }

  /** Offer the samples that came with the first chosen task that has some. */
  async function showSamples() {
    thumbs.abort();
    thumbs = new AbortController();
    const { signal: wanted } = thumbs;
    signal.addEventListener('abort', () => thumbs.abort(), { signal: wanted });
    for (const task of chosen().slice(0, 8)) {
      const { samples: found } = await call(path`v1/tasks/${task}/samples`, { signal: wanted }).catch(() => ({ samples: [] }));
      if (wanted.aborted) return;
      if (!found.length) continue;
      const buttons = await Promise.all(found.slice(0, 8).map((each, at) => sample(task, each, at, wanted).catch(() => null)));
      if (!wanted.aborted) put(samples, h('span.muted', t.samplesOf(task)), h('div.thumbs', buttons));
      return;
    }
    put(samples);
  }

  async function sample(task, { label, media_type: type }, at, wanted) {
    const blob = await (await request(path`v1/tasks/${task}/samples/${at}`, { signal: wanted })).blob();
    const source = URL.createObjectURL(blob);
    wanted.addEventListener('abort', () => URL.revokeObjectURL(source));
    const file = new File([blob], `${task}-${at}.${type.split('/')[1]}`, { type });
    return h('button.thumb', { type: 'button', title: label, 'aria-label': t.sample(label), onclick: () => take([file]) }, h('img', { src: source, alt: '' }));
  }
}

/**
 * Ask tasks about an image.
 * @param {Blob} file
 * @param {string[]} tasks
 * @param {boolean} abstain  whether "none of these" is an answer
 * @param {AbortSignal} signal
 * @returns {Promise<any[]>} a result for each
 */
export async function predict(file, tasks, abstain, signal) {
  const body = new FormData();
  body.append('file', file, file instanceof File ? file.name : 'image');
  body.append('tasks', tasks.join(','));
  const { results } = await call(path`v1/predict?top_k=${TOP}&abstain=${abstain}`, { method: 'POST', body, signal });
  return results;
}
