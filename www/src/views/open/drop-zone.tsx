/** The whole window takes files: dropped, or pasted as a picture. */
import { useEffect, useState } from 'preact/hooks';
import { fromDrop, fromList } from '../../lib/gather';
import { useDispatch } from '../../state/store';
import { testids } from '../../testids';
import './drop-zone.css';

export function DropZone() {
  const dispatch = useDispatch();
  const [over, setOver] = useState(false);
  useEffect(() => {
    // Entering a child fires before leaving its parent: the depth tells when the pointer is really gone.
    let depth = 0;
    const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const listeners = {
      dragenter: (event: DragEvent) => {
        if (carriesFiles(event)) setOver(++depth > 0);
      },
      dragleave: (event: DragEvent) => {
        if (carriesFiles(event)) setOver(--depth > 0);
      },
      dragover: (event: DragEvent) => {
        if (carriesFiles(event)) event.preventDefault();
      },
      drop: (event: DragEvent) => {
        depth = 0;
        setOver(false);
        if (!event.dataTransfer || !carriesFiles(event)) return;
        event.preventDefault();
        void fromDrop(event.dataTransfer).then((files) => dispatch({ type: 'filesOpened', files }));
      },
      paste: (event: ClipboardEvent) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length > 0) dispatch({ type: 'filesOpened', files: fromList(files).map(uniquelyNamed) });
      },
    };
    const all = Object.entries(listeners) as [string, EventListener][];
    for (const [type, listener] of all) addEventListener(type, listener);
    return () => {
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

/** Every pasted picture is called image.png. */
function uniquelyNamed<T extends { name: string }>(file: T): T {
  return { ...file, name: `pasted ${new Date().toISOString().slice(11, 23).replaceAll(':', '.')} ${file.name}` };
}
