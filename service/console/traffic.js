/** What each task answers now: differences of what the server counts since its start. */
import { call } from './api.js';
import { Ring } from './sparkline.js';

/** Series of the last minutes by task: images per second, and milliseconds of an image. */
export class Traffic {
  constructor() {
    /** @type {Map<string, {rate: Ring, latency: Ring}>} */
    this.tasks = new Map();
    this._before = new Map();
  }

  /**
   * Ask the server once.
   * @param {AbortSignal} signal
   */
  async read(signal) {
    const { model_stats: stats } = await call('v2/models/stats', { signal });
    const now = performance.now() / 1000;
    const seen = new Map();
    for (const { name, version, inference_count: images, inference_stats: { success } } of stats) {
      const before = this._before.get(name);
      seen.set(name, { version, images, success, now });
      if (before?.version !== version || images < before.images) continue;
      const series = this.tasks.get(name) ?? { rate: new Ring(), latency: new Ring() };
      this.tasks.set(name, series);
      const answered = images - before.images;
      series.rate.push(answered / (now - before.now));
      series.latency.push(answered ? (success.ns - before.success.ns) / answered / 1e6 : 0);
    }
    this._before = seen;
    for (const name of this.tasks.keys()) if (!seen.has(name)) this.tasks.delete(name);
  }
}
