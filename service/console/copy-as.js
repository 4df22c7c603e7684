/** The question of the page as a command or a program. The key is never in it. */
import { address, key } from './api.js';
import { announce, button, dialog, h, put, segments } from './dom.js';
import { t } from './texts.js';

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (text) => JSON.stringify(text);

/**
 * Write the same question for other clients.
 * @param {string} file  name of the image's file @param {string} type  its media type @param {string[]} tasks  at least one
 * @returns {Record<string, string>} by 'curl', 'python' and 'oip'
 */
export function snippets(file, type, tasks) {
	const keyed = Boolean(key());
	const base = address('.').replace(/\/$/, '');
	const [, secure, host] = base.match(/^http(s?):\/\/(.*)$/);
	const list = `[${tasks.map(python).join(', ')}]`;
	const shown = keyed ? ' \\\n  -H "Authorization: Bearer $FACET_KEY"' : '';
	const part = shell(`file=@"${file.replaceAll(/["\\]/g, '\\$&')}"`);
	return {
		curl: tasks.length === 1
			? `curl -H ${shell(`Content-Type: ${type}`)}${shown} \\\n  --data-binary @${shell(file)} \\\n  ${shell(`${base}/v1/tasks/${tasks[0]}/predict`)}`
			: `curl -F ${part} -F tasks=${shell(tasks.join(','))}${shown} \\\n  ${shell(`${base}/v1/predict`)}`,
		python: `from pathlib import Path

import facet_vision as facet

with facet.Client(${python(base)}) as client:
		for answer in client.predict(${list}, Path(${python(file)})):
				print(answer.task, answer.version, answer.best.label, answer.best.value)
`,
		oip: `${keyed ? 'import os\n\n' : ''}import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

client = InferenceServerClient(${python(host)}${secure && ', ssl=True'})
image = InferInput("image", [1], "BYTES")
with open(${python(file)}, "rb") as file:
		image.set_data_from_numpy(np.array([file.read()], dtype=np.object_))
outputs = [InferRequestedOutput("label")]
for task in ${list}:
		answer = client.infer(task, [image], outputs=outputs${keyed ? ', headers={"Authorization": "Bearer " + os.environ["FACET_KEY"]}' : ''})
		print(task, answer.as_numpy("label"))
`,
	};
}

/** Open a dialog with them. @param {Parameters<typeof snippets>} question */
export function copyAs(...question) {
	const texts = snippets(...question);
	const code = h('pre', { tabIndex: 0 }, texts.curl);
	const copy = button(t.copy, async () => {
		getSelection().selectAllChildren(code);
		await navigator.clipboard?.writeText(code.textContent);  // not on plain HTTP: there it is selected
		put(copy, t.copied);
		announce(t.copied);
	});
	const choice = segments(t.copyAs, [['curl', 'curl'], ['python', 'Python'], ['oip', 'Open Inference Protocol']],
		(value) => { put(code, texts[value]); put(copy, t.copy); });
	return dialog(t.copyAs, [h('div.row.between', choice, copy), code], { wide: true });
}
