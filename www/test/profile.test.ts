import { expect, test } from 'vitest';
import type { NodeTimes, ProfileView } from '../src/engine/protocol';
import { byKernel, kernelName, operatorName, verdict } from '../src/lib/profile';

const nodes: NodeTimes[] = [
  { name: 'codes', shape: '1×3', full: null, quantized: { ms: 0.5, op: 'bitlens.QTranspose', kernel: null } },
  { name: 'a', shape: '1×8', full: { ms: 4, op: 'Conv', kernel: 'f32-tiles' }, quantized: { ms: 1, op: 'bitlens.QConv', kernel: 'u8-quads' } },
  { name: 'b', shape: '1×8', full: { ms: 1, op: 'Relu', kernel: null }, quantized: null },
  { name: 'c', shape: '1×8', full: { ms: 3, op: 'Conv', kernel: 'f32-tiles' }, quantized: { ms: 1, op: 'bitlens.QConv', kernel: 'u8-quads' } },
];
const profile: ProfileView = { nodes, fullMs: 8, quantizedMs: 2.5, path: 'int8', runs: 9, isa: 'simd128' };

test('kernels are summed over the nodes that they run, the largest first', () => {
  const sums = (side: 'full' | 'quantized') => byKernel(nodes, side).map(({ name, ms, nodes: count }) => [name, ms, count]);
  expect(sums('full')).toEqual([['f32-tiles', 7, 2], ['Relu', 1, 1]]);
  expect(sums('quantized')).toEqual([['u8-quads', 2, 2], ['Transpose of codes', 0.5, 1]]);
});

test('operators on codes are called as those on reals', () => {
  expect(['bitlens.QConv', 'bitlens.Lookup', 'Conv'].map(operatorName)).toEqual(['Conv', 'Lookup', 'Conv']);
  expect(['bitlens.QConv + bitlens.QAdd', 'Conv + Add'].map(operatorName)).toEqual(['Conv + Add', 'Conv + Add']);
  expect(kernelName({ ms: 1, op: 'QuantizeLinear', kernel: null })).toBe('QuantizeLinear');
});

test('the verdict says which network is faster, and what its time goes to', () => {
  expect(verdict(profile)).toBe('On integers this network is 3.2 times as fast as in full precision here. 80\u00a0% of its time goes to u8-quads.');
  expect(verdict({ ...profile, fullMs: 2.5, path: 'fakeQuant', nodes: [] })).toBe('Simulated, some layers in float, this network is as fast as in full precision here.');
  expect(verdict({ ...profile, fullMs: 1, nodes: [] })).toContain('2.5 times as slow as in full precision');
});
