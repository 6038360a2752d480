/** The page's keys. Keys of single controls (arrows on the divider, on the strip) belong to those. */
import { splitAfter } from '../../components/two-up';
import { MAX_BITS, MIN_BITS, type AppState } from '../../state/state';
import type { Store } from '../../state/store';
import { arrange } from '../strip/order';
import { evaluated } from '../../state/update';

export const KEYS: [string, string][] = [
  ['[  ]', 'fewer or more bits for the weights'],
  ['{  }', 'fewer or more bits for the activations'],
  [',  .', 'previous or next picture'],
  ['← →', 'move the divider (with Shift: further), or walk the film strip when the focus is there'],
  ['Ctrl Z', 'undo; with Shift, or Ctrl Y: redo'],
  ['O', 'open files'],
  ['Esc', 'stop what is running'],
  ['?', 'these keys'],
];

/** Listens on the window; returns the way to stop. */
export function listenToKeys(store: Store, openFiles: () => void): () => void {
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isTyping(event.target) || event.altKey || document.querySelector('dialog[open]')) return;
    const command = event.ctrlKey || event.metaKey;
    if (command ? !withCommand(store, event) : !plain(store, event.key, openFiles) && !moveDivider(store, event)) return;
    event.preventDefault();
  };
  addEventListener('keydown', onKeyDown);
  return () => removeEventListener('keydown', onKeyDown);
}

function withCommand({ dispatch }: Store, event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  if (key !== 'z' && key !== 'y') return false;
  dispatch({ type: key === 'y' || event.shiftKey ? 'redone' : 'undone' });
  return true;
}

/** The arrows belong to the divider where no control has them for itself. */
function moveDivider({ state, dispatch }: Store, event: KeyboardEvent): boolean {
  const sideways = event.key === 'ArrowLeft' || event.key === 'ArrowRight';
  if (!sideways || event.target !== document.body) return false;
  const to = splitAfter(event, state.peek().view.split) ?? 0;
  dispatch({ type: 'viewChanged', view: { split: Math.min(1, Math.max(0, to)) } });
  return true;
}

/** Whether the key was one of ours. */
function plain(store: Store, key: string, openFiles: () => void): boolean {
  const { dispatch } = store;
  const state = store.state.peek();
  switch (key) {
    case '[':
    case ']':
      changeBits(store, 'weightBits', key === ']' ? 1 : -1);
      return true;
    case '{':
    case '}':
      changeBits(store, 'activationBits', key === '}' ? 1 : -1);
      return true;
    case ',':
    case '.':
      dispatch({ type: 'pictureSelected', picture: neighbour(state, key === '.' ? 1 : -1) });
      return true;
    case 'o':
      openFiles();
      return true;
    case '?':
      dispatch({ type: 'viewChanged', view: { dialog: 'keys' } });
      return true;
    case 'Escape':
      if (!state.job || document.querySelector(':popover-open')) return false;
      dispatch({ type: 'cancelAsked' });
      return true;
    default:
      return false;
  }
}

function changeBits({ state, dispatch }: Store, field: 'weightBits' | 'activationBits', by: number): void {
  if (state.peek().model?.quantized) return; // there is nothing to choose
  const recipe = state.peek().recipe.present;
  const bits = Math.min(MAX_BITS, Math.max(MIN_BITS, recipe[field] + by));
  if (bits === recipe[field]) return; // no step to undo
  // Keys and slider are two movements, also in quick succession: each is a step to undo.
  dispatch({ type: 'recipeEdited', recipe: { ...recipe, [field]: bits }, field: `keys:${field}`, at: performance.now() });
}

function neighbour(state: AppState, by: number): number {
  const shown = arrange(evaluated(state.pictures), state.comparisons?.value ?? {}, { ranking: state.ranking, order: state.view.stripOrder, flippedOnly: state.view.flippedOnly });
  const at = shown.findIndex(({ index }) => index === state.selected);
  return shown[Math.min(shown.length - 1, Math.max(0, at + by))]?.index ?? state.selected;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('textarea, select, input:not([type=range], [type=checkbox])'));
}
