/** What the nodes of both networks take, summed up and in words. */
import type { NodeTime, NodeTimes, ProfileView } from '../engine/protocol';
import { percent } from './format';

/** An operator, or several that run as one, by the name of its family: on codes it is the same one. */
export const operatorName = (op: string): string => op.replace(/\bbitlens\.Q?/g, '');

/** What runs a node: its kernel where it has the choice, else its operator. */
export const kernelName = ({ op, kernel }: NodeTime): string => kernel ?? (op.startsWith('bitlens.') ? `${operatorName(op)} of codes` : op);

const KERNELS: Record<string, string> = {
  'f32-tiles': 'Tiles of 32-bit float sums that stay in registers',
  'depthwise f32': 'Vectors of 32-bit float sums, one channel at a time',
  'u8-quads': 'Four products of 8-bit codes summed by one instruction of relaxed SIMD',
  'shifted-quads': 'Four products of 8-bit codes summed by one instruction of relaxed SIMD, with activations moved into the range of signed codes',
  'i16-pairs': 'Two products of codes, widened to 16 bits, summed by one instruction',
  'depthwise i16-pairs': 'Two taps of codes, widened to 16 bits, summed by one instruction for a vector of channels',
};

/** What a kernel does, for those who ask. */
export const aboutKernel = (time: NodeTime): string => KERNELS[time.kernel ?? ''] ?? 'Code of its operator; there is no choice of kernels';

export interface KernelSum {
  name: string;
  about: string;
  ms: number;
  nodes: number;
}

/** What each kernel takes in one of the networks, the largest first. */
export function byKernel(nodes: NodeTimes[], side: 'full' | 'quantized'): KernelSum[] {
  const sums = new Map<string, KernelSum>();
  for (const time of nodes.flatMap((node) => node[side] ?? [])) {
    const name = kernelName(time);
    const sum = sums.get(name) ?? { name, about: aboutKernel(time), ms: 0, nodes: 0 };
    sums.set(name, { ...sum, ms: sum.ms + time.ms, nodes: sum.nodes + 1 });
  }
  return [...sums.values()].sort((a, b) => b.ms - a.ms);
}

/** Which network is faster here, by how much, and where the rest of the time goes. */
export function verdict({ fullMs, quantizedMs, path, nodes }: ProfileView): string {
  const what = path === 'int8' ? 'On integers' : 'Simulated, some layers in float,';
  const ratio = fullMs / quantizedMs;
  const compared = ratio >= 1.05 ? `${ratio.toFixed(1)} times as fast as` : ratio <= 0.95 ? `${(1 / ratio).toFixed(1)} times as slow as` : 'as fast as';
  const costliest = byKernel(nodes, 'quantized')[0];
  const share = costliest ? ` ${percent(costliest.ms / quantizedMs)} of its time goes to ${costliest.name}.` : '';
  return `${what} this network is ${compared} in full precision here.${share}`;
}
