// Raw logits of networks from the built engine in Chromium, for measure_chromium.py.
//
//     node tests/tools/chromium_logits.mjs < tasks.json > answers.json
//
// tasks.json: { "folders": { "/data/": path, … }, "tasks": [{ "build", …task }] }; a task and
// its answer are those of tests/e2e/logits_worker.mjs. Answers come in the order of the tasks.
import { json } from 'node:stream/consumers';
import { openChromium } from '../e2e/logits.mjs';

const { folders, tasks } = await json(process.stdin);
const chromium = await openChromium(folders);
try {
  const answers = [];
  for (const { build, ...task } of tasks) answers.push(await chromium.logits(build, task));
  process.stdout.write(JSON.stringify(answers));
} finally {
  await chromium.close();
}
