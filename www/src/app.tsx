/** The page: one region for each question, in the order in which people ask. */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { DropZone } from './views/open/drop-zone';
import { FilePickers } from './views/open/pickers';
import { Diagnosis } from './views/diagnosis/view';
import { Triage } from './views/diagnosis/triage';
import { Header } from './views/header/view';
import { Headline } from './views/headline/view';
import { KeysDialog } from './views/help/view';
import { Layers } from './views/layers/view';
import { Lens } from './views/lens/view';
import { Measure } from './views/measure/view';
import { PreprocessCard } from './views/preprocess/view';
import { PreprocessDialog } from './views/preprocess/dialog';
import { RecipePanel } from './views/recipe/view';
import { Announcer, Notice, Problems, Progress } from './views/status/view';
import { Strip } from './views/strip/view';
import { TakeHomeDialog } from './views/export/view';
import { isaName, threadCount } from './lib/sentences';
import { useLasting } from './lib/lasting';
import { behind, PATIENCE_MS } from './state/behind';
import { StoreContext, useSlice, useStore } from './state/store';
import { compareKey, openQuestion } from './state/tasks';
import { testids } from './testids';

export function App() {
  return (
    <Page>
      <a class="skip button" href="#lens">Skip to the picture</a>
      <Header />
      <Problems />
      <Notice />
      <main class="page-body" id="lens">
        <Headline />
        <Triage />
        <AskForPictures />
        <div class="columns">
          <div class="card">
            <Lens />
            <Strip />
          </div>
          <div class="side">
            <RecipePanel />
            <PreprocessCard />
          </div>
        </div>
        <AfterTheAnswer>
          <Diagnosis />
          <Layers />
          <Measure />
        </AfterTheAnswer>
      </main>
      <Footer />
      <Progress />
      <Announcer />
      <DropZone />
      <Dialogs />
    </Page>
  );
}

/** What is known of the whole page, so that a change of it draws nothing in the page anew. */
function Page({ children }: { children: ComponentChildren }) {
  const ready = useSlice((state) => state.engine.status);
  const busy = useSlice((state) => state.job !== null);
  const outdated = useSlice((state) => openQuestion(state) !== null || state.summary?.key !== compareKey(state));
  const late = useLasting(outdated, PATIENCE_MS);
  return (
    <div class="page" data-testid={testids.app} data-engine={ready} data-busy={busy} data-late={late}>
      {children}
    </div>
  );
}

/** Its views are drawn when the answer is. */
function AfterTheAnswer({ children }: { children: ComponentChildren }) {
  const store = useStore();
  const later = useMemo(() => behind(store), [store]);
  return <StoreContext.Provider value={later}>{children}</StoreContext.Provider>;
}

function AskForPictures() {
  const asks = useSlice((state) => state.model !== null && state.pictures.length === 0 && state.job === null);
  const model = useSlice((state) => state.model);
  if (!asks || !model) return null;
  return (
    <section class="ask card">
      <h2>Now some pictures</h2>
      <p class="quiet">
        {model.fileName} is loaded. It takes {model.inputShape}. Drop 30 to 200 pictures like those it will see, or a folder of them: they show the quantizer which values occur, and what changes.
      </p>
      <FilePickers />
    </section>
  );
}

function Dialogs() {
  const dialog = useSlice((state) => state.view.dialog);
  if (dialog === 'takeHome') return <TakeHomeDialog />;
  if (dialog === 'keys') return <KeysDialog />;
  if (dialog === 'preprocess') return <PreprocessDialog />;
  return null;
}

function Footer() {
  const info = useSlice((state) => state.engine.info);
  const offline = useSlice((state) => state.offline);
  return (
    <footer class="footer tiny quiet">
      {info && (
        <span data-testid={testids.version}>
          Bitlens {info.version} · {isaName(info.isa)}{threadCount(info.threads)}
        </span>
      )}
      <span>Everything is computed on this computer. This page cannot send your files anywhere: its security policy forbids it.</span>
      {offline && <span data-testid={testids.offline}>Works offline.</span>}
      <span>
        Press <kbd>?</kbd> for keys
      </span>
    </footer>
  );
}
