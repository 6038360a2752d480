/** What is compared, and the few actions that concern everything. */
import { Facts } from '../../components/facts';
import { closePopover, Popover } from '../../components/popover';
import { Chevron, Down, Half, Link, Moon, Picture, Redo, Sun, Undo } from '../../components/icons';
import { count, memory, plural } from '../../lib/format';
import type { OperatorView } from '../../engine/protocol';
import { SAMPLES } from '../../state/samples';
import type { Theme } from '../../state/state';
import { useDispatch, useSlice, useStore } from '../../state/store';
import { quantizeKey } from '../../state/tasks';
import { evaluated } from '../../state/update';
import { toHash } from '../../state/url';
import { testids } from '../../testids';
import { FilePickers } from '../open/pickers';
import './view.css';

export function Header() {
  return (
    <header class="header">
      <h1 class="wordmark">
        Bit<span>lens</span>
      </h1>
      <ModelPill />
      <PicturesPill />
      <span class="spacer" />
      <HistoryButtons />
      <ThemeButton />
      <ShareButton />
      <TakeHomeButton />
    </header>
  );
}

function ModelPill() {
  const model = useSlice((state) => state.model);
  const source = useSlice((state) => state.modelSource);
  const dispatch = useDispatch();
  const title = SAMPLES.find((sample) => sample.id === source)?.title ?? model?.fileName.replace(/\.onnx$/i, '');
  const button = model ? (
    <>
      <strong>{title}</strong>
      <span class="quiet facts">
        {count(model.nodes)} nodes · {count(model.parameters)} parameters
      </span>
      <Chevron />
    </>
  ) : (
    <>
      <span class="quiet">Open a network</span>
      <Chevron />
    </>
  );
  return (
    <Popover class="pill" button={button} testid={testids.modelPill} panelTestid={testids.openMenu}>
      <div class="menu">
        <h2>Open</h2>
        <FilePickers />
        <p class="quiet">Or drop files anywhere: a network, pictures, folders, labels, preprocessing, in any order. They stay on this computer.</p>
        <h2>Samples</h2>
        {SAMPLES.map(({ id, title: name, about }) => (
          <button
            key={id}
            type="button"
            class="choice"
            aria-current={id === source}
            data-testid={`${testids.sample}-${id}`}
            onClick={(event) => {
              closePopover(event);
              dispatch({ type: 'sampleChosen', sample: id });
            }}
          >
            <strong>{name}</strong>
            <span class="quiet">{about}</span>
          </button>
        ))}
        {model && <ModelFacts />}
      </div>
    </Popover>
  );
}

function ModelFacts() {
  const model = useSlice((state) => state.model);
  const quantized = useSlice((state) => (state.quantized?.key === quantizeKey(state) ? state.quantized.value.operators : null));
  if (!model) return null;
  const facts: [string, string][] = [
    ['File', model.fileName],
    ['Graph', model.name],
    ['Input', `${model.inputName}: ${model.inputShape}`],
    ['Classes', String(model.classes)],
    ['Layers with weights', String(model.layers)],
    ['Memory it takes', `about ${memory(model.memoryBytes)}`],
    ['Opset', String(model.opset)],
    ['Made by', model.producer || 'not stated'],
    ['Attention is read at', model.attributionLayer ?? 'no layer'],
  ];
  return (
    <>
      <h2>This network</h2>
      <Facts facts={facts} />
      <h2>Its operators, simplified</h2>
      <dl class="facts-list" data-testid={testids.operators}>
        {(quantized ?? model.operators).map((operator) => (
          <div key={operator.opType}>
            <dt class="quiet">
              {operator.nodes} × {operator.opType}
            </dt>
            <dd title={operator.floatNodes.join(', ')}>{howItRuns(operator)}</dd>
          </div>
        ))}
      </dl>
      {model.warnings.map((warning) => (
        <p key={warning} class="note">{warning}</p>
      ))}
    </>
  );
}

