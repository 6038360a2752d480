/** Every option of a recipe, by what the engine says of it; folded until somebody wants it. */
import type { Recipe } from '../../engine/protocol';
import { Chevron } from '../../components/icons';
import { plural } from '../../lib/format';
import { changedOptions, OPTIONS, presetRecipe, withOption, type Option } from '../../state/recipe';
import { FLOAT_BITS } from '../../state/state';
import { testids } from '../../testids';

const SECTIONS: { id: Option['section']; title: string }[] = [
  { id: 'weights', title: 'Weights' },
  { id: 'activations', title: 'Activations' },
  { id: 'corrections', title: 'Corrections' },
  { id: 'network', title: 'Layers and file' },
];

interface Props {
  recipe: Recipe;
  edit: (recipe: Recipe, field: string) => void;
}

export function More({ recipe, edit }: Props) {
  const changed = changedOptions(recipe);
  const rules = recipe.layers?.length ?? 0;
  return (
    <details class="more" data-testid={testids.moreOptions}>
      <summary>
        More choices
        {changed.length > 0 && <span class="quiet small"> {changed.length} not as in the preset</span>}
      </summary>
      {SECTIONS.map(({ id, title }) => (
        <fieldset key={id}>
          <legend class="small">{title}</legend>
          {OPTIONS.filter((option) => option.section === id).map((option) => (
            <Field key={option.key} option={option} recipe={recipe} edit={edit} />
          ))}
        </fieldset>
      ))}
      {rules > 0 && <p class="quiet small">{plural(rules, 'rule')} for single layers.</p>}
      {(changed.length > 0 || rules > 0) && (
        <button type="button" class="link small" onClick={() => edit(presetRecipe(recipe.preset), 'preset')}>
          Back to the preset
        </button>
      )}
    </details>
  );
}

function Field({ option, recipe, edit }: Props & { option: Option }) {
  const { key, title, about, kind } = option;
  const value = recipe[key];
  const change = (to: string | number | boolean): void => edit(withOption(recipe, key, to as never), key);
  if (kind.kind === 'switch') {
    return (
      <label class="field switch small" title={about}>
        <input type="checkbox" checked={Boolean(value)} data-testid={`option-${key}`} onChange={(event) => change(event.currentTarget.checked)} />
        {title}
      </label>
    );
  }
  // What the sliders reach is chosen there.
  if (kind.kind === 'bits' && kind.others.length === 0) return null;
  const choices = kind.kind === 'choice' ? kind.choices.map(({ name, title: called }) => ({ name, called })) : bitChoices(kind, Number(value));
  const chosen = kind.kind === 'choice' ? kind.choices.find(({ name }) => name === value)?.about : undefined;
  return (
    <label class="field small">
      <span class="quiet" title={about}>
        {title}
      </span>
      <span class="select">
        <select value={String(value)} data-testid={`option-${key}`} onChange={(event) => change(kind.kind === 'bits' ? Number(event.currentTarget.value) : event.currentTarget.value)}>
          {choices.map(({ name, called }) => (
            <option key={name} value={name}>
              {called}
            </option>
          ))}
        </select>
        <Chevron />
      </span>
      {chosen && <span class="says quiet">{chosen}</span>}
    </label>
  );
}

/** What the slider says, and what lies beyond it. */
function bitChoices({ most, others }: { most: number; others: number[] }, value: number): { name: string; called: string }[] {
  const here = Math.min(value, most);
  const called = (bits: number): string => (bits === FLOAT_BITS ? 'Full precision' : `${bits} bits`);
  return [here, ...others].map((bits) => ({ name: String(bits), called: called(bits) }));
}
