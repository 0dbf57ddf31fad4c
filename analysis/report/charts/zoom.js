// Zooming by buttons and keys, for those who use no wheel; the range shown is said beside the buttons.
const steps = { in: 0.5, out: 2 };

function moved(range, action) {
  const length = range.to - range.from;
  if (action === 'all') return { from: 0, to: 100 };
  if (action in steps) {
    const wanted = Math.min(100, Math.max(0.02, length * steps[action]));
    const middle = (range.from + range.to) / 2;
    const from = Math.min(100 - wanted, Math.max(0, middle - wanted / 2));
    return { from, to: from + wanted };
  }
  const shift = length / 4 * (action === 'on' ? 1 : -1);
  const from = Math.min(100 - length, Math.max(0, range.from + shift));
  return { from, to: from + length };
}

const actionOfKey = {
  '+': 'in', '=': 'in', '-': 'out', ArrowLeft: 'back', ArrowRight: 'on', Home: 'all', 0: 'all', Escape: 'all',
};

export function addZoom({ chart, holder, tools, write }) {
  const output = tools.querySelector('output');
  const zoomed = () => (chart.getOption().dataZoom ?? []).filter(zoom => zoom.xAxisIndex !== undefined);
  if (zoomed().length === 0) {
    for (const button of tools.querySelectorAll('[data-zoom]')) button.remove();
    output.remove();
    return;
  }
  const range = () => ({ from: zoomed()[0].start, to: zoomed()[0].end });
  const say = () => { output.textContent = write(range().from / 100, range().to / 100); };
  const act = action => {
    const { from, to } = moved(range(), action);
    chart.dispatchAction({ type: 'dataZoom', start: from, end: to });
  };
  for (const button of tools.querySelectorAll('[data-zoom]'))
    button.addEventListener('click', () => act(button.dataset.zoom));
  holder.addEventListener('keydown', event => {
    const action = actionOfKey[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(action);
  });
  chart.on('datazoom', say);
  say();
}

// A stretch of an axis, with as many digits as tell its ends apart.
export function stretch(from, to, unit) {
  const digits = Math.min(9, Math.max(0, 3 - Math.floor(Math.log10(Math.max(to - from, 1e-9)))));
  return `${from.toFixed(digits)} to ${to.toFixed(digits)} ${unit}`;
}

// A slider below the plot, and the wheel with Ctrl, so that the page still scrolls.
export const zoomable = ({ colour }, narrow) => [
  {
    type: 'slider', xAxisIndex: 0, filterMode: 'none', height: 22, bottom: 8, showDetail: false, showDataShadow: false, minSpan: 0.02,
    borderColor: colour.grid, textStyle: { color: colour.fg }, brushSelect: !narrow,
  },
  { type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false, minSpan: 0.02 },
];
