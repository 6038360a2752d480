/** Undo and redo of one value. Edits of the same field in quick succession are one step. */

/** Two edits of one slider closer than this are the same movement of the hand. */
const MERGE_MS = 800;

export interface History<T> {
  past: T[];
  present: T;
  future: T[];
  /** The latest edit, to merge the next one with. */
  last: { field: string; at: number } | null;
}

export const begin = <T>(present: T): History<T> => ({ past: [], present, future: [], last: null });

/** Replaces the present; `at` is the time of the edit in ms. */
export function edit<T>(history: History<T>, present: T, field: string, at: number): History<T> {
  const merges = history.last?.field === field && at - history.last.at < MERGE_MS;
  const past = merges ? history.past : [...history.past, history.present];
  return { past, present, future: [], last: { field, at } };
}

export function undo<T>(history: History<T>): History<T> {
  const previous = history.past.at(-1);
  if (previous === undefined) return history;
  return { past: history.past.slice(0, -1), present: previous, future: [history.present, ...history.future], last: null };
}

export function redo<T>(history: History<T>): History<T> {
  const [next, ...future] = history.future;
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future, last: null };
}
