/** What changed on this picture: where both networks look, what they answer, and a sentence about it. */
import type { ComponentChildren, ComponentProps } from 'preact';
import { HeatCanvas } from '../../components/heat-canvas';
import { TwoUp } from '../../components/two-up';
import type { HeatMap } from '../../lib/heat';
import { decibels, plural, shortName } from '../../lib/format';
import { oneMoreBit, quantizedLabel, steepestDrop, truth, whatHappened } from '../../lib/sentences';
import type { LensData, Seen } from '../../state/state';
import { useDispatch, useSlice } from '../../state/store';
import { lensKey, previewKey } from '../../state/tasks';
import { evaluated } from '../../state/update';
import { testids } from '../../testids';
import { Answers } from './answers';
import { Legend } from './legend';
import { Outline, Pointing } from './object';
import './view.css';

export function Lens() {
  return (
    <Frame>
      <PicturePlace />
      <StoryPlace />
    </Frame>
  );
}

/** By itself, so that nothing is drawn anew for being out of date. */
function Frame({ children }: { children: ComponentChildren }) {
  const current = useSlice((state) => state.lens?.key === lensKey(state));
  return (
    <section class="lens" aria-label="This picture" data-testid={testids.lens} data-current={current}>
      {children}
    </section>
  );
}

function PicturePlace() {
  const lens = useSlice((state) => state.lens);
  const preview = useSlice((state) => state.preview);
  const waiting = useSlice((state) => state.model === null || state.pictures.length > 0);
  if (preview) return <Picture preview={preview.value} lens={lens?.value ?? null} />;
  return <div class="empty-picture quiet">{waiting ? '' : 'Drop pictures here to see where the networks look.'}</div>;
}

function StoryPlace() {
  const lens = useSlice((state) => state.lens);
  const waiting = useSlice((state) => state.pictures.length > 0);
  return (
    <div class="story">
      {lens ? <Story data={lens.value} /> : waiting && <p class="quiet small">The two networks are about to be compared on this picture.</p>}
    </div>
  );
}

function mapOf(data: LensData | null, side: 'full' | 'quantized'): HeatMap | null {
  return data?.maps ? { ...data.maps, values: data.maps[side] } : null;
}

function Picture({ preview, lens }: { preview: Seen; lens: LensData | null }) {
  const overlay = useSlice((state) => state.view.overlay);
  const outlined = useSlice((state) => state.view.outline);
  const recipe = useSlice((state) => state.quantized?.value.recipe ?? state.recipe.present);
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  const upToDate = useSlice((state) => state.preview?.key === previewKey(state));
  // A map of another picture must not lie on this one, not even for a moment.
  const selected = useSlice((state) => state.selected);
  const data = lens?.lens.picture === selected && upToDate ? lens : null;
  const target = data ? shortName(data.lens.target.name) : '';
  const label = (who: string): string => (data ? `Where the ${who} network looks for ${target}` : `The picture, ${who} side`);
  return (
    <figure class="picture">
      <Swipe
        aspect={preview.width / preview.height}
        leftLabel={fixed ? 'In float' : 'Full precision'}
        rightLabel={quantizedLabel(recipe)}
        left={<HeatCanvas picture={preview} map={mapOf(data, 'full')} overlay={overlay} label={label(fixed ? 'float' : 'full-precision')} testid={testids.mapFull} />}
        right={<HeatCanvas picture={preview} map={mapOf(data, 'quantized')} overlay={overlay} label={label('quantized')} testid={testids.mapQuantized} />}
      >
        {preview.object && outlined && <Outline mask={preview.object} />}
        {data?.maps && <Legend max={data.maps.max} target={target} overlay={overlay} />}
      </Swipe>
      <figcaption>
        <Overlay />
        {preview.object && <OutlineToggle />}
      </figcaption>
    </figure>
  );
}