/** What runs in a quantized network; nothing while that is not known. */
function howItRuns({ integerNodes, floatNodes }: OperatorView): string {
  if (integerNodes === null) return '';
  if (floatNodes.length === 0) return integerNodes === 0 ? 'between integers and float' : 'integers';
  return integerNodes === 0 ? 'float' : `${integerNodes} on integers, ${floatNodes.length} in float`;
}

function PicturesPill() {
  const pictures = useSlice((state) => state.pictures);
  const classes = useSlice((state) => state.classes.length);
  const labelled = pictures.filter((picture) => picture.label !== null).length;
  const compared = evaluated(pictures).length;
  const calibrating = pictures.filter((picture) => picture.role !== 'eval').length;
  const button = (
    <>
      <Picture />
      <span class="quiet">
        {pictures.length === 0 ? 'no' : pictures.length.toLocaleString('en')} <span class="word">{pictures.length === 1 ? 'picture' : 'pictures'}</span>
      </span>
    </>
  );
  return (
    <Popover class="pill" button={button} label={plural(pictures.length, 'picture')} testid={testids.picturesPill}>
      <div class="menu">
        <p>
          <strong>{calibrating}</strong> {calibrating === 1 ? 'shows' : 'show'} the quantizer which values occur (calibration), <strong>{compared}</strong>{' '}
          {compared === 1 ? 'is' : 'are'} compared. {labelled > 0 ? `The true class of ${labelled} is known.` : 'Their true classes are not known; drop a labels file to count right answers.'}
        </p>
        {classes > 0 && <p class="quiet">{plural(classes, 'class name')} known.</p>}
        <FilePickers />
      </div>
    </Popover>
  );
}

function HistoryButtons() {
  const canUndo = useSlice((state) => state.recipe.past.length > 0);
  const canRedo = useSlice((state) => state.recipe.future.length > 0);
  const dispatch = useDispatch();
  return (
    <>
      <button type="button" class="button square" disabled={!canUndo} aria-label="Undo" title="Undo (Ctrl+Z)" data-testid={testids.undo} onClick={() => dispatch({ type: 'undone' })}>
        <Undo />
      </button>
      <button type="button" class="button square" disabled={!canRedo} aria-label="Redo" title="Redo (Ctrl+Shift+Z)" data-testid={testids.redo} onClick={() => dispatch({ type: 'redone' })}>
        <Redo />
      </button>
    </>
  );
}

const NEXT_THEME: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
const THEME_WORDS: Record<Theme, string> = { auto: 'as the system', light: 'light', dark: 'dark' };

function ThemeButton() {
  const theme = useSlice((state) => state.view.theme);
  const dispatch = useDispatch();
  const words = `Colours: ${THEME_WORDS[theme]}`;
  return (
    <button type="button" class="button square" aria-label={words} title={words} data-testid={testids.theme} onClick={() => dispatch({ type: 'viewChanged', view: { theme: NEXT_THEME[theme] } })}>
      {theme === 'auto' ? <Half /> : theme === 'light' ? <Sun /> : <Moon />}
    </button>
  );
}

function ShareButton() {
  const { state, dispatch } = useStore();
  const share = (): void => {
    // The address bar follows a moment later.
    const link = new URL(toHash(state.peek()), location.href).href;
    const done = (): void => dispatch({ type: 'noticed', text: 'Link copied. It carries the settings, never your files.' });
    const failed = (): void => dispatch({ type: 'noticed', text: 'The link is in the address bar: it carries the settings, never your files.' });
    navigator.clipboard.writeText(link).then(done, failed);
  };
  return (
    <button type="button" class="button share" title="Copy a link to these settings" data-testid={testids.share} onClick={share}>
      <Link />
      <span>Share</span>
    </button>
  );
}

function TakeHomeButton() {
  const ready = useSlice((state) => state.quantized !== null);
  const dispatch = useDispatch();
  const open = (): void => {
    dispatch({ type: 'viewChanged', view: { dialog: 'takeHome' } });
    dispatch({ type: 'exportAsked' });
  };
  return (
    <button type="button" class="button primary" disabled={!ready} data-testid={testids.takeHome} onClick={open}>
      Take home
      <Down />
    </button>
  );
}
