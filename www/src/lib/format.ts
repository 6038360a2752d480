/** Numbers as people read them: fixed digits, thin spaces, units named. */

const NONE = '–';
/** A space that keeps number and unit on one line. */
const GAP = '\u00a0';

/** Bytes in kB and MB of a thousand, as file managers and the command line count. */
export function bytes(count: number): string {
  if (count < 1000) return `${count}${GAP}B`;
  if (count < 999_500) return `${digits(count / 1e3, 3)}${GAP}kB`;
  return `${(count / 1e6).toFixed(2)}${GAP}MB`;
}

/** What takes memory, about: whole MB, from a thousand on GB. */
export function memory(count: number): string {
  return count < 999.5e6 ? `${Math.round(count / 1e6)}${GAP}MB` : `${(count / 1e9).toFixed(1)}${GAP}GB`;
}

/** Significant digits without an exponent, as in 0.0759, 7.59, 75.9 and 759. */
export function digits(value: number, significant: number): string {
  if (!Number.isFinite(value)) return NONE;
  const rounded = Number(value.toPrecision(significant)); // 0.0999… has the digits of 0.1
  const whole = rounded === 0 ? 1 : Math.floor(Math.log10(Math.abs(rounded))) + 1;
  return value.toFixed(Math.min(6, Math.max(0, significant - whole)));
}

/** A count in thousands or millions: “1.24 M”. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en');
  if (value < 999_500) return `${digits(value / 1e3, 3)}${GAP}k`;
  return `${digits(value / 1e6, 3)}${GAP}M`;
}

/** A share as whole per cent; 99.6 % of answers is not 100 %. */
export function percent(share: number): string {
  const rounded = Math.round(share * 100);
  if (rounded === 100 && share < 1) return `>99${GAP}%`;
  if (rounded === 0 && share > 0) return `<1${GAP}%`;
  return `${rounded}${GAP}%`;
}

/** The two ends of an interval of shares: “44–61 %”, or “99.9–100.0 %” where it is that narrow. */
export function percentRange(low: number, high: number): string {
  const end = (share: number): string => (share * 100).toFixed(high - low < 0.02 ? 1 : 0);
  return `${end(low)}–${end(high)}${GAP}%`;
}

export const times = (factor: number): string => `${factor < 10 ? factor.toFixed(1) : factor.toFixed(0)}×`;
export const correlation = (value: number | null): string => (value === null ? NONE : value.toFixed(2).replace('-', '−'));
/** Milliseconds of small parts in a column: as many decimals for all. */
export const fineMilliseconds = (value: number): string => value.toFixed(value < 100 ? 3 : 1);
export const milliseconds = (value: number): string => digits(value, 2);

/** Decibels of signal over noise; no noise at all has no number. */
export const decibels = (value: number | null): string => (value === null ? 'identical' : value.toFixed(1).replace('-', '−'));

/** A divergence in nats; one that is no number, or came as none, says so. */
export function nats(number: number | null): string {
  if (number === null || !Number.isFinite(number)) return 'no number';
  if (number > 0 && number < 5e-4) return `<0.001${GAP}nats`;
  const text = Math.abs(number) < 1 ? number.toFixed(3) : digits(number, 3);
  return `${text.replace('-', '−')}${GAP}nats`;
}

/** Any real value of a scale: three significant digits, without zeros that say nothing. */
export function value(number: number): string {
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return number.toExponential(1).replace('-', '−');
  const text = digits(number, 3);
  return (text.includes('.') ? text.replace(/\.?0+$/, '') : text).replace('-', '−');
}

/** How long something will still take, or nothing while that is a guess. */
export function timeLeft(elapsedMs: number, done: number, total: number): string | null {
  if (done === 0 || total === 0 || elapsedMs < 1000) return null;
  const seconds = ((elapsedMs / done) * (total - done)) / 1000;
  if (seconds < 1) return 'less than a second left';
  if (seconds < 90) return `about ${Math.ceil(seconds)} s left`;
  return `about ${Math.ceil(seconds / 60)} min left`;
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

/** ImageNet's class names list synonyms; the first one is enough for a label. */
export const shortName = (name: string): string => name.replace(/^n\d{8}\s+/, '').split(',')[0]?.trim() || name;
