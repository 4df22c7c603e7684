/** Teach: name classes, show images of each, and have the task answer at once or trained. */
import { announce, attempt, button, field, h, put, section, showError, taskLink } from './dom.js';
import { short } from './format.js';
import { byFolder, chosen, dropped } from './folders.js';
import { chooser, dropping, filesOf, photographer } from './intake.js';
import { Lesson } from './lesson.js';
import { card, fill } from './results.js';
import { t } from './texts.js';
import { predict } from './try.js';
import { show } from './training.js';
import { trainings } from './trainings.js';

const MOST_THUMBS = 12;
const BUDGETS = [30, 120, 600, 3600];
const KEEP = [3600, 86400, 30 * 86400, null];

/** What stays while other views are looked at. */
let kept = new Lesson();

/** @type {import('./main.js').View} */
export const view = (root, name, signal) => (name ? show(root, name, signal) : lesson(root, signal));

async function lesson(root, signal) {
  const urls = new Map();
  const name = h('input', { type: 'text', value: kept.task, spellcheck: false, autocomplete: 'off', placeholder: 'parts', oninput: () => rename() });
  const grid = h('div.classes');
  const taken = h('div.outcome', { role: 'status' });
  const instant = h('div.outcome');
  const answer = h('div');
  const trained = h('div.outcome');
  const bar = h('progress', { hidden: true, 'aria-label': t.sending });
  const learn = button(t.answerNow, () => teach(), { kind: 'primary' });
  const train = button(t.train, () => startTraining(), { kind: 'primary' });
  const pick = (text, values, words, initial) => {
    const select = h('select', values.map((value, at) => h('option', { value: at, selected: at === initial }, words(value))));
    return { element: field(text, select), get value() { return values[Number(select.value)]; } };
  };
  const method = pick(t.method, ['auto', 'linear', 'vpt-deep', 'lda'], (each) => t.methods[each] ?? each, 0);
  const budget = pick(t.budget, BUDGETS, t.atMostTime, 1);
  const keep = pick(t.keep, KEEP, t.keepFor, 1);
  let [following, running, again] = [false, false, false];

  put(root, h('h1', t.views.teach), h('p.lead', t.teachLead),
    step(1, t.stepClasses,
      h('div.row', field(t.taskName, name, t.taskNameHint)),
      zone(h('p', t.dropFolders, ' ', folderChooser(), chooser(t.chooseZip, sort, { accept: '.zip' }))),
      taken, grid, h('div.actions', button(t.addClass, () => { kept.classes.push({ label: '', pictures: [] }); classes(); grid.lastElementChild.querySelector('input').focus(); }),
        button(t.clear, () => { kept = new Lesson(); name.value = ''; following = false; answer.replaceChildren(); instant.replaceChildren(); classes(); }, { kind: 'quiet' }))),
    step(2, t.stepInstant, h('p.muted', t.instantAbout), h('div.actions', learn), instant, answer),
    step(3, t.stepTrain, h('p.muted', t.trainAbout), h('div.row.fields', method.element, budget.element, keep.element), h('div.actions', train), bar, trained),
    section(t.trainings, trainings(signal)));
  signal.addEventListener('abort', () => urls.forEach((url) => URL.revokeObjectURL(url)));
  classes();

  function zone(...content) {
    const element = h('div.dropzone', content);
    dropping(element, (data) => place(dropped(data)));
    return element;
  }

  function folderChooser() {
    const [open, input] = chooser(t.chooseFolder, sort, { multiple: true, accept: '' });
    input.webkitdirectory = true;
    return [open, input];
  }

  function sort(files) {
    return place(chosen(files));
  }

  /** Put images into the classes that their folders name. */
  async function place(coming) {
    try {
      const sorted = byFolder(await coming);
      const loose = sorted.get(null)?.length ?? 0;
      sorted.delete(null);
      let count = 0;
      for (const [label, files] of sorted) {
        kept.add(kept.named(label), files);
        count += files.length;
      }
      put(taken, h('p', t.placed(count, sorted.size), ' ', loose > 0 && t.loose(loose)));
      classes();
      changed();
    } catch (error) {
      showError(taken, error);
    }
  }

  function rename() {
    if (kept.task !== name.value.trim()) {
      kept.task = name.value.trim();
      kept.gone = [];
      for (const { pictures } of kept.classes) for (const picture of pictures) picture.sent = null;
      following = false;
    }
    enable();
  }

  function enable() {
    learn.disabled = train.disabled = !(kept.ready && kept.task);
  }

  function classes() {
    put(grid, kept.classes.map((each) => oneClass(each)));
    const shown = new Set(kept.classes.flatMap(({ pictures }) => pictures.slice(-MOST_THUMBS)));
    for (const [picture, url] of urls) if (!shown.has(picture)) { URL.revokeObjectURL(url); urls.delete(picture); }
    enable();
  }

  function oneClass(each) {
    const at = kept.classes.indexOf(each) + 1;
    const label = h('input', { type: 'text', value: each.label, placeholder: t.className(at), 'aria-label': t.className(at), oninput: () => { each.label = label.value; enable(); }, onchange: () => changed() });
    const add = (files) => { kept.add(each, files); classes(); changed(); };
    const element = h('article.class', h('header', label, h('span.muted', { role: 'status' }, t.imageCount(each.pictures.length)),
      button('×', () => { kept.removeClass(each); classes(); changed(); }, { kind: 'quiet', 'aria-label': t.removeClass(each.label || at), title: t.removeClass(each.label || at) })),
      h('div.thumbs', each.pictures.slice(-MOST_THUMBS).map((picture) => thumb(each, picture)), each.pictures.length > MOST_THUMBS && h('span.muted', t.more(each.pictures.length - MOST_THUMBS)),
        !each.pictures.length && h('span.muted', t.dropHere)),
      h('div.actions', chooser(t.addImages, add, { multiple: true }), photographer(add, { many: true })));
    dropping(element, async (data) => add((await dropped(data)).map(({ file }) => file)));
    return element;
  }

  function thumb(from, picture) {
    if (!urls.has(picture)) urls.set(picture, URL.createObjectURL(picture.file));
    const { name: title } = picture.file;
    return h('button.thumb', { type: 'button', title: t.remove(title), 'aria-label': t.remove(title), onclick: () => { kept.remove(from, picture); classes(); changed(); } },
      h('img', { src: urls.get(picture), alt: '' }));
  }

  /** Teach again what has changed, once the person has asked for it a first time. */
  function changed() {
    if (following && kept.ready) teach();
  }

  async function teach() {
    again = running;
    if (running) return;
    running = true;
    learn.disabled = true;
    try {
      do {
        again = false;
        const begun = performance.now();
        const made = await kept.teach(signal);
        following = true;
        if (made) {
          const text = t.taught(made.task, made.version, kept.images, short((performance.now() - begun) / 1000));
          put(instant, h('p.done', text, ' ', taskLink(made.task, t.show)));
          announce(text);
        }
        if (!answer.children.length) put(answer, tryZone());
      } while (again);
    } catch (error) {
      showError(instant, error);
    }
    running = false;
    enable();
  }

  /** Ask the task about an image that it has not seen. */
  function tryZone() {
    const result = h('div.answers');
    const picture = h('img', { alt: '', hidden: true });
    const ask = async (/** @type {File[]} */ [file]) => {
      if (!file) return;
      URL.revokeObjectURL(urls.get(picture));
      urls.set(picture, URL.createObjectURL(file));
      [picture.src, picture.hidden] = [urls.get(picture), false];
      const shown = card(kept.task, Math.min(kept.full.length, 5));
      put(result, picture, shown);
      try {
        const [found] = await predict(file, [kept.task], false, signal);
        fill(shown, found);
        announce(t.says(found.predictions[0].label));
      } catch (error) {
        showError(result, error);
      }
    };
    const element = h('div.dropzone.asking', h('p', t.tryNew, ' ', chooser(t.choose, ask), photographer(ask)), result);
    dropping(element, (data) => ask(filesOf(data)));
    return element;
  }

  async function startTraining() {
    train.disabled = true;
    [bar.hidden, bar.max, bar.value] = [false, kept.images, 0];
    await attempt(trained, async () => {
      const id = await kept.train({ method: method.value, budget: budget.value, keep: keep.value }, (sent) => { bar.value = sent; }, signal);
      location.hash = `#/teach/${id}`;
    });
    bar.hidden = true;
    enable();
  }
}

function step(number, title, ...content) {
  return h('section.step', { 'aria-label': title }, h('h2', h('span.number', { 'aria-hidden': 'true' }, number), title), ...content);
}
