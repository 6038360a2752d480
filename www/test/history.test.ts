import { expect, test } from 'vitest';
import { begin, edit, redo, undo } from '../src/state/history';

test('undo and redo walk back and forth', () => {
  let history = begin(1);
  history = edit(history, 2, 'a', 0);
  history = edit(history, 3, 'b', 10);
  expect(undo(history).present).toBe(2);
  expect(undo(undo(history)).present).toBe(1);
  expect(redo(undo(undo(history))).present).toBe(2);
});

test('a dragged slider is one step', () => {
  let history = begin(8);
  for (const [at, bits] of [7, 6, 5, 4].entries()) history = edit(history, bits, 'weightBits', at * 100);
  expect(history.past).toEqual([8]);
  expect(undo(history).present).toBe(8);
});

test('a pause or another field begins a new step', () => {
  let history = edit(begin(8), 7, 'weightBits', 0);
  history = edit(history, 6, 'weightBits', 5000);
  history = edit(history, 5, 'activationBits', 5001);
  expect(history.past).toEqual([8, 7, 6]);
});

test('an edit after an undo forgets what was undone, and never merges with it', () => {
  let history = edit(begin(8), 7, 'weightBits', 0);
  history = undo(history);
  history = edit(history, 6, 'weightBits', 10);
  expect(history.future).toEqual([]);
  expect(history.past).toEqual([8]);
});

test('undo at the beginning and redo at the end change nothing', () => {
  const history = begin('x');
  expect(undo(history)).toBe(history);
  expect(redo(history)).toBe(history);
});
