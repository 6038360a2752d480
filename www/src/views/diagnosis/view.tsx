/** What went wrong: where it is lost, which layers lose it and why, and what helps, to be done with one click. */
import { BrokenName } from '../../components/broken-name';
import { Facts } from '../../components/facts';
import type { Change, DiagnosisView, Effect, Finding } from '../../engine/protocol';
import { bytes, decibels, nats, percent, plural } from '../../lib/format';
import { allTogether, currentDiagnosis, takenOffer, type Offer } from '../../state/diagnosis';
import { parseRecipe } from '../../state/recipe';
import { useDispatch, useSlice } from '../../state/store';
import { diagnosisKey } from '../../state/tasks';
import { testids } from '../../testids';
import { CAUSES, effectWords, evidenceWords, inputWords } from './words';
import './view.css';

export function Diagnosis() {
  const diagnosis = useSlice(currentDiagnosis);
  const taken = useSlice(takenOffer);
  if (diagnosis) return <Known diagnosis={diagnosis} />;
  return taken && <Taken offer={taken} />;
}

function Known({ diagnosis }: { diagnosis: DiagnosisView }) {
  const all = allTogether(diagnosis);
  const { findings, summary, input, healthy } = diagnosis;
  return (
    <section class="diagnosis card" id="diagnosis" tabIndex={-1} aria-labelledby="diagnosis-title" data-testid={testids.diagnosis} data-state="current">
      <header>
        <h2 id="diagnosis-title">{healthy ? 'Nothing went wrong' : 'What went wrong'}</h2>
        <p data-testid={testids.diagnosisSummary}>{summary}</p>
      </header>
      <div class="halves">
        <Parts diagnosis={diagnosis} />
        {all && <Suggestion offer={all} sizeBytes={diagnosis.sizeBytes} />}
      </div>
      {findings.length > 0 && (
        <ol class="findings">
          {findings.map((finding) => (
            <FindingRow key={`${finding.cause} ${finding.layer}`} finding={finding} sizeBytes={diagnosis.sizeBytes} />
          ))}
        </ol>
      )}
      <p class="quiet small">{inputWords(input)}</p>
    </section>
  );
}

