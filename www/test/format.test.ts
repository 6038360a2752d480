import { expect, test } from 'vitest';
import * as format from '../src/lib/format';

const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

test.each([
  [999, '999 B'], [1000, '1.00 kB'], [84_120, '84.1 kB'], [999_499, '999 kB'], [999_500, '1.00 MB'], [4_953_423, '4.95 MB'],
])('%d bytes read %s', (bytes, text) => {
  expect(plain(format.bytes(bytes))).toBe(text);
});

test.each([[5_204_000, '5 MB'], [999_400_000, '999 MB'], [999_600_000, '1.0 GB'], [5_204_000_000, '5.2 GB']])('%d bytes of memory read %s', (bytes, text) => {
  expect(plain(format.memory(bytes))).toBe(text);
});

test.each([[0, '0 %'], [0.001, '<1 %'], [0.525, '53 %'], [0.996, '>99 %'], [1, '100 %']])('a share of %d reads %s', (share, text) => {
  expect(plain(format.percent(share))).toBe(text);
});

test.each([[1_235_496, '1.24 M'], [270_000, '270 k'], [9_999, '9,999']])('a count of %d reads %s', (count, text) => {
  expect(plain(format.count(count))).toBe(text);
});

test.each([[0.001234, '0.00123'], [7.589, '7.59'], [75.89, '75.9'], [758.9, '759'], [7589, '7589'], [-0.5, '−0.5'], [0.485, '0.485'], [0, '0'], [100, '100']])('the value %d reads %s', (value, text) => {
  expect(format.value(value)).toBe(text);
});

test.each([[0.44, 0.61, '44–61 %'], [0.9985, 0.9999, '99.9–100.0 %'], [0, 0.3, '0–30 %']])('an interval of %d to %d reads %s', (low, high, text) => {
  expect(plain(format.percentRange(low, high))).toBe(text);
});

test.each([[0.0999999, '0.10'], [0.00494, '0.0049'], [1.96, '2.0'], [19.6, '20'], [195.4, '195']])('a time of %d ms reads %s', (value, text) => {
  expect(format.milliseconds(value)).toBe(text);
});

test('very small and very large values have exponents', () => {
  expect(format.value(0.00012)).toBe('1.2e−4');
  expect(format.value(1.5e6)).toBe('1.5e+6');
});

test('no noise has no number of decibels', () => {
  expect(format.decibels(null)).toBe('identical');
  expect(format.decibels(-0.62)).toBe('−0.6');
});

test('a missing correlation is not zero', () => {
  expect(format.correlation(null)).toBe('–');
  expect(format.correlation(-0.034)).toBe('−0.03');
});

test('time left is silent until it is worth something', () => {
  expect(format.timeLeft(500, 1, 10)).toBeNull();
  expect(format.timeLeft(5000, 0, 10)).toBeNull();
  expect(format.timeLeft(2000, 2, 10)).toBe('about 8 s left');
  expect(format.timeLeft(60_000, 1, 10)).toBe('about 9 min left');
  expect(format.timeLeft(9900, 99, 100)).toBe('less than a second left');
});

test('names of ImageNet lose their synonyms and ids', () => {
  expect(format.shortName('black swan, Cygnus atratus')).toBe('black swan');
  expect(format.shortName('n01860187 black swan, Cygnus atratus')).toBe('black swan');
  expect(format.shortName('cup')).toBe('cup');
});
