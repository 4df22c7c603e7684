/** What the server says of its tasks, and what several views ask of it. */
import { call, path } from './api.js';

const PAGE = 1000;

/**
 * @typedef {object} Task  as `GET /v1/tasks` describes it
 * @property {string} task
 * @property {string} state
 * @property {string} [reason]
 * @property {string} [description]
 * @property {string} [method]
 * @property {number} [size]
 * @property {string} [place]
 * @property {number} [live]
 * @property {string[]} [labels]
 * @property {Record<string, number>} [metrics]
 */

/**
 * List all tasks that the key covers.
 * @param {AbortSignal} signal
 * @returns {Promise<Task[]>} by name
 */
export async function listTasks(signal) {
  const found = [];
  for (let after = ''; ;) {
    const page = await call(path`v1/tasks?limit=${PAGE}&after=${after}`, { signal });
    found.push(...page.tasks);
    if (!page.next) return found;
    after = page.next;
  }
}

const abstaining = new Map();

/**
 * Tell whether a task's live version can answer "none of these": whether its file states a threshold.
 * @param {Task} task
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>}
 */
export async function abstains({ task, live }, signal) {
  const known = `${live} ${task}`;
  if (!abstaining.has(known)) {
    const { manifest } = await call(path`v1/tasks/${task}`, { signal });
    if (abstaining.size > 2000) abstaining.clear();
    abstaining.set(known, Boolean(manifest?.threshold ?? manifest?.class_thresholds));
  }
  return abstaining.get(known);
}

/** @param {Task} task @returns {[string, number] | undefined} its main metric, the first */
export const mainMetric = (task) => Object.entries(task.metrics ?? {})[0];
