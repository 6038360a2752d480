/** The curve of the signal along the network, and the figures of the chosen layer. The chart is loaded when first shown. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { DepthChartProps } from '../../charts/depth';
import { bytes, count, decibels, value } from '../../lib/format';
import { steepestDrop } from '../../lib/sentences';
import { useDispatch, useSlice } from '../../state/store';
import type { Row } from './order';

export function DepthCard({ rows }: { rows: Row[] }) {
  const chosen = useSlice((state) => state.view.layer);
  const dispatch = useDispatch();
  const [Chart, setChart] = useState<ComponentType<DepthChartProps> | null>(null);
  useEffect(() => {
    void import('../../charts/depth').then(({ DepthChart }) => setChart(() => DepthChart));
  }, []);
  const known = rows.filter(({ sqnrDb }) => sqnrDb !== undefined);
  const points = known.map(({ layer, order, sqnrDb }) => ({ name: layer.name, order, sqnrDb: sqnrDb ?? null }));
  const steepest = useSlice((state) => steepestDrop(state.lens?.value.lens.layerSqnrDb ?? [])?.layer ?? null);
  const shown = chosen ?? steepest;
  const row = rows.find(({ layer }) => layer.name === shown);
  return (
    <section class="depth card" aria-labelledby="depth-title">
      <h2 id="depth-title">Signal along the network</h2>
      <p class="quiet small">From the first layer to the last: how far each layer’s output is still above the error that has gathered.</p>
      <div class="chart-place">
        {Chart && points.length > 1 && <Chart points={points} chosen={shown} onChoose={(name) => dispatch({ type: 'viewChanged', view: { layer: name } })} />}
      </div>
      {row ? <Details row={row} steepest={row.layer.name === steepest} /> : <p class="quiet small">Choose a layer in the table or on the curve.</p>}
    </section>
  );
}

function Details({ row: { layer, sqnrDb }, steepest }: { row: Row; steepest: boolean }) {
  const facts: [string, string][] = [
    ['operator, weights', `${layer.op}, ${count(layer.weights)}`],
    ['bytes', `${bytes(layer.sizeBytes.full)} → ${bytes(layer.sizeBytes.quantized)}`],
    ['range of its output', layer.outputRange ? layer.outputRange.map(value).join(' … ') : 'not quantized'],
    ['signal kept, its weights alone', layer.weightSqnrDb === null ? 'identical' : `${decibels(layer.weightSqnrDb)} dB`],
    ['signal kept so far', sqnrDb === undefined ? 'not measured' : sqnrDb === null ? 'identical' : `${decibels(sqnrDb)} dB`],
    ['runs on', layer.path === 'int8' ? 'integers' : 'float, rounding simulated'],
  ];
  return (
    <>
      <h3>
        {layer.name} {steepest && <span class="quiet">· the steepest loss</span>}
      </h3>
      <dl class="facts-list lined small">
        {facts.map(([name, text]) => (
          <div key={name}>
            <dt class="quiet">{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
