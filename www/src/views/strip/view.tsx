/** On which pictures it happened: every picture as a thumbnail, flipped answers and moved attention marked. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PictureComparison, PictureView } from '../../engine/protocol';
import { Chevron } from '../../components/icons';
import { correlation } from '../../lib/format';
import { MOVED } from '../../lib/sentences';
import { useDispatch, useSlice, useStore } from '../../state/store';
import { compareKey } from '../../state/tasks';
import { evaluated } from '../../state/update';
import { testids } from '../../testids';
import { arrange, held } from './order';
import './view.css';

const NO_COMPARISONS: Record<number, PictureComparison> = {};

export function Strip() {
  const pictures = useSlice((state) => state.pictures);
  const comparisons = useSlice((state) => state.comparisons?.value ?? NO_COMPARISONS);
  const ranking = useSlice((state) => state.ranking);
  const order = useSlice((state) => state.view.stripOrder);
  const flippedOnly = useSlice((state) => state.view.flippedOnly);
  const all = evaluated(pictures);
  const shown = arrange(all, comparisons, { ranking, order, flippedOnly });
  const flipped = all.filter(({ index }) => comparisons[index]?.flipped).length;
  if (all.length === 0) return null;
  return (
    <Frame>
      <StripControls flipped={flipped} />
      {shown.length === 0 ? <p class="quiet small">No answer flipped.</p> : <Thumbnails shown={shown} comparisons={comparisons} />}
    </Frame>
  );
}

/** By itself, so that no thumbnail is drawn anew for being out of date. */
function Frame({ children }: { children: ComponentChildren }) {
  const outdated = useSlice((state) => state.comparisons !== null && state.comparisons.key !== compareKey(state));
  return (
    <section class="strip" aria-label="Pictures" data-outdated={outdated}>
      {children}
    </section>
  );
}

function StripControls({ flipped }: { flipped: number }) {
  const order = useSlice((state) => state.view.stripOrder);
  const flippedOnly = useSlice((state) => state.view.flippedOnly);
  const dispatch = useDispatch();
  return (
    <div class="strip-controls small">
      <label>
        <span class="quiet">Order </span>
        <span class="select">
          <select value={order} data-testid={testids.stripOrder} onChange={(event) => dispatch({ type: 'viewChanged', view: { stripOrder: event.currentTarget.value as typeof order } })}>
            <option value="changed">what changed most</option>
            <option value="file">as the files came</option>
          </select>
          <Chevron />
        </span>
      </label>
      <label class="check">
        <input type="checkbox" checked={flippedOnly} data-testid={testids.flippedOnly} onChange={(event) => dispatch({ type: 'viewChanged', view: { flippedOnly: event.currentTarget.checked } })} />
        only flipped <span class={flipped > 0 ? 'loss' : 'quiet'}>{flipped}</span>
      </label>
    </div>
  );
}

interface ThumbnailsProps {
  shown: PictureView[];
  comparisons: Record<number, PictureComparison>;
}

/** Width of a thumbnail with the gap beside it, and what stands before the first, as in the style. */
const STRIDE = 92;
const MARGIN = 16;
/** Scrolling counts after so many thumbnails: the strip holds far more than are in view. */
const LEAP = 10;

