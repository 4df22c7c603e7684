/** Where the class token looks: its attention to the patches, as a wash of colour over the image. */
import { call, path } from './api.js';
import { attempt, h, put, section, segments } from './dom.js';
import { t } from './texts.js';

/** From no attention to the most: red, green, blue and opacity in 0…255. */
const COLOURS = [[40, 0, 90, 0], [150, 20, 130, 110], [240, 90, 50, 190], [255, 200, 40, 235], [255, 255, 200, 255]];

/** Make the controls of a canvas. @param {HTMLCanvasElement} canvas  lies over the image @param {HTMLImageElement} image @param {AbortSignal} signal */
export function attention(canvas, image, signal) {
	let [file, shown, grids, asked] = [/** @type {File | null} */ (null), 'off', null, ''];
	const failure = h('div.outcome');
	const task = h('select', { 'aria-label': t.attentionOf, onchange: refresh });
	const opacity = h('input', { type: 'range', value: 75, oninput: () => { canvas.style.opacity = `${opacity.value}%`; } });
	const mode = segments(t.attention, [['off', t.attentionOff], ['adapted', t.attentionAdapted], ['bare', t.attentionBare]], (value) => { shown = value; refresh(); });
	const controls = section(t.attention, h('div.row', mode, task), h('label.row', t.opacity, opacity), failure);
	controls.classList.add('attention');
	canvas.style.opacity = '75%';
	new ResizeObserver(draw).observe(canvas);
	image.addEventListener('load', draw);

	async function refresh() {
		const [sent, wanted] = [file, task.value];
		if (shown !== 'off' && sent && wanted && asked !== wanted) {
			[asked, grids] = [wanted, null];
			await attempt(failure, async () => {
				const headers = { 'Content-Type': sent.type || 'application/octet-stream' };
				const found = await call(path`v1/tasks/${wanted}/explain`, { method: 'POST', body: sent, signal, headers });
				if (sent === file && asked === wanted) grids = found;
			});
			if (!grids && asked === wanted) asked = '';  // it may be asked again
		}
		draw();
	}

	function draw() {
		[canvas.width, canvas.height] = [canvas.clientWidth * devicePixelRatio, canvas.clientHeight * devicePixelRatio];
		if (shown === 'off' || !grids || !image.naturalWidth) return;
		const scale = Math.min(canvas.width / image.naturalWidth, canvas.height / image.naturalHeight);
		const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
		const [left, top, right, bottom] = grids.box;
		const context = canvas.getContext('2d');
		context.imageSmoothingQuality = 'high';
		context.drawImage(wash(grids[shown]), (canvas.width - width) / 2 + left * width, (canvas.height - height) / 2 + top * height, (right - left) * width, (bottom - top) * height);
	}

	return {
		controls,
		/** @param {File} next  the image that is shown from now on */
		setFile(next) { [file, grids, asked] = [next, null, '']; refresh(); },
		/** @param {string[]} names  tasks to choose from */
		setTasks(names) {
			const before = task.value;
			put(task, names.map((name) => h('option', { value: name, selected: name === before }, name)));
			if (task.value !== before) refresh();
		},
	};
}

/** Paint a grid, a pixel for each patch; its largest number has the last colour. */
function wash(grid) {
	const canvas = h('canvas', { width: grid[0].length, height: grid.length });
	const pixels = new ImageData(canvas.width, canvas.height);
	const largest = Math.max(...grid.flat(), Number.MIN_VALUE);
	grid.flat().forEach((value, place) => pixels.data.set(colour(value / largest), place * 4));
	canvas.getContext('2d').putImageData(pixels, 0, 0);
	return canvas;
}

function colour(share) {
	const at = share * (COLOURS.length - 1);
	const from = Math.min(Math.floor(at), COLOURS.length - 2);
	return COLOURS[from].map((low, channel) => low + (at - from) * (COLOURS[from + 1][channel] - low));
}
