/** What is done to the network: the preset, then the bits, acting as they move. */
import type { ActivationRange, Recipe } from '../../engine/protocol';
import { BitSlider } from '../../components/bit-slider';
import { PRESETS, choiceTitle, presetRecipe, withOption } from '../../state/recipe';
import { More } from './more';
import { Chevron } from '../../components/icons';
import { bitsOf, pathTitle, rangeSentence, roundingSentence } from '../../lib/sentences';
import { plural } from '../../lib/format';
import { FLOAT_BITS, MAX_BITS, MIN_BITS } from '../../state/state';
import { useDispatch, useSlice } from '../../state/store';
import { testids } from '../../testids';
import './view.css';

export function RecipePanel() {
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  return (
    <section class="recipe card" aria-labelledby="recipe-title" data-testid={testids.recipe}>
      <h2 id="recipe-title">Recipe</h2>
      {fixed ? <Fixed /> : <Choices />}
      <Path />
    </section>
  );
}

/** A file that is quantized already leaves nothing to choose. */
function Fixed() {
  const layers = useSlice((state) => state.quantized?.value.layers);
  const facts: [string, string][] = layers ? [['Weights', bitsOf(layers, 'weightBits')], ['Activations', bitsOf(layers, 'activationBits')]] : [];
  return (
    <>
      <p class="small" data-testid={testids.fixed}>
        <strong>Quantized already.</strong>{' '}
        <span class="quiet">This file runs as it is, and is held against its own definition in float. To choose other bits, open the network it was made from.</span>
      </p>
      <dl class="facts-list lined small">
        {facts.map(([name, text]) => (
          <div key={name}>
            <dt class="quiet">{name}</dt>
            <dd class="quantized">{text}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Choices() {
  const recipe = useSlice((state) => state.recipe.present);
  const dispatch = useDispatch();
  const edit = (changed: Recipe, field: string): void => dispatch({ type: 'recipeEdited', recipe: changed, field, at: performance.now() });
  const bits = (field: 'weightBits' | 'activationBits') => (count: number) => edit(withOption(recipe, field, count), field);
  const preset = PRESETS.find(({ name }) => name === recipe.preset);
  return (
    <>
      <label class="preset select">
        <span class="spoken">Preset</span>
        <select value={recipe.preset} data-testid={testids.preset} onChange={(event) => edit(presetRecipe(event.currentTarget.value), 'preset')}>
          {PRESETS.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <Chevron />
      </label>
      <p class="about quiet small">{preset?.about}</p>
      <BitSlider name="Weights" value={recipe.weightBits} text={inWords(recipe.weightBits)} min={MIN_BITS} max={MAX_BITS} testid={testids.weightBits} keys="[ ]" onChange={bits('weightBits')} />
      <BitSlider name="Activations" value={recipe.activationBits} text={inWords(recipe.activationBits)} min={MIN_BITS} max={MAX_BITS} testid={testids.activationBits} keys="{ }" onChange={bits('activationBits')} />
      <More recipe={recipe} edit={edit} />
    </>
  );
}

const inWords = (bits: number): string => (bits === FLOAT_BITS ? 'full precision' : `${bits} bits`);

const rangeTitle = (rule: ActivationRange): string => choiceTitle('activationRange', rule);

/** Which arithmetic runs, and why. */
function Path() {
  const quantized = useSlice((state) => state.quantized?.value);
  if (!quantized) return <p class="note path quiet">Which arithmetic will run is known after quantizing.</p>;
  const rounding = roundingSentence(quantized.rounding ?? []);
  return (
    <p class="note path" data-testid={testids.path} data-path={quantized.path}>
      <strong>{pathTitle(quantized.path)}.</strong> {quantized.pathReason} {quantized.calibrationPictures > 0 && <span class="quiet">Ranges seen on {plural(quantized.calibrationPictures, 'picture')}.</span>}
      {quantized.range && <span class="quiet"> {rangeSentence(quantized.range, rangeTitle)}</span>}
      {rounding && <span class="quiet"> {rounding}</span>}
    </p>
  );
}
