/** What each headline number means, how it is computed, and in which unit. */
import type { LatencyView, Summary } from '../../engine/protocol';
import { isaName, OF_TWO_ROUNDINGS, reference, storageSentence, threadCount } from '../../lib/sentences';
import { milliseconds, percent, plural } from '../../lib/format';
import { useSlice } from '../../state/store';

/** Whether the file is quantized already. */
const useFixed = () => useSlice((state) => state.model?.quantized ?? false);

/** What the figures mean then. */
function OfTwoRoundings() {
  return useFixed() ? <p>{OF_TWO_ROUNDINGS}</p> : null;
}

function Size() {
  const layers = useSlice((state) => state.quantized?.value.layers);
  return (
    <>
      <h2>Smaller by</h2>
      <p>How much smaller the ONNX file becomes that you take home: its bytes in full precision, divided by its bytes quantized. Graph, names and biases count as well, so a tiny network gains less than its weights alone.</p>
      <p class="formula">bytes(full) / bytes(quantized)</p>
      {layers && <p>{storageSentence(layers)}</p>}
    </>
  );
}

function Agreement({ top1 }: { top1: Summary['top1'] }) {
  const against = reference(useFixed());
  return (
    <>
      <h2>Same answers</h2>
      <p>The share of pictures for which the quantized network's first answer is that of {against}. The range beside it holds the true share in 95 of 100 such samples (Wilson's interval): few pictures, wide range.</p>
      <p class="formula">#(argmax q = argmax f) / n</p>
      <OfTwoRoundings />
      {top1 && (
        <p>
          Of {plural(top1.labelled, 'picture')} with a known class, {against} gets <span class="full">{percent(top1.full)}</span> right, quantized <span class="quantized">{percent(top1.quantized)}</span>.
        </p>
      )}
    </>
  );
}

function Attention({ method, images }: { method: string; images: number }) {
  const against = reference(useFixed());
  return (
    <>
      <h2>Same attention</h2>
      <p>Both networks get a map of where they look for the answer of {against} ({method}). The cells of each map are ranked from hot to cold; the number says how alike the two orders are: 1 the same, 0 unrelated, −1 reversed.</p>
      <p class="formula">Spearman: ρ = corr(rank f, rank q)</p>
      <p>Kendall's τ counts pairs of cells in the same order instead (τ-b, ties corrected); it reads lower than ρ for the same agreement. {images > 0 && `Means over ${plural(images, 'picture')}.`}</p>
    </>
  );
}

function Signal() {
  const fixed = useFixed();
  return (
    <>
      <h2>Signal kept</h2>
      <p>How strong the logits are against {fixed ? 'what lies between the two runs of them' : 'the error that quantization adds to them'}, in decibels. 20 dB: the error is a tenth of the signal. 6 dB more: half the error, about what one more bit brings.</p>
      <p class="formula">SQNR = 10 · log₁₀( Σ f² / Σ (f − q)² ) dB</p>
      <OfTwoRoundings />
    </>
  );
}

function Latency({ latency }: { latency: LatencyView | null }) {
  const probe = useSlice((state) => state.engine.info?.probe);
  const threads = useSlice((state) => state.engine.info?.threads ?? 1);
  const integers = latency?.quantized.path === 'int8';
  const against = reference(useFixed());
  return (
    <>
      <h2>One picture, here, now</h2>
      <p>The median time for one picture on this computer, in this browser, both networks taking turns so that a busy moment hits both. Not a promise for another machine.</p>
      {latency && (
        <dl class="facts-list">
          <div><dt class="full">{against}</dt><dd>{milliseconds(latency.full.medianMs)} ms, fastest {milliseconds(latency.full.minMs)}</dd></div>
          <div><dt class="quantized">quantized</dt><dd>{milliseconds(latency.quantized.medianMs)} ms, fastest {milliseconds(latency.quantized.minMs)}</dd></div>
          <div><dt>samples of each</dt><dd>{latency.runs}</dd></div>
          <div><dt>instructions</dt><dd>{isaName(latency.isa)}{threadCount(threads)}</dd></div>
        </dl>
      )}
      {latency && <p>{integers ? 'The quantized network ran on real integers.' : 'The quantized network was simulated: float arithmetic with rounding, so its time says nothing about a device that has such integers.'}</p>}
      {probe && <p class="quiet">{probe}</p>}
    </>
  );
}

export const Explanations = { Size, Agreement, Attention, Signal, Latency };
