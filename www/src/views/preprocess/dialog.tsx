/** The form behind “Preparing pictures”. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Dialog } from '../../components/dialog';
import { Chevron } from '../../components/icons';
import { useDispatch, useSlice } from '../../state/store';
import { testids } from '../../testids';
import { fromForm, toForm, type Form } from './form';

export function PreprocessDialog() {
  const view = useSlice((state) => state.preprocess);
  const channels = useSlice((state) => state.model?.channels ?? 3);
  const dispatch = useDispatch();
  const [form, setForm] = useState<Form | null>(view && toForm(view.preprocess));
  const [fault, setFault] = useState<string | null>(null);
  const close = (): void => dispatch({ type: 'viewChanged', view: { dialog: null } });
  if (!view || !form) return null;
  const apply = (event: Event): void => {
    event.preventDefault();
    const preprocess = fromForm(form, view.preprocess, channels);
    if (typeof preprocess === 'string') return setFault(preprocess);
    dispatch({ type: 'preprocessEdited', preprocess });
    close();
  };
  const set = <K extends keyof Form>(field: K, text: string): void => setForm({ ...form, [field]: text as Form[K] });
  return (
    <Dialog title="Preparing pictures" testid={testids.preprocessDialog} onClose={close}>
      <form class="preprocess-form" onSubmit={apply}>
        <Choice name="Resize" value={form.resize} options={{ short: 'short side to', exact: 'to exactly', none: 'no' }} onChange={(text) => set('resize', text)}>
          {form.resize === 'short' && <Field name="short side" value={form.shortestEdge} onInput={(text) => set('shortestEdge', text)} />}
          {form.resize === 'exact' && <Field name="width" value={form.resizeWidth} onInput={(text) => set('resizeWidth', text)} />}
          {form.resize === 'exact' && <Field name="height" value={form.resizeHeight} onInput={(text) => set('resizeHeight', text)} />}
        </Choice>
        <Choice name="Crop" value={form.crop} options={{ centre: 'the centre', square: 'largest centre square, before resizing', none: 'no' }} onChange={(text) => set('crop', text)}>
          {form.crop === 'centre' && <Field name="width" value={form.cropWidth} onInput={(text) => set('cropWidth', text)} />}
          {form.crop === 'centre' && <Field name="height" value={form.cropHeight} onInput={(text) => set('cropHeight', text)} />}
        </Choice>
        <Choice name="Values" value={form.scale} options={{ unit: '0 … 1', raw: '0 … 255', other: 'times a factor' }} onChange={(text) => set('scale', text)}>
          {form.scale === 'other' && <Field name="factor" value={form.rescaleFactor} onInput={(text) => set('rescaleFactor', text)} />}
        </Choice>
        <Row name="Minus mean">
          <Field wide name="mean, one for each channel" value={form.mean} onInput={(text) => set('mean', text)} />
        </Row>
        <Row name="Divided by std">
          <Field wide name="standard deviation, one for each channel" value={form.std} onInput={(text) => set('std', text)} />
        </Row>
        <Choice name="Channel order" value={form.channelOrder} options={{ rgb: 'RGB', bgr: 'BGR', grey: 'grey' }} onChange={(text) => set('channelOrder', text)} />
        <Choice name="Layout" value={form.layout} options={{ NCHW: 'NCHW: channels first', NHWC: 'NHWC: channels last' }} onChange={(text) => set('layout', text)} />
        <Row name="Label offset">
          <Field name="label offset" value={form.labelOffset} onInput={(text) => set('labelOffset', text)} />
          <span class="tiny quiet">1 for networks with a background class</span>
        </Row>
        {fault && <p class="loss small" role="alert">{fault}</p>}
        <footer>
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class="button primary" data-testid={testids.preprocessApply}>Apply</button>
        </footer>
      </form>
    </Dialog>
  );
}

function Row({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="form-row">
      <span>{name}</span>
      <div>{children}</div>
    </div>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  options: Record<string, string>;
  onChange: (value: string) => void;
  children?: ComponentChildren;
}

function Choice({ name, value, options, onChange, children }: ChoiceProps) {
  return (
    <Row name={name}>
      <span class="select">
        <select aria-label={name} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {Object.entries(options).map(([key, words]) => (
            <option key={key} value={key}>{words}</option>
          ))}
        </select>
        <Chevron />
      </span>
      {children}
    </Row>
  );
}

function Field({ name, value, wide = false, onInput }: { name: string; value: string; wide?: boolean; onInput: (text: string) => void }) {
  return <input class={wide ? 'wide' : ''} aria-label={name} title={name} inputMode="decimal" autocomplete="off" value={value} onInput={(event) => onInput(event.currentTarget.value)} />;
}
