// What a report must look like.
import assert from 'node:assert/strict';

// Every chart has taken the place of its picture and shows something: text and more than one colour.
export async function checkCharts(page, names) {
  for (const name of names) {
    const figure = page.locator(`figure[data-chart=${name}]`);
    assert.equal(await figure.count(), 1, `there is no chart ${name}`);
    await figure.locator('canvas').first().waitFor({ state: 'visible', timeout: 20000 });
    await page.waitForFunction(chart => {
      const canvas = document.querySelector(`figure[data-chart=${chart}] canvas`);
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const colours = new Map();
      for (let i = 0; i < pixels.length; i += 4 * 7) {
        const colour = `${pixels[i]},${pixels[i + 1]},${pixels[i + 2]},${pixels[i + 3]}`;
        colours.set(colour, (colours.get(colour) ?? 0) + 1);
      }
      const largest = Math.max(...colours.values()) / (pixels.length / 28);
      return colours.size > 20 && largest < 0.98;
    }, name, { timeout: 20000 });
    assert.equal(await figure.locator('.replaced').isVisible(), false, `${name} shows its static picture, too`);
  }
}

// No sideways scrolling of the page, nothing that sticks out of it, text that can be read.
export async function checkLayout(page) {
  const found = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const seen = element => element.checkVisibility() && element.getBoundingClientRect().width > 0;
    const scrolls = element => element.closest('.scroll, pre, .unseen, .skip') !== null;
    const outside = Array.from(document.body.querySelectorAll('*')).filter(element =>
      seen(element) && !scrolls(element) && !element.closest('svg') && element.getBoundingClientRect().right > width + 1);
    const pictures = Array.from(document.querySelectorAll('figure svg')).filter(seen);
    const scale = pictures.map(svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width);
    return {
      page: document.documentElement.scrollWidth - width,
      outside: outside.map(element => `${element.tagName}.${element.className}`),
      scale: Math.min(...scale, 1),
    };
  });
  assert.ok(found.page <= 0, `the page scrolls sideways by ${found.page} pixels`);
  assert.deepEqual(found.outside, [], 'elements stick out of the page');
  assert.ok(found.scale > 0.9, `a picture is shown at ${found.scale} of the size that its text was set for`);
}

// Static pictures in the place of charts, no button that would do nothing.
export async function checkWithoutScripts(page) {
  const visible = page.locator('figure svg:visible');
  assert.ok(await visible.count() >= await page.locator('figure').count(), 'a figure shows no picture');
  for (const box of await visible.evaluateAll(all => all.map(svg => svg.getBoundingClientRect().toJSON())))
    assert.ok(box.width > 200 && box.height > 40, `a picture is ${box.width} x ${box.height}`);
  assert.equal(await page.locator('button:visible').count(), 0, 'there are buttons that do nothing');
  assert.equal(await page.locator('.chart:visible').count(), 0, 'there is an empty chart');
}

export async function checkPrint(page) {
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('canvas:visible').count(), 0, 'charts are printed as pixels');
  assert.equal(await page.locator('button:visible:not(thead button)').count(), 0, 'buttons are printed');
  assert.ok(await page.locator('figure svg:visible').count() >= await page.locator('figure').count());
}

// A script that the page did not come with must not run.
export async function checkPolicy(page, url) {
  await page.goto(url);
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.smuggled = 1';
    document.body.append(script);
    return window.smuggled;
  });
  assert.equal(ran, undefined, 'the policy lets foreign scripts run');
}
