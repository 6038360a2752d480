/** A slider of whole bits, with its scale beneath and its value beside its name. */
import { useId } from 'preact/hooks';
import './bit-slider.css';

interface Props {
  name: string;
  value: number;
  min: number;
  max: number;
  testid: string;
  keys: string;
  onChange: (bits: number) => void;
}

export function BitSlider({ name, value, min, max, testid, keys, onChange }: Props) {
  const id = useId();
  const steps = Array.from({ length: max - min + 1 }, (_, index) => min + index);
  return (
    <div class="bit-slider" style={{ '--share': String((value - min) / (max - min)) }}>
      <label for={id}>{name}</label>
      <output for={id}>{value} bits</output>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={1}
        value={value}
        data-testid={testid}
        aria-valuetext={`${value} bits`}
        aria-keyshortcuts={keys}
        onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
      />
      <div class="scale" aria-hidden="true">
        {steps.map((bits) => (
          <span key={bits} class={bits === value ? 'here' : ''}>
            {bits}
          </span>
        ))}
      </div>
    </div>
  );
}
