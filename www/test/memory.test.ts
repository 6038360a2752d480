import { expect, test } from 'vitest';
import { willFit, type Machine } from '../src/lib/memory';
import { memoryProblem } from '../src/state/problems';

const desktop: Machine = { memoryGiB: 8, handheld: false };
const phone: Machine = { memoryGiB: 4, handheld: true };
const mute = (handheld: boolean): Machine => ({ memoryGiB: null, handheld });
const MB = 1e6;

// Sizes of the files that people have: SqueezeNet, MobileNetV2, ResNet-50, VGG-16, ViT-L.
test.each([
  [5, desktop, 'yes'], [5, phone, 'yes'], [5, { ...phone, memoryGiB: 2 }, 'yes'],
  [14, phone, 'yes'], [14, { ...phone, memoryGiB: 1 }, 'perhaps'],
  [102, desktop, 'yes'], [102, phone, 'perhaps'], [102, mute(true), 'perhaps'], [102, mute(false), 'yes'],
  [553, desktop, 'perhaps'], [553, { ...phone, memoryGiB: 2 }, 'no'],
  [1217, { memoryGiB: 32, handheld: false }, 'no'],
] as const)('a network of %i MB on %o: %s', (megabytes, machine, fits) => {
  expect(willFit({ network: megabytes * MB, pictures: 20 * MB }, machine).fits).toBe(fits);
});

test('pictures count with their files, beside the network', () => {
  const gigabytes = { network: 0, pictures: 2000 * MB };
  expect(willFit(gigabytes, desktop).fits).toBe('perhaps');
  expect(willFit(gigabytes, { memoryGiB: 1, handheld: true })).toEqual({ fits: 'no', needed: 2e9, limit: 2 ** 30 });
});

test('a doubtful load may be insisted on, an impossible one says what else to do', () => {
  const files = [{ name: 'a.onnx', blob: new Blob() }];
  const card = (megabytes: number) => memoryProblem({ network: megabytes * MB, pictures: 0 }, willFit({ network: megabytes * MB, pictures: 0 }, desktop), files);
  expect(card(5)).toBeNull();
  expect(card(553)).toMatchObject({ anyway: files, why: expect.stringMatching(/553\.00.MB of network takes about 5\.2 GB.*Beyond 2\.1 GB/) as string });
  const impossible = card(900);
  expect(impossible).not.toHaveProperty('anyway');
  expect(impossible).toMatchObject({ why: expect.stringMatching(/at least 5\.0 GB.*4\.3 GB at most/) as string, todo: expect.stringContaining('command line') as string });
});
