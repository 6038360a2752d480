/**
 * What is drawn after the answer. A moved slider asks for answers and maps; the layers' figures, which
 * come with them, would only make these wait. So views beside the answer read a state that stands still
 * until the answer has been drawn, or until a while has passed without one.
 */
import { effect, signal } from '@preact/signals';
import { afterNextFrame } from '../lib/frame';
import type { Store } from './store';
import { openQuestion } from './tasks';

/** So long the views beside an answer wait for it. */
export const PATIENCE_MS = 100;

/** A store with the state of another, which comes later where an answer is to come first. */
export function behind(store: Store, afterDrawing: (callback: () => void) => void = afterNextFrame): Store {
  const state = signal(store.state.peek());
  let asked: string | null = null;
  let waits = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = (): void => {
    state.value = store.state.peek();
  };
  const wait = (): void => {
    if (waits) return;
    waits = true;
    timer = setTimeout(goOn, PATIENCE_MS);
  };
  const goOn = (): void => {
    clearTimeout(timer);
    waits = false;
    show();
  };
  const isAnswered = (): boolean => openQuestion(store.state.peek()) === null;
  effect(() => {
    const question = openQuestion(store.state.value);
    if (question !== asked) wait();
    if (question === null && asked !== null) afterDrawing(() => waits && isAnswered() && goOn());
    asked = question;
    if (!waits) show();
  });
  return { ...store, state };
}
