import { expect, test } from 'vitest';
import { cacheName, kept, outdated, type Build } from '../src/offline/plan';

const scope = 'https://somebody.example/bitlens/';
const build: Build = { version: 'b2', files: { './': 'sha256-1', 'assets/index-x.js': 'sha256-2', 'sample/car_0.png': 'sha256-3' } };

test.each([
  ['https://somebody.example/bitlens/', scope],
  ['https://somebody.example/bitlens/index.html', scope],
  ['https://somebody.example/bitlens/?from=mail#w=3', scope],
  ['https://somebody.example/bitlens/assets/index-x.js', `${scope}assets/index-x.js`],
  ['https://somebody.example/bitlens/assets/index-old.js', null],
  ['https://somebody.example/bitlens/constructor', null],
  ['https://somebody.example/sample/car_0.png', null],
  ['https://elsewhere.example/bitlens/assets/index-x.js', null],
])('%s is kept as %s', (address, as) => {
  expect(kept(address, scope, build)).toBe(as);
});

test('of the caches only those that older builds of this very copy have left are outdated', () => {
  const old = cacheName(scope, 'b1');
  const others = ['somebody else’s', cacheName('https://somebody.example/', 'b1'), cacheName(`${scope}beta/`, 'b1'), cacheName(scope, 'b2')];
  expect(outdated([old, ...others], scope, 'b2')).toEqual([old]);
});
