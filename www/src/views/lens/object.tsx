/** The object that a sample picture is known to show, drawn on the lens and held against both maps. */
import { useMemo } from 'preact/hooks';
import { percent } from '../../lib/format';
import { coverage, onObject, outline, type ObjectMask } from '../../lib/object';
import type { LensMaps } from '../../state/state';
import { testids } from '../../testids';

export function Outline({ mask }: { mask: ObjectMask }) {
  const path = useMemo(() => outline(mask), [mask]);
  return (
    <svg class="outline" viewBox={`0 0 ${mask.width} ${mask.height}`} preserveAspectRatio="none" aria-hidden="true" data-testid={testids.outline}>
      <path d={path} class="shade" />
      <path d={path} />
    </svg>
  );
}

export function Pointing({ maps, mask, fixed }: { maps: LensMaps; mask: ObjectMask; fixed: boolean }) {
  const full = useMemo(() => onObject({ ...maps, values: maps.full }, mask), [maps, mask]);
  const quantized = useMemo(() => onObject({ ...maps, values: maps.quantized }, mask), [maps, mask]);
  if (full === null || quantized === null) return null;
  return (
    <p class="small quiet" data-testid={testids.pointing}>
      Of the heat, <span class="full">{percent(full)}</span> lies on the object in {fixed ? 'float' : 'full precision'}, <span class="quantized">{percent(quantized)}</span> {fixed ? 'on integers' : 'quantized'}; spread evenly it would be {percent(coverage(mask))}.
    </p>
  );
}
