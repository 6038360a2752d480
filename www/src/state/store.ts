/** The state as a signal. Views read slices of it and send events; nothing else changes it. */
import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { initialState, type AppEvent, type AppState } from './state';
import { update } from './update';

export type Dispatch = (event: AppEvent) => void;

export interface Store {
  state: ReadonlySignal<AppState>;
  dispatch: Dispatch;
  /** Hears every event after the state has changed; returns the way to stop listening. */
  listen(listener: (event: AppEvent) => void): () => void;
}

export function createStore(initial: AppState = initialState): Store {
  const state = signal(initial);
  const listeners = new Set<(event: AppEvent) => void>();
  return {
    state,
    dispatch(event) {
      state.value = update(state.peek(), event);
      for (const listener of listeners) listener(event);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export const StoreContext = createContext<Store | null>(null);

export function useStore(): Store {
  const store = useContext(StoreContext);
  if (!store) throw new Error('A view was rendered outside of the store.');
  return store;
}

export const useDispatch = (): Dispatch => useStore().dispatch;

/**
 * A part of the state; the view renders again only when this part is another one. Every rendering has a
 * computation of its own, since what it asks for may depend on the view's properties.
 */
export function useSlice<T>(slice: (state: AppState) => T): T {
  const { state } = useStore();
  return computed(() => slice(state.value)).value;
}
