/** On which pictures it happened: every picture as a thumbnail, flipped answers and moved attention marked. */
import { useEffect, useRef } from 'preact/hooks';
import type { PictureComparison, PictureView } from '../../engine/protocol';
import { correlation } from '../../lib/format';
import { useDispatch, useSlice } from '../../state/store';
import { compareKey } from '../../state/tasks';
import { evaluated } from '../../state/update';
import { testids } from '../../testids';
import { arrange } from './order';
import './view.css';

const NO_COMPARISONS: Record<number, PictureComparison> = {};

export function Strip() {
  const pictures = useSlice((state) => state.pictures);
  const comparisons = useSlice((state) => state.comparisons?.value ?? NO_COMPARISONS);
  const ranking = useSlice((state) => state.ranking);
  const order = useSlice((state) => state.view.stripOrder);
  const flippedOnly = useSlice((state) => state.view.flippedOnly);
  const current = useSlice((state) => state.comparisons?.key === compareKey(state));
  const all = evaluated(pictures);
  const shown = arrange(all, comparisons, { ranking, order, flippedOnly });
  const flipped = all.filter(({ index }) => comparisons[index]?.flipped).length;
  if (all.length === 0) return null;
  return (
    <section class="strip" aria-label="Pictures">
      <StripControls flipped={flipped} />
      {shown.length === 0 ? <p class="quiet small">No answer flipped.</p> : <Thumbnails shown={shown} comparisons={comparisons} current={current} />}
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
        <select value={order} data-testid={testids.stripOrder} onChange={(event) => dispatch({ type: 'viewChanged', view: { stripOrder: event.currentTarget.value as typeof order } })}>
          <option value="changed">what changed most</option>
          <option value="file">as the files came</option>
        </select>
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
  current: boolean;
}

function Thumbnails({ shown, comparisons, current }: ThumbnailsProps) {
  const selected = useSlice((state) => state.selected);
  const dispatch = useDispatch();
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = target(event.key, shown, selected);
    if (!to) return;
    event.preventDefault();
    dispatch({ type: 'pictureSelected', picture: to.index });
    list.current?.querySelector<HTMLElement>(`[data-picture="${to.index}"]`)?.focus();
  };
  const place = shown.findIndex(({ index }) => index === selected);
  useEffect(() => {
    const chosen = list.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (list.current && chosen) bringIntoView(list.current, chosen);
  }, [selected, place]);
  // The strip's own tab stop is the selected picture, or the first when the filter hides it.
  const stop = shown.some(({ index }) => index === selected) ? selected : shown[0]?.index;
  return (
    <div ref={list} class="thumbnails" role="listbox" aria-label="Pictures" aria-orientation="horizontal" data-testid={testids.strip} onKeyDown={onKeyDown}>
      {shown.map((picture) => (
        <Thumbnail
          key={picture.index}
          picture={picture}
          comparison={comparisons[picture.index]}
          current={current}
          selected={picture.index === selected}
          tabIndex={picture.index === stop ? 0 : -1}
        />
      ))}
    </div>
  );
}

interface ThumbnailProps {
  picture: PictureView;
  comparison: PictureComparison | undefined;
  current: boolean;
  selected: boolean;
  tabIndex: number;
}

function Thumbnail({ picture, comparison, current, selected, tabIndex }: ThumbnailProps) {
  const address = useSlice((state) => state.thumbnails[picture.index]);
  const dispatch = useDispatch();
  const spearman = comparison?.attribution?.spearman ?? null;
  return (
    <div
      class="thumbnail"
      role="option"
      tabIndex={tabIndex}
      aria-selected={selected}
      title={picture.name}
      data-testid={testids.thumbnail}
      data-picture={picture.index}
      data-flipped={comparison?.flipped ?? false}
      data-state={current || !comparison ? 'current' : 'updating'}
      onClick={() => dispatch({ type: 'pictureSelected', picture: picture.index })}
    >
      {address ? <img src={address} alt={picture.name} loading="lazy" decoding="async" draggable={false} /> : <span class="blank" />}
      <span class="mark">
        {comparison ? (
          <>
            <span class={comparison.flipped ? 'loss' : 'quiet'}>{comparison.flipped ? 'flipped' : 'kept'}</span>{' '}
            {spearman !== null && <span class="quiet">ρ {correlation(spearman)}</span>}
          </>
        ) : (
          <span class="quiet">…</span>
        )}
      </span>
    </div>
  );
}

/** Scrolls the strip alone, and only when it must: scrollIntoView would move the page under the reader. */
function bringIntoView(strip: HTMLElement, chosen: HTMLElement): void {
  const [left, right] = [chosen.offsetLeft, chosen.offsetLeft + chosen.offsetWidth];
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
