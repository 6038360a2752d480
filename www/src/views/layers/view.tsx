/** Which layer: a table of all of them, linked with the curve of the signal along the network. */
import type { ComponentChildren } from 'preact';
import type { LayerSensitivity, LensView } from '../../engine/protocol';
import { BrokenName } from '../../components/broken-name';
import { bytes, decibels, nats, value } from '../../lib/format';
import { currentDiagnosis } from '../../state/diagnosis';
import { FLOAT_BITS, type LayerColumn } from '../../state/state';
import { useDispatch, useSlice } from '../../state/store';
import { quantizeKey } from '../../state/tasks';
import { testids } from '../../testids';
import { DepthCard } from './depth-card';
import { rows, sortRows, type Row } from './order';
import '../../components/scroll-table.css';
import './view.css';

const NO_SQNR: LensView['layerSqnrDb'] = [];
const NO_LOSSES: LayerSensitivity[] = [];

const COLUMNS: { id: LayerColumn; title: string; about: string; number?: boolean; class?: string }[] = [
  { id: 'name', title: 'layer', about: 'Name of the layer in the file' },
  { id: 'bits', title: 'bits', about: 'Bits of weights / of activations', number: true },
  { id: 'shape', title: 'weights', about: 'Shape of the weight', number: true, class: 'wide-only' },
  { id: 'bytes', title: 'bytes', about: 'Bytes in the file, before and after', number: true },
  { id: 'alone', title: 'its weights alone', about: 'SQNR of this layer’s weights: signal over what rounding adds to them', class: 'wide-only' },
  { id: 'layerAlone', title: 'alone', about: 'SQNR of this layer’s output with this layer alone quantized, on the pictures of the diagnosis', number: true },
  { id: 'lost', title: 'alone loses', about: 'Divergence of the answers with this layer alone quantized, in nats', number: true },
  { id: 'accumulated', title: 'accumulated', about: 'SQNR of this layer’s output with everything before it quantized, on the pictures of the diagnosis', number: true },
  { id: 'sqnr', title: 'signal kept so far', about: 'SQNR of this layer’s output on this picture, all layers before it quantized as well' },
];

export function Layers() {
  const layers = useSlice((state) => state.quantized?.value.layers);
  const sqnr = useSlice((state) => state.lens?.value.lens.layerSqnrDb ?? NO_SQNR);
  const losses = useSlice((state) => currentDiagnosis(state)?.layers ?? NO_LOSSES);
  const column = useSlice((state) => state.view.layerColumn);
  const descending = useSlice((state) => state.view.layerDescending);
  const fixed = useSlice((state) => state.model?.quantized ?? false);
  if (!layers) return null;
  const columns = shown(fixed, losses.length > 0);
  const all = rows(layers, sqnr, losses);
  const best = Math.max(1, ...all.flatMap(({ sqnrDb, layer }) => [sqnrDb ?? 0, layer.weightSqnrDb ?? 0]));
  return (
    <div class="rows">
      <section class="layers card" aria-labelledby="layers-title">
        <header>
          <h2 id="layers-title">Layers</h2>
          <p class="quiet small">{fixed ? 'As the file states them.' : losses.length > 0 ? 'Alone and accumulated on the pictures of the diagnosis, so far on the picture above.' : 'Signal is measured on the picture above.'}</p>
        </header>
        <div class="scroll scroll-table" data-fixed={fixed} tabIndex={0} role="region" aria-label="Table of layers">
          <Table>
            <Heads columns={columns} fixed={fixed} />
            <tbody>
              {sortRows(all, column, descending).map((row) => (
                <LayerRow key={row.order} row={row} best={best} columns={columns} fixed={fixed} />
              ))}
            </tbody>
          </Table>
        </div>
      </section>
      <DepthCard rows={all} fixed={fixed} />
    </div>
  );
}

/** By itself, so that no row is drawn anew for being out of date. */
function Table({ children }: { children: ComponentChildren }) {
  const current = useSlice((state) => state.quantized?.key === quantizeKey(state));
  return (
    <table data-testid={testids.layers} data-state={current ? 'current' : 'updating'}>
      {children}
    </table>
  );
}

type Column = (typeof COLUMNS)[number];

/** What only a diagnosis knows. */
const DIAGNOSED: ReadonlySet<LayerColumn> = new Set<LayerColumn>(['layerAlone', 'lost', 'accumulated']);
/** What makes place for it; the figures of the chosen layer have it as well. */
const MAKES_PLACE: ReadonlySet<LayerColumn> = new Set<LayerColumn>(['shape', 'alone']);
const MAKES_PLACE_ON_PHONES: ReadonlySet<LayerColumn> = new Set<LayerColumn>(['bytes', 'sqnr']);

