/** The question of the page as a command or a program. The key is never in it. */
import { address, key } from './api.js';
import { announce, button, dialog, h, put, segments } from './dom.js';
import { t } from './texts.js';

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * Write the same question for other clients.
 * @param {string} file  name of the image's file
 * @param {string} type  its media type
 * @param {string[]} tasks  at least one
 * @returns {Record<'curl' | 'python' | 'oip', string>}
 */
export function snippets(file, type, tasks) {
  const shown = key() ? ' \\\n  -H "Authorization: Bearer $FACET_KEY"' : '';
  const [base, [task]] = [address('.').replace(/\/$/, ''), tasks];
  const part = shell(`file=@"${file.replaceAll(/["\\]/g, '\\$&')}"`);
  const one = `curl -H ${shell(`Content-Type: ${type}`)}${shown} \\\n  --data-binary @${shell(file)} \\\n  ${shell(`${base}/v1/tasks/${task}/predict`)}`;
  const several = `curl -F ${part} -F tasks=${shell(tasks.join(','))}${shown} \\\n  ${shell(`${base}/v1/predict`)}`;
  const names = tasks.length === 1 ? python(task) : `[${tasks.map(python).join(', ')}]`;
  const headers = key() ? ', headers={"Authorization": "Bearer " + os.environ["FACET_KEY"]}' : '';
  const [, secure, host] = base.match(/^http(s?):\/\/(.*)$/);
  return {
    curl: tasks.length === 1 ? one : several,
    python: `from pathlib import Path

import facet_vision as facet

with facet.Client(${python(base)}) as client:
    for answer in client.predict(${names}, Path(${python(file)})):
        print(answer.task, answer.version, answer.best.label, answer.best.value)`,
    oip: `${key() ? 'import os\n\n' : ''}import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

client = InferenceServerClient(${python(host)}${secure ? ', ssl=True' : ''})
image = InferInput("image", [1], "BYTES")
with open(${python(file)}, "rb") as file:
    image.set_data_from_numpy(np.array([file.read()], dtype=np.object_))
outputs = [InferRequestedOutput("label"), InferRequestedOutput("probabilities", class_count=5)]
for task in [${tasks.map(python).join(', ')}]:
    answer = client.infer(task, [image], outputs=outputs${headers})
    print(task, answer.as_numpy("label"), answer.as_numpy("probabilities"))`,
  };
}

/**
 * Open a dialog with them.
 * @param {string} file @param {string} type @param {string[]} tasks  as of `snippets`
 */
export function copyAs(file, type, tasks) {
  const texts = snippets(file, type, tasks);
  const code = h('pre', { tabIndex: 0 }, texts.curl);
  const copy = button(t.copy, async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      put(copy, t.copied);
      announce(t.copied);
    } catch {  // only pages that came over a secure way may write it
      getSelection()?.selectAllChildren(code);
    }
  });
  const choice = segments(t.copyAs, [['curl', 'curl'], ['python', 'Python'], ['oip', 'Open Inference Protocol']], 'curl',
    (value) => { put(code, texts[value]); put(copy, t.copy); });
  return dialog(t.copyAs, [choice, code, h('div.actions', copy)], { wide: true });
}
