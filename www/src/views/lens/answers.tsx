/** The answers of both networks side by side; a table to screen readers. */
import type { LensView } from '../../engine/protocol';
import { shortName } from '../../lib/format';
import { testids } from '../../testids';

/** More rows would push the page about as pictures change. */
const ROWS = 6;

export function Answers({ lens, full }: { lens: LensView; full: string }) {
  return (
    <table class="answers" data-testid={testids.answers}>
      <thead>
        <tr>
          <th scope="col"><span class="spoken">Answer</span></th>
          <td aria-hidden="true" />
          <th scope="col" class="full">{full}</th>
          <th scope="col" class="quantized">quantized</th>
        </tr>
      </thead>
      <tbody>
        {strongest(lens.answers).map((answer) => (
          <tr key={answer.class} data-testid={testids.answer} data-class={answer.class}>
            <th scope="row">
              {shortName(answer.name)}
              {answer.class === lens.expected && <span class="true-class" title="the true class"> ✓<span class="spoken"> (true class)</span></span>}
            </th>
            <td aria-hidden="true">
              <div class="bars" style={{ '--full-share': String(answer.full), '--quantized-share': String(answer.quantized) }}>
                <i class="bar-full" />
                <i class="bar-quantized" />
              </div>
            </td>
            <td class="full">{probability(answer.full)}</td>
            <td class="quantized">{probability(answer.quantized)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The answers that either network gives most weight, in full precision's order. */
function strongest(answers: LensView['answers']): LensView['answers'] {
  const weight = ({ full, quantized }: LensView['answers'][number]): number => Math.max(full, quantized);
  const kept = new Set([...answers].sort((a, b) => weight(b) - weight(a)).slice(0, ROWS));
  return answers.filter((answer) => kept.has(answer));
}

const probability = (share: number): string => `${(share * 100).toFixed(1)}`;
