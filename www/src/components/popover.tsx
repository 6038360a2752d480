/** A button that opens a panel beside itself; Escape or a click elsewhere closes it. */
import type { ComponentChildren, TargetedEvent } from 'preact';
import { useId, useRef } from 'preact/hooks';
import './popover.css';

interface Props {
  /** Content and class of the button. */
  button: ComponentChildren;
  class: string;
  /** What the button does, for screen readers, where its content does not say so. */
  label?: string;
  testid?: string | undefined;
  panelTestid?: string;
  state?: string;
  children: ComponentChildren;
}

const GAP = 6;
const MARGIN = 8;

export function Popover({ button, label, testid, panelTestid, state, children, ...rest }: Props) {
  const id = useId();
  const anchor = useRef<HTMLButtonElement>(null);
  const place = (event: TargetedEvent<HTMLDivElement, ToggleEvent>): void => {
    if (event.newState !== 'open' || !anchor.current) return;
    const panel = event.currentTarget;
    const box = anchor.current.getBoundingClientRect();
    const left = Math.max(MARGIN, Math.min(box.left, document.documentElement.clientWidth - panel.offsetWidth - MARGIN));
    const below = box.bottom + GAP;
    const fits = below + panel.offsetHeight <= innerHeight - MARGIN;
    panel.style.setProperty('--left', `${left}px`);
    panel.style.setProperty('--top', `${fits ? below : Math.max(MARGIN, box.top - GAP - panel.offsetHeight)}px`);
  };
  return (
    <>
      <button ref={anchor} type="button" class={rest.class} popovertarget={id} aria-label={label} data-testid={testid} data-state={state}>
        {button}
      </button>
      <div id={id} popover="auto" class="popover" onToggle={place} data-testid={panelTestid}>
        {children}
      </div>
    </>
  );
}

/** Closes the panel that contains the element of an event, after a choice in it. */
export function closePopover(event: Event): void {
  (event.currentTarget as HTMLElement).closest<HTMLElement>('[popover]')?.hidePopover();
}
