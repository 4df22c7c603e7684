/** Where files come in: dropped, pasted, chosen or photographed. */
import { takePhoto } from './camera.js';
import { button, h } from './dom.js';
import { t } from './texts.js';

/** Take what is dropped on an element, which has the class `over` while something is above it. @param {HTMLElement} zone @param {(data: DataTransfer) => void} ondrop */
export function dropping(zone, ondrop) {
	let depth = 0;
	const enter = (by) => zone.classList.toggle('over', (depth += by) > 0);
	zone.addEventListener('dragenter', () => enter(1));
	zone.addEventListener('dragleave', () => enter(-1));
	zone.addEventListener('drop', (event) => {
		event.preventDefault();
		event.stopPropagation();
		enter(-depth);
		ondrop(event.dataTransfer);
	});
}

/** @param {(files: File[]) => void} onfiles  gets what is pasted @param {AbortSignal} signal */
export function pasting(onfiles, signal) {
	document.addEventListener('paste', ({ clipboardData }) => { if (clipboardData?.files.length) onfiles([...clipboardData.files]); }, { signal });
}

/**
 * Make a button that opens the file dialog.
 * @param {string} text @param {(files: File[]) => void} onfiles
 * @param {{kind?: string, [name: string]: any}} [options]  class of the button, and properties of the input
 */
export function chooser(text, onfiles, { kind, ...options } = {}) {
	// The server decides what it reads; this is what the dialog shows first.
	const input = h('input', { type: 'file', accept: 'image/*,.heic,.heif,.avif,.tif,.tiff', hidden: true, ...options });
	input.onchange = () => { const files = [...input.files]; input.value = ''; onfiles(files); };
	return [button(text, () => input.click(), { kind }), input];
}

/** @param {(files: File[]) => void} onfiles @param {boolean} [many]  whether the camera stays open @returns {HTMLElement | false} false where the browser gives no camera, as on plain HTTP */
export const photographer = (onfiles, many = false) => Boolean(navigator.mediaDevices?.getUserMedia) && button(t.photograph, () => takePhoto((file) => onfiles([file]), many));
