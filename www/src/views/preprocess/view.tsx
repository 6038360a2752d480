/** How pictures are prepared, made visible: the figures, where they come from, and the picture that the network sees. */
import { Facts } from '../../components/facts';
import { HeatCanvas } from '../../components/heat-canvas';
import type { Preprocess, PreprocessView } from '../../engine/protocol';
import { value } from '../../lib/format';
import { useDispatch, useSlice } from '../../state/store';
import { testids } from '../../testids';
import './view.css';

export function PreprocessCard() {
  const view = useSlice((state) => state.preprocess);
  const preview = useSlice((state) => state.preview);
  const dispatch = useDispatch();
  if (!view) return null;
  return (
    <section class="preprocess card" aria-labelledby="preprocess-title" data-testid={testids.preprocess} data-source={view.source}>
      <header>
        <h2 id="preprocess-title">Preparing pictures</h2>
        <button type="button" class="link small" data-testid={testids.preprocessEdit} onClick={() => dispatch({ type: 'viewChanged', view: { dialog: 'preprocess' } })}>
          Edit
        </button>
      </header>
      <Source source={view.source} />
      <div class="prepared">
        <figure>
          {preview && <HeatCanvas picture={preview.value} map={null} overlay={0} label="The picture as the network sees it" testid={testids.preview} />}
          <figcaption class="tiny quiet">as the network sees it</figcaption>
        </figure>
        <Facts class="facts-list small" facts={facts(view)} />
      </div>
      {/* What the engine notes of a guess is said above. */}
      {view.source !== 'guessed' && view.notes.map((note) => (
        <p key={note} class="note">{note}</p>
      ))}
    </section>
  );
}

function Source({ source }: { source: PreprocessView['source'] }) {
  if (source === 'network') return <p class="quiet small">Taken from the network’s own file.</p>;
  if (source === 'file') return <p class="quiet small">Taken from preprocessor_config.json.</p>;
  if (source === 'edited') return <p class="quiet small">Edited here.</p>;
  return <p class="small"><strong>Guessed: check it.</strong> <span class="quiet">Wrong preparation looks like a bad network. Drop its preprocessor_config.json, or edit.</span></p>;
}

function facts({ preprocess, range }: PreprocessView): [string, string][] {
  return [
    ['size', sizeWords(preprocess)],
    ['mean', numbers((preprocess.do_normalize && preprocess.image_mean) || [0])],
    ['std', numbers((preprocess.do_normalize && preprocess.image_std) || [1])],
    ['order', `${preprocess.channel_order.toUpperCase()}, ${preprocess.layout}`],
    ['range', `${value(range[0])} … ${value(range[1])}`],
  ];
}

/** Three equal numbers say no more than one. */
const numbers = (list: number[]): string => (new Set(list).size === 1 ? value(list[0] ?? 0) : list.map(value).join(' '));

export function sizeWords({ do_resize, size, do_center_crop, crop_size }: Preprocess): string {
  const resize = !do_resize || !size ? null : 'shortest_edge' in size ? `short side ${size.shortest_edge}` : `${size.width} × ${size.height}`;
  if (!do_center_crop || !crop_size) return resize ?? 'as it is';
  if (crop_size === 'largest_centre_square_before_resize') return `centre square, ${resize ?? 'as it is'}`;
  const crop = `crop ${crop_size.width === crop_size.height ? crop_size.width : `${crop_size.width} × ${crop_size.height}`}`;
  return resize ? `${resize}, ${crop}` : crop;
}