/** What a quantized file lost is not in it: its table ends before the signals. */
function shown(fixed: boolean, diagnosed: boolean): Column[] {
  if (fixed) return COLUMNS.filter(({ id }) => id !== 'alone' && id !== 'sqnr' && !DIAGNOSED.has(id));
  if (!diagnosed) return COLUMNS.filter(({ id }) => !DIAGNOSED.has(id));
  const kept = COLUMNS.filter(({ id }) => !MAKES_PLACE.has(id));
  return kept.map((column) => (MAKES_PLACE_ON_PHONES.has(column.id) ? { ...column, class: 'wide-only' } : column));
}

function Heads({ columns, fixed }: { columns: Column[]; fixed: boolean }) {
  const column = useSlice((state) => state.view.layerColumn);
  const descending = useSlice((state) => state.view.layerDescending);
  const dispatch = useDispatch();
  // A third click brings the order of execution back.
  const sort = (id: LayerColumn): void => {
    const next = column !== id ? { layerColumn: id, layerDescending: false } : descending ? { layerColumn: 'order' as const, layerDescending: false } : { layerColumn: id, layerDescending: true };
    dispatch({ type: 'viewChanged', view: next });
  };
  return (
    <thead>
      <tr>
        {columns.map(({ id, title, about, number, ...rest }) => (
          <th key={id} scope="col" class={`${number ? 'number' : ''} ${rest.class ?? ''}`} aria-sort={column !== id ? 'none' : descending ? 'descending' : 'ascending'}>
            <button type="button" title={about} onClick={() => sort(id)}>
              {title}
              <span aria-hidden="true">{column === id ? (descending ? ' ↓' : ' ↑') : ''}</span>
            </button>
          </th>
        ))}
        {fixed && <th scope="col" class="number"><span class="quiet">range of its output</span></th>}
      </tr>
    </thead>
  );
}

function LayerRow({ row, best, columns, fixed }: { row: Row; best: number; columns: Column[]; fixed: boolean }) {
  const chosen = useSlice((state) => state.view.layer === row.layer.name);
  const dispatch = useDispatch();
  const { layer } = row;
  const choose = (): void => dispatch({ type: 'viewChanged', view: { layer: chosen ? null : layer.name } });
  return (
    <tr data-testid={testids.layerRow} data-layer={layer.name} data-chosen={chosen} onClick={choose}>
      <th scope="row">
        <button type="button" aria-pressed={chosen} onClick={(event) => (event.stopPropagation(), choose())}>
          <BrokenName name={layer.name} />
        </button>
      </th>
      {columns.map(({ id, ...rest }) => id !== 'name' && <Cell key={id} id={id} row={row} best={best} wide={rest.class} />)}
      {fixed && <td class="number quiet">{layer.outputRange ? layer.outputRange.map(value).join(' … ') : '–'}</td>}
    </tr>
  );
}

function Cell({ id, row, best, wide = '' }: { id: LayerColumn; row: Row; best: number; wide?: string | undefined }) {
  const { layer, sqnrDb, loss } = row;
  switch (id) {
    case 'bits':
      return (
        <td class="number">
          {bits(layer.weightBits)}
          <span class="quiet"> / {bits(layer.activationBits)}</span>
        </td>
      );
    case 'shape':
      return <td class={`number quiet ${wide}`}>{layer.weightShape}</td>;
    case 'bytes':
      return (
        <td class={`number ${wide}`}>
          <span class="quiet before">{bytes(layer.sizeBytes.full)} →</span> {bytes(layer.sizeBytes.quantized)}
        </td>
      );
    case 'layerAlone':
      return <Signal sqnrDb={loss?.alone ? loss.output.aloneDb : undefined} />;
    case 'lost':
      return <td class="number">{loss?.alone ? nats(loss.alone.kl) : <span class="quiet">–</span>}</td>;
    case 'accumulated':
      return <Signal sqnrDb={loss?.output.accumulatedDb} />;
    case 'alone':
      return (
        <td class={wide}>
          <Bar sqnrDb={layer.weightSqnrDb} best={best} />
        </td>
      );
    default:
      return <td class={wide}>{sqnrDb === undefined ? <span class="quiet">–</span> : <Bar sqnrDb={sqnrDb} best={best} />}</td>;
  }
}

function Signal({ sqnrDb }: { sqnrDb: number | null | undefined }) {
  return (
    <td class="number">
      {sqnrDb === undefined ? <span class="quiet">–</span> : decibels(sqnrDb)}
      {typeof sqnrDb === 'number' && <span class="quiet"> dB</span>}
    </td>
  );
}

const bits = (count: number): string => (count === FLOAT_BITS ? 'float' : String(count));

function Bar({ sqnrDb, best }: { sqnrDb: number | null; best: number }) {
  const share = sqnrDb === null ? 1 : Math.max(0, sqnrDb / best);
  return (
    <div class="bar-cell">
      <span class="bar" aria-hidden="true" style={{ '--share': String(share) }} />
      <span>
        {decibels(sqnrDb)}
        {sqnrDb !== null && <span class="quiet"> dB</span>}
      </span>
    </div>
  );
}
