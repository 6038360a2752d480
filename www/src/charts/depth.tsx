/**
 * Signal along the network: one point a layer in order of execution, decibels upwards.
 * Scales and paths come from d3; the elements are ours, because the page's content policy allows
 * no generated style elements. To screen readers it is an image with a summary: the table has the values.
 */
import { scaleLinear } from 'd3-scale';
import { curveMonotoneX, line } from 'd3-shape';
import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { decibels } from '../lib/format';

export interface DepthPoint {
  name: string;
  /** Place in the order of execution, from 0. */
  order: number;
  /** In decibels; null where the two networks are identical, which has no place on the scale. */
  sqnrDb: number | null;
}

export interface DepthChartProps {
  points: DepthPoint[];
  chosen: string | null;
  onChoose: (name: string) => void;
}

/** Until its place is known. */
const WIDTH = 520;
const HEIGHT = 210;
const EDGE = { top: 12, right: 12, bottom: 26, left: 38 };

export function DepthChart({ points, chosen, onChoose }: DepthChartProps) {
  const [frame, width] = useWidth();
  const measured = points.filter((point): point is DepthPoint & { sqnrDb: number } => point.sqnrDb !== null);
  const values = measured.map(({ sqnrDb }) => sqnrDb);
  const x = scaleLinear([0, Math.max(1, points.length - 1)], [EDGE.left, width - EDGE.right]);
  const y = scaleLinear([Math.min(0, ...values), Math.max(20, ...values)], [HEIGHT - EDGE.bottom, EDGE.top]).nice();
  const curve = line<DepthPoint & { sqnrDb: number }>((point) => x(point.order), (point) => y(point.sqnrDb)).curve(curveMonotoneX);
  const last = measured.at(-1);
  const summary = measured[0] && last ? `Signal kept falls from ${decibels(measured[0].sqnrDb)} to ${decibels(last.sqnrDb)} dB over ${points.length} layers.` : '';
  const hit = (width - EDGE.left - EDGE.right) / Math.max(1, points.length - 1);
  return (
    <svg ref={frame} class="depth-chart" viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={summary} data-testid="depth-chart">
      {y.ticks(4).map((tick) => (
        <g key={tick} class="tick">
          <line x1={EDGE.left} x2={width - EDGE.right} y1={y(tick)} y2={y(tick)} />
          <text x={EDGE.left - 8} y={y(tick)} dy="0.32em" text-anchor="end">{tick}</text>
        </g>
      ))}
      <text class="unit" x={EDGE.left - 8} y={HEIGHT - 6} text-anchor="end">dB</text>
      <text class="unit" x={EDGE.left} y={HEIGHT - 6}>first layer</text>
      <text class="unit" x={width - EDGE.right} y={HEIGHT - 6} text-anchor="end">last layer</text>
      <path class="curve" d={curve(measured) ?? ''} />
      {measured.map((point) => (
        <g key={point.order} class="point" data-chosen={point.name === chosen} onClick={() => onChoose(point.name)}>
          <title>{`${point.name}: ${decibels(point.sqnrDb)} dB`}</title>
          <rect x={x(point.order) - hit / 2} y={EDGE.top} width={hit} height={HEIGHT - EDGE.top - EDGE.bottom} />
          <line x1={x(point.order)} x2={x(point.order)} y1={EDGE.top} y2={HEIGHT - EDGE.bottom} />
          <circle cx={x(point.order)} cy={y(point.sqnrDb)} r={point.name === chosen ? 6 : 3.5} />
        </g>
      ))}
    </svg>
  );
}

/** The width that the chart has on the page, so that its lines and letters keep their size. */
function useWidth(): [RefObject<SVGSVGElement | null>, number] {
  const frame = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(WIDTH);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && entry.contentRect.width > 0 && setWidth(Math.round(entry.contentRect.width)));
    if (frame.current) observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return [frame, width];
}
