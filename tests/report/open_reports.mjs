// node open_reports.mjs FOLDER: opens FOLDER/step.html and FOLDER/sweep.html in a headless Chromium at the width of a
// desk and of a phone, light and dark, with and without scripts and on paper, and tries what a reader would. Screenshots
// stay in FOLDER. Exit code 1 after the first thing that is not as it should be.
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { launched } from './browser.mjs';
import { checkCharts, checkLayout, checkPolicy, checkPrint, checkWithoutScripts } from './looks.mjs';
import { checkCopying, checkKeyboard, checkSorting, checkZoom } from './uses.mjs';

const folder = path.resolve(process.argv[2]);
const widths = { desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

const browser = await launched('--disable-gpu');

// Everything the page asks for and complains of is kept.
async function opened(report, options, use) {
  const context = await browser.newContext(options);
  const url = pathToFileURL(path.join(folder, `${report}.html`)).href;
  const page = await context.newPage();
  const complaints = [], requests = [];
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => { if (request.url().split('#')[0] !== url) requests.push(request.url()); });
  await page.goto(url, { waitUntil: 'load' });
  await use(page, context);
  assert.deepEqual(complaints, [], `${report}: the console has errors`);
  assert.deepEqual(requests, [], `${report}: asks the network or other files`);
  await context.close();
}

const shot = (page, name) => page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });

const charts = { step: ['timeline', 'memory'], sweep: ['pareto', 'axes'] };

async function checkLooks(report, device, viewport) {
  await opened(report, { viewport, colorScheme: 'light' }, async page => {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await checkCharts(page, charts[report]);
      await checkLayout(page);
      await shot(page, `${report}-${device}-${colorScheme}`);
    }
  });
  await opened(report, { viewport, javaScriptEnabled: false }, async page => {
    await checkWithoutScripts(page);
    await shot(page, `${report}-${device}-static`);
  });
}

async function checkUses(report) {
  const permissions = ['clipboard-read', 'clipboard-write'];
  await opened(report, { viewport: widths.desk, permissions }, async page => {
    await checkKeyboard(page);
    await checkZoom(page, charts[report][0]);
    await checkSorting(page);
    await checkCopying(page);
    await checkPrint(page);
    await page.pdf({ path: path.join(folder, `${report}.pdf`), format: 'A4', printBackground: true });
  });
  const context = await browser.newContext({ viewport: widths.desk });
  await checkPolicy(await context.newPage(), pathToFileURL(path.join(folder, `${report}.html`)).href);
  await context.close();
}

for (const report of ['step', 'sweep']) {
  for (const [device, viewport] of Object.entries(widths)) await checkLooks(report, device, viewport);
  await checkUses(report);
}
await browser.close();
console.log(`both reports are as they should be; screenshots are in ${folder}`);
