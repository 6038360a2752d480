/** A line below the headline that stands still: how many answers differ, and the way to find out why. */
import { percent } from '../../lib/format';
import { reference } from '../../lib/sentences';
import { currentDiagnosis, diagnosisStage } from '../../state/diagnosis';
import { useDispatch, useSlice } from '../../state/store';
import { compareKey, diagnosisKey } from '../../state/tasks';
import type { AppState } from '../../state/state';
import { testids } from '../../testids';
import { outcome } from './words';
import './view.css';

/** Below this share of equal answers it is worth asking which layer broke. */
const POOR = 0.9;

export function Triage() {
  const shown = useSlice((state) => state.quantized !== null && !state.model?.quantized && state.pictures.length > 0);
  const poor = useSlice((state) => (state.summary?.value.agreement.value ?? 1) < POOR);
  const stage = useSlice(diagnosisStage);
  const summary = useSlice((state) => currentDiagnosis(state)?.summary);
  if (!shown) return null;
  return (
    <section class="triage card" aria-label="What went wrong?" data-testid={testids.triage} data-state={stage === 'none' ? (poor ? 'poor' : 'healthy') : stage}>
      <Words poor={poor} />
      <Action stage={stage} poor={poor} />
      <p class="spoken" aria-live="polite">
        {summary && `What went wrong: ${summary}`}
      </p>
    </section>
  );
}

function Words({ poor }: { poor: boolean }) {
  const diagnosis = useSlice(currentDiagnosis);
  const running = useSlice(progressWords);
  const answers = useSlice(answersWords);
  const current = useSlice((state) => state.summary?.key === compareKey(state));
  if (diagnosis) return <p>{outcome(diagnosis)}</p>;
  if (running) return <p>{running}</p>;
  return (
    <p data-state={current ? 'current' : 'updating'}>
      {poor ? <strong>{answers}</strong> : answers}
      {poor && <span class="quiet"> Find out which layer broke, and what helps.</span>}
    </p>
  );
}

function progressWords(state: AppState): string | null {
  if (diagnosisStage(state) !== 'running') return null;
  const job = state.job?.key === diagnosisKey(state) ? state.job : null;
  if (!job) return 'Looking for what went wrong, as soon as the answers above are there …';
  return `Looking for what went wrong: ${job.phase}${job.total > 0 ? `, ${job.done} of ${job.total}` : ''} …`;
}

function answersWords(state: AppState): string {
  const { images = 0, agreement } = state.summary?.value ?? {};
  if (!agreement) return 'The answers of both networks are being compared.';
  const same = Math.round(agreement.value * images);
  if (same === images) return `The answers are those of ${reference(false)} on all ${images.toLocaleString('en')} pictures.`;
  return `Answers differ on ${(images - same).toLocaleString('en')} of ${images.toLocaleString('en')} pictures (${percent(agreement.value)} are the same).`;
}

function Action({ stage, poor }: { stage: ReturnType<typeof diagnosisStage>; poor: boolean }) {
  const key = useSlice(diagnosisKey);
  const dispatch = useDispatch();
  const ask = (): void => dispatch({ type: 'diagnosisAsked', key });
  if (stage === 'known') return <a class="button" href="#diagnosis">See what was found</a>;
  if (stage === 'running') {
    return (
      <button type="button" class="button" onClick={() => dispatch({ type: 'cancelAsked' })}>
        Stop
      </button>
    );
  }
  return (
    <button type="button" class="button" data-testid={testids.triageStart} onClick={ask}>
      {stage === 'stopped' ? 'Go on looking' : poor ? 'What went wrong?' : 'Check every layer'}
    </button>
  );
}