function Thumbnails({ shown, comparisons }: ThumbnailsProps) {
  const selected = useSlice((state) => state.selected);
  const { state, dispatch } = useStore();
  const list = useRef<HTMLDivElement>(null);
  /** The picture that a key has gone to and that is to get the focus. */
  const goal = useRef<number | null>(null);
  const [edge, setEdge] = useState(0);
  const [start, end] = held(shown.length, edge);
  const holds = shown.slice(start, end);
  const onKeyDown = (event: KeyboardEvent): void => {
    // A held key is faster than the page is drawn.
    const to = target(event.key, shown, state.peek().selected);
    if (!to) return;
    event.preventDefault();
    goal.current = to.index;
    dispatch({ type: 'pictureSelected', picture: to.index });
  };
  const place = shown.findIndex(({ index }) => index === selected);
  useEffect(() => {
    if (list.current && place >= 0) bringIntoView(list.current, MARGIN + place * STRIDE);
  }, [selected, place]);
  useEffect(() => {
    // It may be one that the strip holds only after it was scrolled to.
    const reached = goal.current === selected && list.current?.querySelector<HTMLElement>(`[data-picture="${selected}"]`);
    if (!reached) return;
    goal.current = null;
    reached.focus({ preventScroll: true });
  }, [selected, start]);
  const order = holds.map(({ index }) => index);
  useEffect(() => {
    const first = Math.max(0, edge - start);
    dispatch({ type: 'viewChanged', view: { stripHolds: [...order.slice(first), ...order.slice(0, first)] } });
  }, [order.join(), dispatch]);
  // The strip's own tab stop is the selected picture, or the first when the filter hides it.
  const stop = shown.some(({ index }) => index === selected) ? selected : shown[0]?.index;
  return (
    <div
      ref={list}
      class="thumbnails"
      role="listbox"
      aria-label="Pictures"
      aria-orientation="horizontal"
      data-testid={testids.strip}
      style={{ '--before': String(start), '--after': String(shown.length - end) }}
      onKeyDown={onKeyDown}
      onScroll={(event) => setEdge(Math.floor(event.currentTarget.scrollLeft / STRIDE / LEAP) * LEAP)}
    >
      {holds.map((picture, at) => (
        <Thumbnail
          key={picture.index}
          position={[start + at + 1, shown.length]}
          picture={picture}
          comparison={comparisons[picture.index]}
          selected={picture.index === selected}
          tabIndex={picture.index === stop ? 0 : -1}
        />
      ))}
    </div>
  );
}

interface ThumbnailProps {
  /** From 1, and of how many. */
  position: [number, number];
  picture: PictureView;
  comparison: PictureComparison | undefined;
  selected: boolean;
  tabIndex: number;
}

function Thumbnail({ position, picture, comparison, selected, tabIndex }: ThumbnailProps) {
  const address = useSlice((state) => state.thumbnails[picture.index]);
  const dispatch = useDispatch();
  const spearman = comparison?.attribution?.spearman ?? null;
  return (
    <div
      class="thumbnail"
      role="option"
      tabIndex={tabIndex}
      aria-selected={selected}
      aria-posinset={position[0]}
      aria-setsize={position[1]}
      title={picture.name}
      data-testid={testids.thumbnail}
      data-picture={picture.index}
      data-flipped={comparison?.flipped ?? false}
      onClick={() => dispatch({ type: 'pictureSelected', picture: picture.index })}
    >
      {address ? <img src={address} alt={picture.name} loading="lazy" decoding="async" draggable={false} /> : <span class="blank" />}
      <span class="mark">
        {comparison ? (
          <>
            <span class={comparison.flipped ? 'loss' : 'quiet'}>{comparison.flipped ? 'flipped' : 'kept'}</span>{' '}
            {spearman !== null && <span class={spearman < MOVED ? 'moved' : 'quiet'}>ρ {correlation(spearman)}</span>}
          </>
        ) : (
          <span class="quiet">…</span>
        )}
      </span>
    </div>
  );
}

/** Scrolls the strip alone, and only when it must: scrollIntoView would move the page under the reader. */
function bringIntoView(strip: HTMLElement, left: number): void {
  const right = left + STRIDE;
  if (left >= strip.scrollLeft && right <= strip.scrollLeft + strip.clientWidth) return;
  strip.scrollLeft = (left + right - strip.clientWidth) / 2;
}

function target(key: string, shown: PictureView[], selected: number): PictureView | undefined {
  const at = shown.findIndex(({ index }) => index === selected);
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowUp':
      return shown[Math.max(0, at - 1)];
    case 'ArrowRight':
    case 'ArrowDown':
      return shown[Math.min(shown.length - 1, at + 1)];
    case 'Home':
      return shown[0];
    case 'End':
      return shown.at(-1);
    default:
      return undefined;
  }
}
