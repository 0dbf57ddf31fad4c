// node pictures.mjs FOLDER: the README's pictures, from FOLDER/step.html: the head of a report, and its timeline close up.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { launched } from './browser.mjs';

const folder = path.resolve(process.argv[2]);
const browser = await launched('--disable-gpu');
const page = await browser.newPage({ viewport: { width: 1180, height: 1000 }, colorScheme: 'light' });
await page.goto(pathToFileURL(path.join(folder, 'step.html')).href);
await page.locator('figure[data-chart=timeline] canvas').first().waitFor();
await page.screenshot({ path: path.join(folder, 'readme-report.png') });

const chart = page.locator('figure[data-chart=timeline] .chart');
await chart.focus();
for (const [key, times] of [['+', 5], ['ArrowLeft', 60]])
  for (let i = 0; i < times; ++i) await page.keyboard.press(key);
await page.mouse.move(0, 0);
await chart.evaluate(element => element.blur());
await page.waitForTimeout(500);  // of animation
await chart.screenshot({ path: path.join(folder, 'readme-timeline.png') });
await browser.close();
