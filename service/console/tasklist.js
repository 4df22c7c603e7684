/** What the server says of its tasks. */
import { call, path } from './api.js';

/** @typedef {{task: string, state: string, live?: number, labels?: string[], description?: string, [other: string]: any}} Task  as `GET /v1/tasks` describes it */

/** @param {AbortSignal} signal @returns {Promise<Task[]>} all tasks that the key covers, by name */
export async function listTasks(signal) {
	const found = [];
	for (let after = ''; after !== undefined; ) {
		const page = await call(path`v1/tasks?limit=1000&after=${after}`, { signal });
		found.push(...page.tasks);
		after = page.next;
	}
	return found;
}

const abstaining = new Map();

/** Tell whether a task's live version can answer "none of these": whether its file states a threshold. @param {Task} task @param {AbortSignal} signal @returns {Promise<boolean>} */
export async function abstains({ task, live }, signal) {
	const version = `${live} ${task}`;
	if (!abstaining.has(version)) {
		const { manifest } = await call(path`v1/tasks/${task}`, { signal });
		if (abstaining.size > 2000) abstaining.clear();
		abstaining.set(version, Boolean(manifest?.threshold || manifest?.class_thresholds));
	}
	return abstaining.get(version);
}
