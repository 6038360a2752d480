/** Two layers in one place and a divider to swipe between them, by pointer or by keyboard. */
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { Swipe } from './icons';
import { testids } from '../testids';
import './two-up.css';

interface Props {
  left: ComponentChildren;
  right: ComponentChildren;
  leftLabel: string;
  rightLabel: string;
  /** Width over height. */
  aspect: number;
  /** Where the divider stands: 0 at the left edge, 1 at the right one. */
  split: number;
  onSplit: (split: number) => void;
  children?: ComponentChildren;
}

const STEP = 0.02;
const LEAP = 0.1;

export function TwoUp({ left, right, leftLabel, rightLabel, aspect, split, onSplit, children }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const move = (to: number): void => onSplit(Math.min(1, Math.max(0, to)));
  const follow = (event: PointerEvent): void => {
    const box = frame.current?.getBoundingClientRect();
    if (box) move((event.clientX - box.left) / box.width);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = splitAfter(event, split);
    if (to === null) return;
    event.preventDefault();
    move(to);
  };
  return (
    <div
      ref={frame}
      class="two-up"
      style={{ '--split': `${split * 100}%`, '--aspect': String(aspect) }}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        follow(event);
      }}
      onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && follow(event)}
    >
      <div class="side-left">{left}</div>
      <div class="side-right">{right}</div>
      <span class="tag tag-left full" data-hidden={split < 0.08}>{leftLabel}</span>
      <span class="tag tag-right quantized" data-hidden={split > 0.92}>{rightLabel}</span>
      <div class="divider">
        <div
          class="handle"
          role="slider"
          tabIndex={0}
          aria-label={`Divider: ${leftLabel} on the left, ${rightLabel} on the right`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(split * 100)}
          aria-valuetext={`${Math.round(split * 100)} per cent ${leftLabel}`}
          data-testid={testids.swipe}
          onKeyDown={onKeyDown}
        >
          <Swipe />
        </div>
      </div>
      {children}
    </div>
  );
}

/** Where a key moves the divider to, beyond the edges perhaps; null for keys that do not. */
export function splitAfter(event: Pick<KeyboardEvent, 'key' | 'shiftKey'>, split: number): number | null {
  const step = event.shiftKey ? LEAP : STEP;
  switch (event.key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return split - step;
    case 'ArrowRight':
    case 'ArrowUp':
      return split + step;
    case 'Home':
      return 0;
    case 'End':
      return 1;
    case 'Enter':
    case ' ':
      return 0.5;
    default:
      return null;
  }
}
