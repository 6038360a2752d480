/** The whole window takes files: dropped, or pasted as a picture. */
import { useEffect, useState } from 'preact/hooks';
import { fromDrop, fromList } from '../../lib/gather';
import { problemFrom } from '../../state/problems';
import { useDispatch } from '../../state/store';
import { testids } from '../../testids';
import './drop-zone.css';

/**
 * Browsers repeat `dragover` several times a second while files are above the page; when they stop, the
 * files are gone. Counting entries and leaves instead goes wrong as soon as what is beneath changes.
 */
const SILENCE_MS = 700;

export function DropZone() {
  const dispatch = useDispatch();
  const [over, setOver] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const gone = (): void => {
      clearTimeout(timer);
      setOver(false);
    };
    const here = (): void => {
      clearTimeout(timer);
      timer = setTimeout(gone, SILENCE_MS);
      setOver(true);
    };
    const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const listeners = {
      dragover: (event: DragEvent) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        here();
      },
      drop: (event: DragEvent) => {
        gone();
        if (!event.dataTransfer || !carriesFiles(event)) return;
        event.preventDefault();
        fromDrop(event.dataTransfer).then(
          (files) => dispatch({ type: 'filesOpened', files }),
          (error: unknown) => dispatch({ type: 'problemRaised', problem: problemFrom('What was dropped could not be read', error) }),
        );
      },
      paste: (event: ClipboardEvent) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length > 0) dispatch({ type: 'filesOpened', files: fromList(files).map(uniquelyNamed) });
      },
    };
    const all = Object.entries(listeners) as [string, EventListener][];
    for (const [type, listener] of all) addEventListener(type, listener);
    return () => {
      clearTimeout(timer);
      for (const [type, listener] of all) removeEventListener(type, listener);
    };
  }, [dispatch]);
  return (
    <div class="drop-zone" data-over={over} data-testid={testids.dropZone} aria-hidden={!over}>
      <p>
        <strong>Drop a network and pictures</strong>
        <span>.onnx, images, folders, .zip, labels, preprocessor_config.json, recipes. Nothing leaves this computer.</span>
      </p>
    </div>
  );
}

/** Every picture from the clipboard is called image.png; copied files have names of their own. */
function uniquelyNamed<T extends { name: string }>(file: T): T {
  if (!/^image\.\w+$/.test(file.name)) return file;
  return { ...file, name: `pasted ${new Date().toISOString().slice(11, 23).replaceAll(':', '.')} ${file.name}` };
}
