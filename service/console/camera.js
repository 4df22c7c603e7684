/** Photos by the device's camera. */
import { announce, button, dialog, h } from './dom.js';
import { t } from './texts.js';

/**
 * Open the camera and take photos.
 * @param {(file: File) => void} onphoto
 * @param {boolean} many  whether it stays open after the first
 */
export async function takePhoto(onphoto, many) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch {
    await dialog(t.camera, [h('p', t.noCamera)]);
    return;
  }
  const video = h('video', { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  let taken = 0;
  const shoot = async () => {
    onphoto(await photo(video, ++taken));
    announce(t.photosTaken(taken));
    count.textContent = t.photosTaken(taken);
    if (!many) video.closest('dialog')?.close();
  };
  const count = h('span.muted', '');
  await dialog(t.camera, [video, h('div.actions', button(t.shoot, shoot, { kind: 'primary', autofocus: true }), count)]);
  for (const track of stream.getTracks()) track.stop();
}

async function photo(video, number) {
  const canvas = h('canvas', { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext('2d').drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
  return new File([blob], `photo-${Date.now()}-${number}.jpg`, { type: 'image/jpeg' });
}
