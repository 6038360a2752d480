/**
 * What the engine should do next, as a pure function of the state. A result carries the key of the
 * question it answers; the first question without a current answer is the next task. So a moved
 * slider needs no bookkeeping: it changes the keys, and whatever ran for the old ones is cancelled.
 */
import type { AppState } from './state';
import { evaluated } from './update';

export type TaskName = 'preview' | 'quantize' | 'lens' | 'compare' | 'latency' | 'profile' | 'diagnose' | 'thumbnail';

export interface Task {
  name: TaskName;
  key: string;
  picture: number;
}

const dataKey = (state: AppState): string => `${state.versions.model}.${state.versions.data}`;

export const quantizeKey = (state: AppState): string => `quantize ${dataKey(state)} ${JSON.stringify(state.recipe.present)}`;
export const lensKey = (state: AppState): string => `lens ${state.selected} ${quantizeKey(state)}`;
export const compareKey = (state: AppState): string => `compare ${quantizeKey(state)}`;
export const previewKey = (state: AppState): string => `preview ${state.selected} ${dataKey(state)}`;

/** Speed depends on the network and on what of it runs on which path, not on how values are rounded there. */
export function latencyKey(state: AppState): string {
  const quantized = state.quantized?.key === quantizeKey(state) ? state.quantized.value : null;
  return `latency ${dataKey(state)} ${quantized ? `${quantized.path} ${quantized.pathReason}` : '?'}`;
}

/** Which kernel runs depends on the codes of the weights as well. */
export const profileKey = (state: AppState): string => `profile ${quantizeKey(state)}`;

/** What went wrong depends on all that quantizing depends on. */
export const diagnosisKey = (state: AppState): string => `diagnose ${quantizeKey(state)}`;

/** The key of what the lens is to show and does not show yet; null where it shows it, or never will. */
export function openQuestion(state: AppState): string | null {
  const isOpen = openTasks(state).some(({ name }) => name === 'quantize' || name === 'lens');
  return isOpen ? lensKey(state) : null;
}

/** The tasks still to do, most wanted first. Empty without a network or without pictures. */
export function openTasks(state: AppState): Task[] {
  if (state.engine.status !== 'ready' || !state.model || state.pictures.length === 0) return [];
  const picture = state.selected;
  const quantized = state.quantized?.key === quantizeKey(state);
  const candidates: (Task & { open: boolean })[] = [
    { name: 'preview', key: previewKey(state), picture, open: state.preview?.key !== previewKey(state) },
    { name: 'quantize', key: quantizeKey(state), picture, open: !quantized },
    { name: 'lens', key: lensKey(state), picture, open: quantized && state.lens?.key !== lensKey(state) },
    ...missingThumbnail(state, FIRST_THUMBNAILS),
    { name: 'compare', key: compareKey(state), picture, open: quantized && state.summary?.key !== compareKey(state) },
    { name: 'latency', key: latencyKey(state), picture, open: quantized && state.latency?.key !== latencyKey(state) },
    { name: 'profile', key: profileKey(state), picture, open: quantized && state.profileAsked === profileKey(state) && state.profile?.key !== profileKey(state) },
    { name: 'diagnose', key: diagnosisKey(state), picture, open: quantized && state.diagnosisAsked === diagnosisKey(state) && state.diagnosis?.key !== diagnosisKey(state) },
    ...missingThumbnail(state),
  ];
  return candidates.filter((task) => task.open && !state.givenUp.some((one) => one.key === task.key));
}

/** So many fit on a wide screen; the others can wait for the numbers. */
const FIRST_THUMBNAILS = 24;

function missingThumbnail(state: AppState, among?: number): (Task & { open: boolean })[] {
  const held = state.view.stripHolds.filter((index) => state.pictures[index]);
  const shown = held.length > 0 ? held : evaluated(state.pictures).map(({ index }) => index);
  const picture = shown.slice(0, among).find((index) => !state.thumbnails[index]);
  if (picture === undefined) return [];
  return [{ name: 'thumbnail', key: `thumbnail ${picture} ${dataKey(state)}`, picture, open: true }];
}

/** Whether a running task should give way: its question is gone, or a more urgent one has come. */
export function shouldStop(running: Task, state: AppState): boolean {
  return openTasks(state)[0]?.key !== running.key;
}
