/** What is going on, what went wrong, and what is announced to those who do not see it. */
import { Cross } from '../../components/icons';
import type { SupportView } from '../../engine/protocol';
import { percent, plural, timeLeft } from '../../lib/format';
import { useLasting } from '../../lib/lasting';
import { useDispatch, useSlice } from '../../state/store';
import { compareKey, latencyKey, lensKey, quantizeKey } from '../../state/tasks';
import type { OpenedFile, Problem } from '../../state/state';
import { testids } from '../../testids';
import './view.css';

/** Work that is over sooner needs no line. */
const WORTH_A_LINE_MS = 400;

/** A line at the foot of the window while something runs; it comes late, so that quick work does not flicker. */
export function Progress() {
  const job = useSlice((state) => state.job);
  const stopped = useSlice((state) => {
    const keys = [quantizeKey(state), lensKey(state), compareKey(state), latencyKey(state)];
    return state.givenUp.some(({ key, reason }) => reason === 'cancelled' && keys.includes(key));
  });
  const dispatch = useDispatch();
  const lasts = useLasting(job !== null, WORTH_A_LINE_MS);
  if (job) {
    if (!lasts) return null;
    const left = timeLeft(job.at - job.startedAt, job.done, job.total);
    return (
      <div class="progress" data-testid={testids.progress} style={{ '--share': String(job.total > 0 ? job.done / job.total : 0) }}>
        <span>
          {job.phase}
          {job.total > 0 && ` ${job.done} of ${job.total}`}
          {left && <span class="quiet"> · {left}</span>}
        </span>
        <button type="button" class="link" data-testid={testids.cancel} onClick={() => dispatch({ type: 'cancelAsked' })}>
          Stop
        </button>
        <progress class="spoken" max={job.total || 1} value={job.done} aria-label={job.phase} />
      </div>
    );
  }
  if (!stopped) return null;
  return (
    <div class="progress" data-testid={testids.progress}>
      <span>Stopped. What was computed is shown.</span>
      <button type="button" class="link" data-testid={testids.resume} onClick={() => dispatch({ type: 'continueAsked' })}>
        Continue
      </button>
    </div>
  );
}

export function Problems() {
  const problems = useSlice((state) => state.problems);
  return (
    <div class="problems" role="alert">
      {problems.map((problem) => (
        <ProblemCard key={problem.id} problem={problem} />
      ))}
    </div>
  );
}

function ProblemCard({ problem }: { problem: Problem }) {
  const dispatch = useDispatch();
  return (
    <section class="problem" data-asks={problem.anyway !== undefined} data-testid={testids.problem}>
      <div>
        <h2>{problem.what}</h2>
        {problem.where && <p class="where">{problem.where}</p>}
        <p class="reason">{problem.why}</p>
        {problem.todo && <p class="todo">{problem.todo}</p>}
        {problem.support && <NeededOperators support={problem.support} />}
        {problem.anyway && <TryAnyway id={problem.id} files={problem.anyway} />}
      </div>
      <button type="button" class="button square" aria-label="Dismiss" data-testid={testids.problemDismiss} onClick={() => dispatch({ type: 'problemDismissed', id: problem.id })}>
        <Cross />
      </button>
    </section>
  );
}

/** What a network asks for: what cannot be read first, each with its reason. */
function NeededOperators({ support }: { support: SupportView }) {
  const { operators, computable, nodes } = support;
  const refused = operators.filter((operator) => operator.refused.length > 0);
  const fine = operators.filter((operator) => operator.refused.length === 0);
  return (
    <details class="needed" data-testid={testids.problemSupport}>
      <summary>What this network needs</summary>
      <p>
        {computable} of {plural(nodes, 'node')} do not need what cannot be read.
      </p>
      <dl>
        {refused.map((operator) => (
          <div key={operator.opType}>
            <dt>
              {operator.refused.length} × {operator.opType}
            </dt>
            <dd>{[...new Set(operator.refused.slice(0, MAX_REASONS).map(({ reason }) => reason))].join(' ')}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">Can be read: {fine.map((operator) => `${operator.nodes} × ${operator.opType}`).join(', ') || 'nothing'}.</p>
    </details>
  );
}

const MAX_REASONS = 3;

function TryAnyway({ id, files }: { id: number; files: OpenedFile[] }) {
  const dispatch = useDispatch();
  const insist = (): void => {
    dispatch({ type: 'problemDismissed', id });
    dispatch({ type: 'filesOpened', files, anyway: true });
  };
  return (
    <button type="button" class="button" data-testid={testids.tryAnyway} onClick={insist}>
      Try anyway
    </button>
  );
}

export function Notice() {
  const notice = useSlice((state) => state.notice);
  const dispatch = useDispatch();
  return (
    <div class="status" role="status">
      {notice && (
        <p class="notice" data-testid={testids.notice}>
          {notice}
          <button type="button" class="button square" aria-label="Dismiss" onClick={() => dispatch({ type: 'noticeDismissed' })}>
            <Cross />
          </button>
        </p>
      )}
    </div>
  );
}

/** Speaks the outcome of a comparison once it is complete. */
export function Announcer() {
  const words = useSlice((state) => {
    const summary = state.summary;
    if (!summary || summary.key !== compareKey(state)) return '';
    const { weightBits, activationBits } = state.recipe.present;
    return `${weightBits} bit weights, ${activationBits} bit activations: ${percent(summary.value.agreement.value)} same answers on ${summary.value.images} pictures.`;
  });
  return (
    <p class="spoken" aria-live="polite">
      {words}
    </p>
  );
}
