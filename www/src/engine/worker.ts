/** The dedicated worker: the wasm engine behind the loop of serve.ts. */
import * as bitlens from '../../../pkg/loader.js';
import { missingFeature } from './features';
import type { Port } from './messages';
import type { Engine } from './protocol';
import { serve } from './serve';

void serve(self as unknown as Port, async () => {
  const missing = missingFeature();
  if (missing) throw new Error(missing);
  const build = await bitlens.load();
  const { Engine } = bitlens as unknown as { Engine: new () => Engine };
  return { engine: new Engine(), build };
});