/** The network as it runs and its halves. */
function Parts({ diagnosis: { before, weightsOnly, activationsOnly } }: { diagnosis: DiagnosisView }) {
  const rows: [string, string, Effect][] = [
    ['whole', 'As it runs', before],
    ['weights', 'Only weights quantized', weightsOnly],
    ['activations', 'Only activations quantized', activationsOnly],
  ];
  return (
    <div class="parts">
      <table class="small">
        <caption class="quiet">Compared with full precision on {plural(before.images, 'picture')}</caption>
        <thead>
          <tr>
            <td />
            <th scope="col">same answers</th>
            <th scope="col" class="number" title="Mean Kullback–Leibler divergence of the probabilities">divergence</th>
            <th scope="col" class="number wide-only" title="SQNR of the logits">signal kept</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([part, title, effect]) => (
            <tr key={part} data-testid={testids.diagnosisPart} data-part={part}>
              <th scope="row">{title}</th>
              <td>
                <span class="bar-cell">
                  <span class="agreement" aria-hidden="true" style={{ '--share': String(effect.agreement) }} />
                  <span>{percent(effect.agreement)}</span>
                </span>
              </td>
              <td class="number">{nats(effect.kl)}</td>
              <td class="number wide-only">
                {decibels(effect.sqnrDb)}
                {effect.sqnrDb !== null && <span class="quiet"> dB</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet tiny">One half alone is rounded to nearest with the recipe’s ranges, without corrections behind it.</p>
    </div>
  );
}

function Suggestion({ offer, sizeBytes }: { offer: Offer; sizeBytes: number }) {
  return (
    <section class="suggestion" aria-labelledby="suggestion-title">
      <h3 id="suggestion-title">{offer.steps.length > 0 ? 'What helps, all together' : 'What helps most'}</h3>
      {offer.steps.length > 0 && (
        <ol class="small">
          {offer.steps.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
      )}
      <Brings change={offer.change} sizeBytes={sizeBytes} />
      <Do offer={offer} primary testid={testids.suggestion} />
    </section>
  );
}

function FindingRow({ finding: { cause, layer, origin, message, evidence, remedy }, sizeBytes }: { finding: Finding; sizeBytes: number }) {
  const chosen = useSlice((state) => layer !== null && state.view.layer === layer);
  return (
    <li class="finding" data-testid={testids.finding} data-cause={cause} data-layer={layer ?? ''} data-chosen={chosen}>
      <div class="what">
        <h3>{CAUSES[cause]}</h3>
        {layer !== null && <LayerLink layer={layer} chosen={chosen} />}
        <p class="small">
          {message}
          {origin !== null && origin !== layer && <span class="quiet"> {origin} makes it.</span>}
        </p>
        {evidence.length > 0 && <Facts class="evidence tiny" facts={evidence.map(evidenceWords)} />}
      </div>
      <div class="helps">
        {remedy ? (
          <>
            <Do offer={{ title: remedy.title, steps: [], change: remedy.change }} primary={remedy.change.kind === 'preprocess'} testid={testids.remedy} />
            <Brings change={remedy.change} sizeBytes={sizeBytes} />
          </>
        ) : (
          <p class="quiet small">Nothing that was tried helps by itself.</p>
        )}
      </div>
    </li>
  );
}

function LayerLink({ layer, chosen }: { layer: string; chosen: boolean }) {
  const dispatch = useDispatch();
  const choose = (): void => {
    dispatch({ type: 'viewChanged', view: { layer } });
    // The table may be far below, and the row far down in it.
    const row = document.querySelector(`[data-testid="${testids.layerRow}"][data-layer="${CSS.escape(layer)}"]`);
    row?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <button type="button" class="link small" aria-pressed={chosen} title="Show it among the layers" data-testid={testids.findingLayer} onClick={choose}>
      <BrokenName name={layer} />
    </button>
  );
}

/** What a change was measured to bring. */
function Brings({ change, sizeBytes }: { change: Change; sizeBytes: number }) {
  const size: [string, string, string][] = change.kind === 'recipe' && change.sizeBytes !== sizeBytes ? [['file', bytes(sizeBytes), bytes(change.sizeBytes)]] : [];
  return (
    <dl class="brings small">
      {[...told(effectWords(change)), ...size].map(([name, before, after]) => (
        <div key={name}>
          <dt class="quiet">{name}</dt>
          <dd>
            <span class="spoken">before </span>
            {before} <span aria-hidden="true">→</span>
            <span class="spoken"> after </span> <strong>{after}</strong>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What stays the same says nothing beside what changes. */
function told(words: [string, string, string][]): [string, string, string][] {
  const changed = words.filter(([, before, after]) => before !== after);
  return changed.length > 0 ? changed : words.slice(0, 1);
}

/** The button that does it, as a person would with the page's own controls. */
function Do({ offer: { title, change }, primary = false, testid }: { offer: Offer; primary?: boolean; testid: string }) {
  const dispatch = useDispatch();
  const act = (): void => {
    if (change.kind === 'recipe') return dispatch({ type: 'recipeEdited', recipe: parseRecipe(change.recipe), field: title, at: performance.now() });
    dispatch({ type: 'preprocessEdited', preprocess: change.preprocess });
    const [name, before, after] = effectWords(change)[0] ?? ['', '', ''];
    dispatch({ type: 'noticed', text: `${title}: done. Measured before: ${name} ${before}; with it ${after}.` });
  };
  return (
    <button type="button" class={primary ? 'button primary' : 'button'} data-testid={testid} onClick={act}>
      {title}
    </button>
  );
}

/** After a remedy was taken, what it was measured to bring, until the recipe is another one again. */
function Taken({ offer }: { offer: Offer }) {
  const dispatch = useDispatch();
  const key = useSlice(diagnosisKey);
  const canUndo = useSlice((state) => state.recipe.past.length > 0);
  return (
    <section class="diagnosis card" id="diagnosis" tabIndex={-1} aria-labelledby="diagnosis-title" data-testid={testids.diagnosis} data-state="outdated">
      <header>
        <h2 id="diagnosis-title">Done: {offer.steps.length > 0 ? offer.steps.join('; ') : offer.title}</h2>
        <p class="quiet">What it brought when it was tried, on the pictures that it was chosen by. The figures of the diagnosis were of the recipe before.</p>
      </header>
      {offer.change.kind === 'recipe' && <Brings change={offer.change} sizeBytes={offer.change.sizeBytes} />}
      <p class="actions">
        <button type="button" class="button" disabled={!canUndo} onClick={() => dispatch({ type: 'undone' })}>
          Undo
        </button>
        <button type="button" class="button" onClick={() => dispatch({ type: 'diagnosisAsked', key })}>
          Look again
        </button>
      </p>
    </section>
  );
}
