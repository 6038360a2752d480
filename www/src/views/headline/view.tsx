/** The five numbers that people ask for, each with its unit, its n, its interval and its explanation. */
import type { ComponentChildren } from 'preact';
import { Popover } from '../../components/popover';
import { soFar } from '../../lib/stats';
import * as format from '../../lib/format';
import { isaName, pathTitle, reference } from '../../lib/sentences';
import { compareKey, latencyKey, quantizeKey } from '../../state/tasks';
import type { AppState } from '../../state/state';
import { useSlice } from '../../state/store';
import { testids } from '../../testids';
import { Explanations } from './explanations';
import './view.css';

export function Headline() {
  return (
    <section class="headline card" aria-label="What fewer bits changed">
      <Size />
      <Agreement />
      <Attention />
      <Signal />
      <Latency />
    </section>
  );
}

type Freshness = 'current' | 'updating' | 'empty';

interface NumberProps {
  name: string;
  value: ComponentChildren;
  unit?: string | undefined;
  small: ComponentChildren;
  state: Freshness;
  testid: string;
  children: ComponentChildren;
}

function BigNumber({ name, value, unit, small, state, testid, children }: NumberProps) {
  const button = (
    <>
      <span class="name">{name}</span>
      <span class="value">
        {value}
        {unit && <span class="unit"> {unit}</span>}
      </span>
      <span class="fine">{small}</span>
    </>
  );
  return (
    <Popover class="number" button={button} testid={testid} panelTestid={testids.explanation} state={state}>
      <div class="explanation">{children}</div>
    </Popover>
  );
}

const freshness = (has: boolean, current: boolean): Freshness => (!has ? 'empty' : current ? 'current' : 'updating');
const WAITING = '–';

function Size() {
  const size = useSlice((state) => state.quantized?.value.sizeBytes);
  const current = useSlice((state) => state.quantized?.key === quantizeKey(state));
  return (
    <BigNumber
      name="Smaller by"
      value={size ? format.times(size.full / size.quantized) : WAITING}
      small={size ? `${format.bytes(size.full)} → ${format.bytes(size.quantized)}` : 'file size'}
      state={freshness(!!size, current)}
      testid={testids.headlineSize}
    >
      <Explanations.Size />
    </BigNumber>
  );
}

const isSummed = (state: AppState): boolean => state.summary?.key === compareKey(state);

/** The engine's summary once it is there; until then, what the pictures compared so far say. */
function useComparison() {
  const summary = useSlice((state) => state.summary?.value ?? null);
  const current = useSlice(isSummed);
  const some = useSlice((state) => (!isSummed(state) && state.comparisons?.key === compareKey(state) ? state.comparisons.value : null));
  const partial = some && soFar(Object.values(some));
  return { summary, current, partial };
}

/** Whether the file is quantized already. */
const useFixed = () => useSlice((state) => state.model?.quantized ?? false);

function Agreement() {
  const fixed = useFixed();
  const { summary, current, partial } = useComparison();
  const agreement = partial?.agreement ?? summary?.agreement;
  const images = partial?.images ?? summary?.images ?? 0;
  const kept = Math.round((agreement?.value ?? 0) * images);
  const small = agreement && (
    <>
      {kept.toLocaleString('en')} of {images.toLocaleString('en')}
      {partial ? ' so far' : ''} · {format.percentRange(agreement.low, agreement.high)} (95 %)
    </>
  );
  return (
    <BigNumber
      name="Same answers"
      value={agreement ? format.percent(agreement.value) : WAITING}
      small={small ?? `as ${reference(fixed)}`}
      state={partial ? 'updating' : freshness(!!agreement, current)}
      testid={testids.headlineAgreement}
    >
      <Explanations.Agreement top1={summary?.top1 ?? null} />
    </BigNumber>
  );
}

function Attention() {
  const { summary, current, partial } = useComparison();
  const spearman = partial ? partial.spearmanMean : (summary?.attribution.spearmanMean ?? null);
  const tau = partial ? null : summary?.attribution.kendallTauBMean;
  const has = !!partial || !!summary;
  const images = summary?.attribution.images ?? 0;
  return (
    <BigNumber
      name="Same attention"
      value={has ? format.correlation(spearman) : WAITING}
      small={tau !== null && tau !== undefined ? `Spearman ρ of ${images.toLocaleString('en')} · Kendall τ ${format.correlation(tau)}` : 'rank correlation, Spearman ρ'}
      state={partial ? 'updating' : freshness(has, current)}
      testid={testids.headlineAttention}
    >
      <Explanations.Attention method={summary?.attribution.method ?? 'Grad-CAM'} images={images} />
    </BigNumber>
  );
}

function Signal() {
  const { summary, current } = useComparison();
  return (
    <BigNumber
      name="Signal kept"
      value={summary ? format.decibels(summary.sqnrDb) : WAITING}
      unit={summary && summary.sqnrDb !== null ? 'dB' : undefined}
      small={summary ? `SQNR of the logits of ${summary.images.toLocaleString('en')}` : 'SQNR of the logits'}
      state={freshness(!!summary, current)}
      testid={testids.headlineSignal}
    >
      <Explanations.Signal />
    </BigNumber>
  );
}

function Latency() {
  const fixed = useFixed();
  const value = useSlice((state) => state.latency?.value);
  const current = useSlice((state) => state.latency?.key === latencyKey(state));
  const small = value && (
    <>
      {fixed ? 'in float' : 'full'} <span class="full">{format.milliseconds(value.full.medianMs)} ms</span> · {pathTitle(value.quantized.path).toLowerCase()}, {isaName(value.isa)}
    </>
  );
  return (
    <BigNumber
      name="One picture, here, now"
      value={value ? <span class="quantized">{format.milliseconds(value.quantized.medianMs)}</span> : WAITING}
      unit={value ? 'ms' : undefined}
      small={small ?? 'median time'}
      state={freshness(!!value, current)}
      testid={testids.headlineLatency}
    >
      <Explanations.Latency latency={value ?? null} />
    </BigNumber>
  );
}
