/** Light, dark, or as the system has it; remembered on this device. */
import { effect } from '@preact/signals';
import type { Theme } from './state';
import type { Store } from './store';

const KEY = 'bitlens-theme';

export function followTheme(store: Store): void {
  const stored = read();
  if (stored) store.dispatch({ type: 'viewChanged', view: { theme: stored } });
  effect(() => {
    const { theme } = store.state.value.view;
    if (theme === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    write(theme);
  });
}

/** Storage may be forbidden, as in some private windows; then the choice lasts as long as the page. */
function read(): Theme | null {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === 'light' || stored === 'dark' ? stored : null;
  } catch {
    return null;
  }
}

function write(theme: Theme): void {
  try {
    if (theme === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // see above
  }
}
