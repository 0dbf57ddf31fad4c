// node open_timeline.mjs FOLDER: opens FOLDER/timeline.json, in Trace Event Format, in speedscope. It is the strictest
// of the viewers: a slice that ends after its neighbour begins, if only by a rounding error, it takes for its parent, and
// says so. Exit code 1 if it says anything of the file, or shows other threads than the file has.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { launched } from './browser.mjs';

const folder = path.resolve(process.argv[2]);
const timeline = path.join(folder, 'timeline.json');
const threads = new Set(JSON.parse(readFileSync(timeline)).traceEvents.filter(e => e.ph === 'X').map(e => e.tid)).size;
assert.ok(threads > 8, 'there is little in the timeline');

const browser = await launched('--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader');  // WebGL
const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
const said = [];
page.on('console', message => said.push(message.text()));
page.on('pageerror', error => said.push(String(error)));
await page.goto(pathToFileURL(path.join(folder, 'node_modules/speedscope/dist/release/index.html')).href);
const [chooser] = await Promise.all([
  page.waitForEvent('filechooser'),
  page.getByText('Browse', { exact: true }).click(),
]);
await chooser.setFiles(timeline);
await page.getByText(`(1/${threads})`).waitFor({ timeout: 30000 });
await page.screenshot({ path: path.join(folder, 'timeline-speedscope.png') });
const complaints = said.filter(text => !/^speedscope v|^WebGL initialized|^Importing as Trace Event|^import: /.test(text));
assert.deepEqual(complaints.slice(0, 5), [], `speedscope complains ${complaints.length} times`);
await browser.close();
console.log(`speedscope shows the timeline's ${threads} threads`);
