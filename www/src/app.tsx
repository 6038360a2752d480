/** The page: one region for each question, in the order in which people ask. */
import { DropZone } from './views/open/drop-zone';
import { FilePickers } from './views/open/pickers';
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
import { isaName } from './lib/sentences';
import { useSlice } from './state/store';
import { testids } from './testids';

export function App() {
  const ready = useSlice((state) => state.engine.status);
  return (
    <div class="page" data-testid={testids.app} data-engine={ready}>
      <a class="skip button" href="#lens">Skip to the picture</a>
      <Header />
      <Problems />
      <Notice />
      <main class="page-body" id="lens">
        <Headline />
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
        <Layers />
        <Measure />
      </main>
      <Footer />
      <Progress />
      <Announcer />
      <DropZone />
      <Dialogs />
    </div>
  );
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
          Bitlens {info.version} · {isaName(info.isa)}
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
