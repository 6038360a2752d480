/** A modal dialog that is open while it is rendered. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Cross } from './icons';
import './dialog.css';

interface Props {
  title: string;
  testid: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, testid, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={heading}
      data-testid={testid}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="dialog-body">
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" class="button square" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Cross />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
