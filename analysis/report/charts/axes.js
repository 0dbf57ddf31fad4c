// The best step time of every pair of two settings' values. data: {unit, row, column, axes: [{name, values}], plans:
// [[time, place of the value on each axis …]]}; `row` and `column` are the axes shown at first.
import { inkOn } from './look.js';

function chooser(data, state, key, label, redraw) {
  const holder = document.createElement('label');
  const select = document.createElement('select');
  data.axes.forEach((axis, i) => select.add(new Option(axis.name, String(i))));
  select.value = String(state[key]);
  select.addEventListener('change', () => { state[key] = Number(select.value); redraw(); });
  holder.append(label, select);
  return holder;
}

function bestOfPairs(data, row, column) {
  const best = new Map();
  for (const plan of data.plans) {
    const key = `${plan[1 + column]},${plan[1 + row]}`;
    if (!(best.get(key) <= plan[0])) best.set(key, plan[0]);
  }
  return Array.from(best, ([key, time]) => [...key.split(',').map(Number), time]);
}

// Between two colours "#rrggbb".
function mixed(from, to, share) {
  const part = (colour, i) => parseInt(colour.slice(i, i + 2), 16);
  return '#' + [1, 3, 5].map(i =>
    Math.round(part(from, i) + (part(to, i) - part(from, i)) * share).toString(16).padStart(2, '0')).join('');
}

export function axes(data, { look, narrow, state }) {
  state.row ??= data.row;
  state.column ??= data.column;
  const [row, column] = [data.axes[state.row], data.axes[state.column]];
  const cells = bestOfPairs(data, state.row, state.column);
  const times = cells.map(cell => cell[2]);
  const [least, most] = [Math.min(...times), Math.max(...times)];
  const colourOf = time => mixed(look.colour.panel, look.colour['c-forward'],
    most > least ? 0.1 + 0.9 * Math.log(most / time) / Math.log(most / least) : 1);
  const fastest = cells.find(cell => cell[2] === least);
  return {
    height: 110 + 46 * row.values.length,
    label: `Best step time by ${row.name} and ${column.name}: ${cells.length} pairs were simulated, from ` +
      `${least.toPrecision(4)} to ${most.toPrecision(4)} ${data.unit}; the fastest at ${row.name} ` +
      `${row.values[fastest[1]]}, ${column.name} ${column.values[fastest[0]]}.`,
    controls: (tools, redraw) => tools.prepend(chooser(data, state, 'row', 'Down: ', redraw),
      chooser(data, state, 'column', 'Across: ', redraw)),
    option: {
      textStyle: look.text,
      grid: { left: narrow ? 70 : 130, right: 12, top: 16, bottom: 60, show: true, borderColor: look.colour.grid },
      tooltip: {
        ...look.tooltip,
        formatter: ({ value }) => `${row.name} ${row.values[value[1]]}, ${column.name} ${column.values[value[0]]}\n` +
          `best ${value[2].toPrecision(5)} ${data.unit}`,
      },
      xAxis: { ...look.axis, type: 'category', data: column.values, name: column.name, nameLocation: 'middle', nameGap: 30,
        splitLine: { show: true, lineStyle: { color: look.colour.grid } } },
      yAxis: { ...look.axis, type: 'category', inverse: true, data: row.values, name: narrow ? '' : row.name,
        nameLocation: 'middle', nameGap: 90, splitLine: { show: true, lineStyle: { color: look.colour.grid } },
        axisLabel: { ...look.axis.axisLabel, width: narrow ? 62 : 110, overflow: 'truncate' } },
      series: [{
        type: 'heatmap',
        data: cells.map(cell => ({
          value: cell,
          itemStyle: { color: colourOf(cell[2]), borderColor: look.colour.bg, borderWidth: 2 },
          label: { color: inkOn(colourOf(cell[2])), fontWeight: cell === fastest ? 'bold' : 'normal' },
        })),
        label: { show: true, fontSize: narrow ? 10 : 12, formatter: ({ value }) => value[2].toPrecision(narrow ? 3 : 4) },
        emphasis: { itemStyle: { borderColor: look.colour.fg } },
      }],
    },
  };
}
