/** The curve of the signal along the network, and the figures of the chosen layer. The chart is loaded when first shown. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { DepthChartProps } from '../../charts/depth';
import { Facts } from '../../components/facts';
import type { LayerSensitivity, LayerView } from '../../engine/protocol';
import { bytes, count, decibels, nats, value } from '../../lib/format';
import { steepestDrop } from '../../lib/sentences';
import { useDispatch, useSlice } from '../../state/store';
import type { Row } from './order';

export function DepthCard({ rows, fixed }: { rows: Row[]; fixed: boolean }) {
  const chosen = useSlice((state) => state.view.layer);
  const dispatch = useDispatch();
  const [Chart, setChart] = useState<ComponentType<DepthChartProps> | null>(null);
  useEffect(() => {
    void import('../../charts/depth').then(({ DepthChart }) => setChart(() => DepthChart));
  }, []);
  const known = rows.filter(({ sqnrDb }) => sqnrDb !== undefined);
  const points = known.map(({ layer, order, sqnrDb }) => ({ name: layer.name, order, sqnrDb: sqnrDb ?? null }));
  const steepest = useSlice((state) => steepestDrop(state.lens?.value.lens.layerSqnrDb ?? [])?.layer ?? null);
  const shown = chosen ?? steepest ?? (fixed && rows[0] ? rows[0].layer.name : null);
  const row = rows.find(({ layer }) => layer.name === shown);
  if (fixed) {
    return (
      <section class="depth card" aria-labelledby="depth-title">
        <h2 id="depth-title">The chosen layer</h2>
        <p class="quiet small">Both sides have the same layers here, one on integers, one in float. What they lost against the network that the file was made from is not in it.</p>
        {row && <Details row={row} steepest={false} fixed />}
      </section>
    );
  }
  return (
    <section class="depth card" aria-labelledby="depth-title">
      <h2 id="depth-title">Signal along the network</h2>
      <p class="quiet small">From the first layer to the last: how far each layer’s output is still above the error that has gathered.</p>
      <div class="chart-place">
        {Chart && points.length > 1 && <Chart points={points} chosen={shown} onChoose={(name) => dispatch({ type: 'viewChanged', view: { layer: name } })} />}
      </div>
      {row ? <Details row={row} steepest={row.layer.name === steepest} fixed={false} /> : <p class="quiet small">Choose a layer in the table or on the curve.</p>}
    </section>
  );
}

function Details({ row: { layer, sqnrDb, loss }, steepest, fixed }: { row: Row; steepest: boolean; fixed: boolean }) {
  const facts: [string, string][] = [
    ['operator, weights', `${layer.op}, ${count(layer.weights)}`],
    ['bytes, in float32 and here', `${bytes(layer.sizeBytes.full)} → ${bytes(layer.sizeBytes.quantized)}`],
    ['range of its output', layer.outputRange ? layer.outputRange.map(value).join(' … ') : 'not quantized'],
    ...(fixed ? [] : signals(layer, sqnrDb)),
    ...(loss?.alone ? losses(loss.output, loss.alone.kl) : []),
    ['runs on', layer.path === 'int8' ? 'integers' : 'float, rounding simulated'],
  ];
  return (
    <>
      <h3>
        {layer.name} {steepest && <span class="quiet">· the steepest loss</span>}
      </h3>
      <Facts class="facts-list lined small" facts={facts} />
    </>
  );
}

const words = (sqnrDb: number | null): string => (sqnrDb === null ? 'identical' : `${decibels(sqnrDb)} dB`);

/** Of its output, with this layer alone quantized. */
function losses({ aloneDb, weightDb, inputDb }: LayerSensitivity['output'], kl: number): [string, string][] {
  return [
    ['this layer alone', `${words(aloneDb)}, ${nats(kl)} lost`],
    ['its weight alone · what it reads alone', `${words(weightDb)} · ${words(inputDb)}`],
  ];
}

function signals(layer: LayerView, sqnrDb: Row['sqnrDb']): [string, string][] {
  return [
    ['signal kept, its weights alone', words(layer.weightSqnrDb)],
    ['signal kept so far', sqnrDb === undefined ? 'not measured' : words(sqnrDb)],
  ];
}
