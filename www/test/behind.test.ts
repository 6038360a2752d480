import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PATIENCE_MS, behind } from '../src/state/behind';
import { DEFAULT_RECIPE } from '../src/state/state';
import { createStore, type Store } from '../src/state/store';
import { lensKey, quantizeKey } from '../src/state/tasks';
import { lens, opened, quantized } from './fixtures';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A page with its first answers, what is drawn behind them, and the way to let a frame be drawn. */
function page(): { store: Store; later: Store; drawFrame: () => void } {
  const store = createStore(opened());
  answer(store);
  const waiting: (() => void)[] = [];
  const later = behind(store, (callback) => waiting.push(callback));
  return { store, later, drawFrame: () => waiting.splice(0).forEach((callback) => callback()) };
}

const slide = (store: Store, weightBits: number): void =>
  store.dispatch({ type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits }, field: 'weightBits', at: 0 });

function answer(store: Store): void {
  const state = store.state.peek();
  store.dispatch({ type: 'quantized', key: quantizeKey(state), quantized, lens: { key: lensKey(state), value: { lens, maps: null } } });
}

const bits = ({ state }: Store): number => state.peek().recipe.present.weightBits;

test('what is behind the answer stands still until the answer is drawn', () => {
  const { store, later, drawFrame } = page();
  slide(store, 4);
  expect(later.state.peek().recipe.present).toEqual(DEFAULT_RECIPE);
  answer(store);
  expect(bits(later)).toBe(8);
  drawFrame();
  expect(later.state.peek()).toBe(store.state.peek());
});

test('it goes on when there is no answer for long, and waits once more when that comes', () => {
  const { store, later, drawFrame } = page();
  slide(store, 4);
  vi.advanceTimersByTime(PATIENCE_MS - 1);
  expect(bits(later)).toBe(8);
  vi.advanceTimersByTime(1);
  expect(bits(later)).toBe(4);
  store.dispatch({ type: 'viewChanged', view: { layer: 'conv1' } });
  expect(later.state.peek().view.layer).toBe('conv1');
  answer(store);
  expect(later.state.peek().lens).not.toBe(store.state.peek().lens);
  drawFrame();
  expect(later.state.peek()).toBe(store.state.peek());
});

test('a slider that never rests does not stop it', () => {
  const { store, later, drawFrame } = page();
  const seen = new Set<number>();
  for (let step = 0; step < 40; step++) {
    // Now and then there is an answer, and the hand has gone on before it is drawn.
    slide(store, 2);
    if (step % 2 === 1) answer(store);
    slide(store, 1000 + step);
    drawFrame();
    vi.advanceTimersByTime(PATIENCE_MS / 10);
    seen.add(bits(later));
  }
  // What was there at first, and what there was every so often.
  expect([...seen]).toEqual([8, 1009, 1019, 1029, 1039]);
});

test('nothing waits where nothing is asked', () => {
  const { store, later } = page();
  store.dispatch({ type: 'viewChanged', view: { layer: 'conv1' } });
  expect(later.state.peek()).toBe(store.state.peek());
});
