/** Where files come in: dropped, pasted, chosen or photographed. */
import { takePhoto } from './camera.js';
import { button, h } from './dom.js';
import { t } from './texts.js';

/** What a file dialog offers; the server decides what it reads. */
export const IMAGES = 'image/*,.heic,.heif,.avif,.tif,.tiff,.bmp';

/**
 * Take files that are dropped on an element.
 * @param {HTMLElement} zone  has the class `over` while a file is above it
 * @param {(data: DataTransfer) => void} ondrop
 */
export function dropping(zone, ondrop) {
  let depth = 0;
  const enter = (by) => { depth += by; zone.classList.toggle('over', depth > 0); };
  zone.addEventListener('dragenter', (event) => { event.preventDefault(); enter(1); });
  zone.addEventListener('dragleave', () => enter(-1));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    event.stopPropagation();
    enter(-depth);
    ondrop(event.dataTransfer);
  });
}

/**
 * Take pasted files while the signal lives.
 * @param {(files: File[]) => void} onfiles
 * @param {AbortSignal} signal
 */
export function pasting(onfiles, signal) {
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) onfiles(files);
  }, { signal });
}

/**
 * Make a button that opens the file dialog.
 * @param {string} text
 * @param {(files: File[]) => void} onfiles
 * @param {{accept?: string, multiple?: boolean, kind?: string}} [options]
 */
export function chooser(text, onfiles, { accept = IMAGES, multiple = false, kind } = {}) {
  const input = h('input', {
    type: 'file', accept, multiple, hidden: true,
    onchange: () => { const files = [...input.files]; input.value = ''; if (files.length) onfiles(files); },
  });
  return [button(text, () => input.click(), { kind }), input];
}

/**
 * Make a button that takes photos; none where the browser gives no camera (as on plain HTTP).
 * @param {(files: File[]) => void} onfiles
 * @param {{many?: boolean}} [options]  many: the camera stays open
 */
export function photographer(onfiles, { many = false } = {}) {
  if (!navigator.mediaDevices?.getUserMedia) return null;
  return button(t.photograph, () => takePhoto((file) => onfiles([file]), many));
}

/** @param {DataTransfer} data @returns {File[]} the files themselves, without those in folders */
export function filesOf(data) {
  return [...data.files].filter((file) => file.size > 0);
}
