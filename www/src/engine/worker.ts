/** The dedicated worker: the wasm engine behind the loop of serve.ts. */
import { Engine, load } from '../../../pkg/loader.js';
import { missingFeature } from './features';
import type { Port } from './messages';
import { serve } from './serve';
import { startThreads } from './threads';

void serve(self as unknown as Port, async () => {
  const missing = missingFeature();
  if (missing) throw new Error(missing);
  const threaded = self.name === 'helper' ? null : await startThreads();
  if (threaded) return threaded;
  const build = await load();
  return { engine: new Engine(), build };
});
