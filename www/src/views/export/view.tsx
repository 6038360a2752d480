/** What one leaves with: the network, the recipe, the command line, the link. */
import { Dialog } from '../../components/dialog';
import { Down } from '../../components/icons';
import { bytes, plural, times } from '../../lib/format';
import { formWords, storageSentence } from '../../lib/sentences';
import { commandLine, recipeJson } from '../../state/recipe';
import { FLOAT_BITS } from '../../state/state';
import { useDispatch, useSlice } from '../../state/store';
import { quantizeKey } from '../../state/tasks';
import { testids } from '../../testids';
import './view.css';

export function TakeHomeDialog() {
  const dispatch = useDispatch();
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  return (
    <Dialog title="Take it home" testid={testids.takeHomeDialog} onClose={() => dispatch({ type: 'viewChanged', view: { dialog: null } })}>
      <Network />
      {!fixed && <RecipeFile />}
      {!fixed && <Command />}
      <section class="take">
        <h3>Share</h3>
        <p class="small quiet">The address of this page carries the settings and never your files. Whoever opens it sees the same scene on the sample, or drops their own network into it.</p>
      </section>
    </Dialog>
  );
}

function Network() {
  const exported = useSlice((state) => state.exported);
  const current = useSlice((state) => state.exported?.key === quantizeKey(state));
  const quantized = useSlice((state) => state.quantized?.value);
  const writing = useSlice((state) => state.job !== null);
  const dispatch = useDispatch();
  if (!quantized) return null;
  const { layers, sizeBytes } = quantized;
  const file = current ? exported?.value : undefined;
  return (
    <section class="take">
      <h3>Network</h3>
      <p class="small">
        An ONNX file with {plural(layers.filter(({ weightBits }) => weightBits < FLOAT_BITS).length, 'quantized layer')} {formWords(quantized.recipe)}. {storageSentence(layers)} It is{' '}
        <strong>{bytes(file?.sizeBytes ?? sizeBytes.quantized)}</strong> instead of {bytes(sizeBytes.full)} ({times(sizeBytes.full / (file?.sizeBytes ?? sizeBytes.quantized))} smaller).
      </p>
      {file ? (
        <>
          <p class="small" data-testid={testids.verified} data-identical={file.verified.identical}>
            <strong class={file.verified.identical ? '' : 'loss'}>{file.verified.identical ? 'Checked.' : 'The check failed.'}</strong> {file.verified.note}
          </p>
          <a class="button primary" href={file.url} download={file.fileName} data-testid={testids.downloadModel}>
            <Down /> {file.fileName}
          </a>
        </>
      ) : writing ? (
        <p class="small quiet" role="status">Writing the file and reading it back…</p>
      ) : (
        <button type="button" class="button" onClick={() => dispatch({ type: 'exportAsked' })}>Write the file</button>
      )}
    </section>
  );
}

function RecipeFile() {
  const recipe = useSlice((state) => state.recipe.present);
  const save = (): void => {
    const url = URL.createObjectURL(new Blob([recipeJson(recipe)], { type: 'application/json' }));
    Object.assign(document.createElement('a'), { href: url, download: 'recipe.json' }).click();
    URL.revokeObjectURL(url);
  };
  return (
    <section class="take">
      <h3>Recipe</h3>
      <p class="small quiet">The settings as JSON: for the command line, or to drop here again.</p>
      <button type="button" class="button" data-testid={testids.downloadRecipe} onClick={save}>
        <Down /> recipe.json
      </button>
    </section>
  );
}

function Command() {
  const recipe = useSlice((state) => state.recipe.present);
  const model = useSlice((state) => state.model);
  if (!model) return null;
  return (
    <section class="take">
      <h3>Command line</h3>
      <p class="small quiet">The same engine makes the same file from a terminal:</p>
      <pre class="command" tabIndex={0} data-testid={testids.commandLine}>
        <code>{commandLine(model.fileName, recipe)}</code>
      </pre>
    </section>
  );
}
