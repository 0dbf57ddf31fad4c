// What a reader does with a report.
import assert from 'node:assert/strict';

export async function checkZoom(page, name) {
  const figure = page.locator(`figure[data-chart=${name}]`);
  const range = () => figure.locator('output').textContent();
  const all = await range();
  await figure.getByRole('button', { name: 'Zoom in' }).click();
  const closer = await range();
  assert.notEqual(closer, all, 'zooming in changes nothing');
  await figure.getByRole('button', { name: 'Later' }).click();
  assert.notEqual(await range(), closer, 'moving changes nothing');
  await figure.getByRole('button', { name: 'Show all' }).click();
  assert.equal(await range(), all, 'the whole is not shown again');

  await figure.locator('.chart').focus();
  await page.keyboard.press('+');
  assert.equal(await range(), closer, 'a key does not do what its button does');
  await page.keyboard.press('Home');
  assert.equal(await range(), all);

  const pixels = () => figure.locator('canvas').first().evaluate(canvas => canvas.toDataURL());
  const before = await pixels();
  await figure.locator('.chart').hover();
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -600);
  await page.keyboard.up('Control');
  await page.waitForFunction(([chart, was]) =>
    document.querySelector(`figure[data-chart=${chart}] output`).textContent !== was, [name, all], { timeout: 20000 });
  assert.notEqual(await pixels(), before, 'the picture of a zoomed chart is the old one');
  await page.keyboard.press('Home');
}

// Every column that has different values, there and back.
export async function checkSorting(page) {
  const table = page.locator('table.sortable').first();
  const order = () => table.locator('tbody tr').evaluateAll(rows => rows.map(row => row.textContent));
  const heads = table.locator('thead th');
  let reversed = 0;
  for (let column = 0; column < await heads.count(); ++column) {
    const head = heads.nth(column);
    const values = new Set(await table.locator(`tbody tr > :nth-child(${column + 1})`).allTextContents());
    await head.getByRole('button').click();
    assert.equal(await head.getAttribute('aria-sort'), 'ascending');
    const rising = await order();
    await head.getByRole('button').click();
    assert.equal(await head.getAttribute('aria-sort'), 'descending');
    assert.equal(await table.locator('th[aria-sort]').count(), 1, 'two columns claim to be sorted by');
    if (values.size > 1) assert.notDeepEqual(await order(), rising, `column ${column} cannot be sorted`);
    if (values.size > 1) ++reversed;
  }
  assert.ok(reversed > 2, 'there is nothing to sort');
}

export async function checkCopying(page) {
  const button = page.locator('button[data-copy]:visible').first();
  const text = await button.getAttribute('data-copy');
  assert.match(text, /--set|--tensor/);
  await button.click();
  await page.getByText('Copied').first().waitFor({ timeout: 20000 });
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);
}

// From the top of a page that was just opened Tab alone leads to the navigation, the charts, the tables and their buttons, each of which shows where the focus is.
export async function checkKeyboard(page) {
  const wanted = ['navigation', 'chart', 'zoom', 'table', 'sort', 'copy'];
  const reached = new Set();
  const most = 400;
  for (let i = 0; i < most && !wanted.every(what => reached.has(what)); ++i) {
    await page.keyboard.press('Tab');
    const now = await page.evaluate(() => {
      const element = document.activeElement;
      const what = element.closest('nav') ? 'navigation' : element.matches('.chart') ? 'chart'
        : element.matches('[data-zoom]') ? 'zoom' : element.matches('th button') ? 'sort'
        : element.matches('[data-copy]') ? 'copy' : element.matches('.scroll') ? 'table' : element.tagName;
      return { what, outlined: getComputedStyle(element).outlineStyle !== 'none' };
    });
    if (now.what === 'BODY') break;
    assert.ok(now.outlined, `${now.what} does not show that it has the focus`);
    reached.add(now.what);
  }
  for (const what of wanted)
    assert.ok(reached.has(what), `Tab does not lead to ${what}`);
}
