/** Photos by the device's camera. */
import { announce, button, dialog, h, put } from './dom.js';
import { t } from './texts.js';

/** Open the camera and take photos. @param {(file: File) => void} onphoto @param {boolean} many  whether it stays open after the first */
export async function takePhoto(onphoto, many) {
	const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } }).catch(() => null);
	if (!stream) return void dialog(t.camera, [h('p', t.noCamera)]);
	const video = h('video', { autoplay: true, muted: true, playsInline: true, srcObject: stream });
	const count = h('span.muted');
	let taken = 0;
	const shoot = async () => {
		const canvas = h('canvas', { width: video.videoWidth, height: video.videoHeight });
		canvas.getContext('2d').drawImage(video, 0, 0);
		const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
		onphoto(new File([blob], `photo-${Date.now()}.jpg`, { type: blob.type }));
		put(count, t.photosTaken(++taken));
		announce(count.textContent);
		if (!many) video.closest('dialog').close();
	};
	await dialog(t.camera, [video, h('div.actions', button(t.photograph, shoot, { kind: 'primary', autofocus: true }), count)]);
	for (const track of stream.getTracks()) track.stop();
}
