import { expect, test } from 'vitest';
import { memoryLimit, refusedNetwork, roomForHelpers, willFit, type Machine } from '../src/lib/memory';
import { memoryProblem } from '../src/state/problems';

const desktop: Machine = { memoryGiB: 8, cores: 8, handheld: false };
const phone: Machine = { memoryGiB: 4, cores: 8, handheld: true };
const mute = (handheld: boolean): Machine => ({ memoryGiB: null, cores: 8, handheld });
const MB = 1e6;

// Sizes of files that people have: SqueezeNet, ResNet-50, VGG-16, ViT-L, and what no page opens.
test.each([
  [5, { ...phone, memoryGiB: 1 }, 'yes'], [102, phone, 'yes'], [553, desktop, 'yes'], [553, { ...phone, memoryGiB: 1 }, 'no'],
  [1217, desktop, 'perhaps'], [1217, { ...phone, memoryGiB: 2 }, 'no'], [2400, { memoryGiB: 32, cores: 8, handheld: false }, 'no'],
] as const)('before a network of %i MB is read on %o: %s', (megabytes, machine, fits) => {
  expect(willFit({ network: megabytes * MB, pictures: 20 * MB }, machine).fits).toBe(fits);
});

// What the engine says of SqueezeNet, MobileNetV2, ResNet-50, VGG-16 and ViT-L.
test.each([
  [45, desktop, 'yes'], [45, phone, 'yes'], [45, { ...phone, memoryGiB: 0.25 }, 'yes'],
  [109, phone, 'yes'], [109, { ...phone, memoryGiB: 0.25 }, 'perhaps'],
  [552, desktop, 'yes'], [552, phone, 'yes'], [552, { ...phone, memoryGiB: 2 }, 'perhaps'], [552, { ...phone, memoryGiB: 0.25 }, 'no'], [552, mute(true), 'yes'],
  [2700, desktop, 'perhaps'], [2700, mute(false), 'perhaps'], [2700, { ...phone, memoryGiB: 2 }, 'no'],
  [5900, { memoryGiB: 32, cores: 8, handheld: false }, 'no'],
] as const)('a network that takes %i MB on %o: %s', (megabytes, machine, fits) => {
  const [bytes, pictures] = [megabytes * MB, 20 * MB];
  const isTaken = bytes <= memoryLimit(pictures, machine, false);
  expect(isTaken ? 'yes' : refusedNetwork(bytes, pictures, machine).fits).toBe(fits);
  expect(bytes <= memoryLimit(pictures, machine, true), 'where the user insists').toBe(fits !== 'no');
});

test('pictures count with their files, beside the network', () => {
  const gigabytes = { network: 0, pictures: 2500 * MB };
  expect(willFit(gigabytes, desktop).fits).toBe('perhaps');
  expect(willFit(gigabytes, { memoryGiB: 1, cores: 1, handheld: true })).toEqual({ fits: 'no', needed: 2.5e9, limit: 2 ** 30 });
});

test('a doubtful load may be insisted on, an impossible one says what else to do', () => {
  const files = [{ name: 'a.onnx', blob: new Blob() }];
  const card = (megabytes: number, gigabytes: number) => memoryProblem({ network: megabytes * MB, pictures: 0 }, refusedNetwork(gigabytes * 1e9, 0, desktop), files);
  expect(memoryProblem({ network: 5 * MB, pictures: 0 }, willFit({ network: 5 * MB, pictures: 0 }, desktop), files)).toBeNull();
  expect(card(553, 2.6)).toMatchObject({ anyway: files, why: expect.stringMatching(/553\.00.MB of network takes about 2\.6.GB.*Beyond 2\.1.GB/) as string });
  const impossible = card(1100, 5.05);
  expect(impossible).not.toHaveProperty('anyway');
  expect(impossible).toMatchObject({ why: expect.stringMatching(/at least 5\.0.GB.*4\.3.GB at most/) as string, todo: expect.stringContaining('command line') as string });
});

test('an engine a core, as long as memory is sure, and not many', () => {
  const MB = 1e6;
  expect(roomForHelpers(100 * MB, desktop)).toBe(3);
  expect(roomForHelpers(100 * MB, { ...desktop, cores: 2 })).toBe(1);
  expect(roomForHelpers(100 * MB, { ...desktop, cores: 1 })).toBe(0);
  expect(roomForHelpers(900 * MB, desktop)).toBe(1);
  expect(roomForHelpers(1500 * MB, desktop)).toBe(0);
});
