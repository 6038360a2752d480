/** A slider of whole bits, with its scale beneath and its value beside its name. */
import { useId } from 'preact/hooks';
import './bit-slider.css';

interface Props {
  name: string;
  /** Beyond the scale the slider stands at its end; moving it comes back. */
  value: number;
  /** The value in words. */
  text: string;
  min: number;
  max: number;
  testid: string;
  keys: string;
  onChange: (bits: number) => void;
}

export function BitSlider({ name, value, text, min, max, testid, keys, onChange }: Props) {
  const id = useId();
  const steps = Array.from({ length: max - min + 1 }, (_, index) => min + index);
  return (
    <div class="bit-slider" style={{ '--share': String(Math.min(1, (value - min) / (max - min))) }}>
      <label for={id}>{name}</label>
      <output for={id}>{text}</output>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={1}
        value={value}
        data-testid={testid}
        aria-valuetext={text}
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
