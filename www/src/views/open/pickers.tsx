/** File and folder pickers. Picking the same file twice must work, so the inputs forget at once. */
import { useRef } from 'preact/hooks';
import type { TargetedEvent } from 'preact';
import { closePopover } from '../../components/popover';
import { fromList } from '../../lib/gather';
import { useDispatch } from '../../state/store';
import { testids } from '../../testids';

export function FilePickers() {
  const dispatch = useDispatch();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const take = (event: TargetedEvent<HTMLInputElement>): void => {
    const opened = fromList(event.currentTarget.files ?? []);
    event.currentTarget.value = '';
    if (opened.length === 0) return;
    closePopover(event);
    dispatch({ type: 'filesOpened', files: opened });
  };
  return (
    <div class="pickers">
      <button type="button" class="button" onClick={() => files.current?.click()}>
        Choose files…
      </button>
      <button type="button" class="button" onClick={() => folder.current?.click()}>
        Choose a folder…
      </button>
      <input ref={files} type="file" multiple hidden aria-label="Files to open" data-testid={testids.fileInput} onChange={take} />
      <input ref={folder} type="file" {...{ webkitdirectory: true }} hidden aria-label="Folder to open" data-testid={testids.folderInput} onChange={take} />
    </div>
  );
}
