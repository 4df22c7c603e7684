/** What each task answers now: differences of what the server counts since its start. */
import { call } from './api.js';
import { keep } from './sparkline.js';

/** The last values by task: images per second, and milliseconds of an image. */
export class Traffic {
	/** @type {Map<string, {rate: number[], latency: number[]}>} */
	tasks = new Map();
	#before = new Map();

	/** @param {AbortSignal} signal */
	async read(signal) {
		const { model_stats: stats } = await call('v2/models/stats', { signal });
		const at = performance.now() / 1000;
		const now = new Map(stats.map(({ name, version, inference_stats: { success: { count, ns } } }) => [name, { version, count, ns, at }]));
		for (const [name, { version, count, ns }] of now) {
			const before = this.#before.get(name);
			if (before?.version !== version || count < before.count) continue;
			if (!this.tasks.has(name)) this.tasks.set(name, { rate: [], latency: [] });
			const { rate, latency } = this.tasks.get(name);
			keep(rate, (count - before.count) / (at - before.at));
			keep(latency, count > before.count ? (ns - before.ns) / (count - before.count) / 1e6 : 0);
		}
		this.#before = now;
		for (const name of this.tasks.keys()) if (!now.has(name)) this.tasks.delete(name);
	}
}
