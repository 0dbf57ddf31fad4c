//<![CDATA[
// What a page does without charts: sorting tables, copying, opening everything for print.
(() => {
  'use strict';
  document.documentElement.classList.add('works');

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.sort);
    return Number.isNaN(number) ? cell.textContent.trim() : number;
  };
  const inOrder = (a, b) => (typeof a === 'number' && typeof b === 'number')
    ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });

  function sortBy(table, head, column) {
    const falling = head.getAttribute('aria-sort') === 'ascending';
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((a, b) => (falling ? -1 : 1) * inOrder(valueOf(a, column), valueOf(b, column)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll('table.sortable')) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener('click', () => sortBy(table, head, column));
    });
  }

  const status = document.createElement('div');
  status.className = 'unseen';
  status.setAttribute('role', 'status');
  document.body.append(status);

  // Where the browser keeps the clipboard from pages: a selection to copy by hand.
  function selected(text) {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'unseen';
    document.body.append(area);
    area.select();
    let done = false;
    try { done = document.execCommand('copy'); } catch { done = false; }
    area.remove();
    return done;
  }

  async function copy(button) {
    const text = button.dataset.copy;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = selected(text);
      button.focus();
    }
    const label = button.textContent;
    button.textContent = done ? 'Copied' : 'Not copied';
    status.textContent = done ? 'copied' : 'the browser did not allow copying';
    setTimeout(() => { button.textContent = label; status.textContent = ''; }, 1500);
  }
  for (const button of document.querySelectorAll('button[data-copy]'))
    button.addEventListener('click', () => { if (!button.textContent.includes('opied')) copy(button); });

  const opened = [];
  window.addEventListener('beforeprint', () => {
    for (const d of document.querySelectorAll('details:not([open])')) { d.open = true; opened.push(d); }
  });
  window.addEventListener('afterprint', () => { while (opened.length) opened.pop().open = false; });
})();
//]]>