/** By itself, so that a moved divider draws nothing else anew. */
function Swipe(props: Omit<ComponentProps<typeof TwoUp>, 'split' | 'onSplit'>) {
  const split = useSlice((state) => state.view.split);
  const dispatch = useDispatch();
  return <TwoUp {...props} split={split} onSplit={(to) => dispatch({ type: 'viewChanged', view: { split: to } })} />;
}

function Overlay() {
  const overlay = useSlice((state) => state.view.overlay);
  const dispatch = useDispatch();
  return (
    <label class="overlay small quiet">
      Heat map
      <input
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={overlay}
        aria-valuetext={`${Math.round(overlay * 100)} per cent opaque`}
        data-testid={testids.overlay}
        onInput={(event) => dispatch({ type: 'viewChanged', view: { overlay: event.currentTarget.valueAsNumber } })}
      />
    </label>
  );
}

function OutlineToggle() {
  const outline = useSlice((state) => state.view.outline);
  const dispatch = useDispatch();
  return (
    <label class="check small quiet">
      <input type="checkbox" checked={outline} data-testid={testids.outlineToggle} onChange={(event) => dispatch({ type: 'viewChanged', view: { outline: event.currentTarget.checked } })} />
      the object
    </label>
  );
}

function Story({ data: { lens, maps } }: { data: LensData }) {
  const picture = useSlice((state) => state.pictures.find(({ index }) => index === lens.picture));
  const classes = useSlice((state) => state.classes);
  const position = useSlice((state) => evaluated(state.pictures).findIndex(({ index }) => index === lens.picture) + 1);
  const total = useSlice((state) => evaluated(state.pictures).length);
  const object = useSlice((state) => (state.preview?.key === previewKey(state) ? state.preview.value.object : null));
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  const full = shortName(lens.fullTop.name);
  const right = truth(lens, classes, fixed);
  return (
    <>
      <p class="small quiet name">
        {picture?.name} · {position} of {plural(total, 'picture')}
      </p>
      <Told>
        <h2 class="verdict">
          {lens.flipped ? (
            <>
              <span class="full">{full}</span> <span class="arrow" aria-hidden="true">→</span><span class="spoken"> became </span> <span class="quantized">{shortName(lens.quantizedTop.name)}</span>
            </>
          ) : (
            full
          )}
        </h2>
        <p class="small quiet" data-testid={testids.sentence}>{whatHappened(lens, maps !== null)}</p>
        {maps && object && <Pointing maps={maps} mask={object} fixed={fixed} />}
        {right && <p class="small" data-testid={testids.truth}>{right}</p>}
        <Answers lens={lens} full={fixed ? 'float' : 'full'} />
        <Why lens={lens} />
      </Told>
    </>
  );
}

function Told({ children }: { children: ComponentChildren }) {
  const current = useSlice((state) => state.lens?.key === lensKey(state));
  return (
    <div class="told" data-state={current ? 'current' : 'updating'}>
      {children}
    </div>
  );
}

/** Where most of the signal goes on this picture, and a remedy that one click tries. */
function Why({ lens }: { lens: LensData['lens'] }) {
  const recipe = useSlice((state) => state.recipe.present);
  const dispatch = useDispatch();
  const drop = steepestDrop(lens.layerSqnrDb);
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  const remedy = fixed ? null : oneMoreBit(recipe);
  if (!drop) return null;
  return (
    <p class="note why">
      <strong>Where?</strong> The steepest loss on this picture is at{' '}
      <button type="button" class="link plain" onClick={() => dispatch({ type: 'viewChanged', view: { layer: drop.layer } })}>
        {drop.layer}
      </button>
      : the signal kept falls from {decibels(drop.from)} to {decibels(drop.to)} dB.{' '}
      {remedy && (
        <button type="button" class="link" onClick={() => dispatch({ type: 'recipeEdited', recipe: remedy.recipe, field: 'remedy', at: performance.now() })}>
          {remedy.words}
        </button>
      )}
    </p>
  );
}
