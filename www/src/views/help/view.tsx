/** The list of keys. */
import { Dialog } from '../../components/dialog';
import { useDispatch } from '../../state/store';
import { testids } from '../../testids';
import { KEYS } from './keys';
import './view.css';

export function KeysDialog() {
  const dispatch = useDispatch();
  return (
    <Dialog title="Keys" testid={testids.keysDialog} onClose={() => dispatch({ type: 'viewChanged', view: { dialog: null } })}>
      <dl class="keys">
        {KEYS.map(([keys, words]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
