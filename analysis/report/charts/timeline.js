// What every pipeline stage does when. data: {unit, end, kinds: [name], rows: [stage], levels: [[bar]]} with a bar [row,
// start, length, kind, micro-batch, chunk, forward micro-batch], times in `unit`, -1 = none. Levels are the same timeline,
// coarse ones first: bars thinner than a few pixels would blur into each other.
import { graphic } from 'echarts/core';

import { inkOn, textured } from './look.js';
import { stretch, zoomable } from './zoom.js';

// By kind: property, texture, letter inside a bar. As in picture_pipeline.cpp.
const looks = [
  ['c-forward', 'solid', 'F'], ['c-backward', 'solid', 'B'], ['c-weight', 'vertical', 'W'], ['c-forward', 'solid', ''],
  ['c-optimizer', 'solid', 'opt'], ['c-communication', 'dots', ''], ['c-idle', 'diagonal', ''],
];
const fused = 3;

const nameOf = ([, , , kind, micro, , forward]) =>
  kind === fused ? `F${forward} B${micro}` : looks[kind][2] + (micro >= 0 ? micro : '');

// The finest level whose bars are wide enough to be seen where the whole step is `width` pixels.
function levelFor(data, width) {
  const thinnest = 2.5;
  for (let level = data.levels.length - 1; level > 0; --level)
    if (width * data.rows.length / data.levels[level].length >= thinnest) return level;
  return 0;
}

function rectangle(params, api, data) {
  const level = api.value(4);
  if (level !== levelFor(data, api.size([data.end, 0])[0])) return null;
  const bar = data.levels[level][api.value(3)];
  const row = api.value(2);
  const [from, y] = api.coord([api.value(0), row]);
  const [to] = api.coord([api.value(1), row]);
  const height = api.size([0, 1])[1] * 0.82;
  const area = params.coordSys;
  const shape = graphic.clipRectByRect({ x: from, y: y - height / 2, width: Math.max(0.6, to - from), height },
    { x: area.x, y: area.y, width: area.width, height: area.height });
  return shape && { bar, shape, height };
}

function drawn(look, data) {
  const fills = looks.map(([name, texture]) =>
    textured(texture, look.colour[name], name === 'c-idle' ? look.colour.grid : look.colour.bg));
  return (params, api) => {
    const found = rectangle(params, api, data);
    if (!found) return null;
    const { bar, shape } = found;
    const kind = bar[3];
    const text = nameOf(bar);
    const edge = shape.width > 8 && bar[4] >= 0 ? { stroke: look.colour.bg, lineWidth: 1 } : {};
    const rect = (more, fill) => ({ type: 'rect', shape: { ...shape, ...more }, style: { fill, ...edge } });
    const half = shape.height / 2;
    const children = kind === fused
      ? [rect({ height: half }, fills[0]), rect({ y: shape.y + half, height: half }, fills[1])]
      : [rect({}, fills[kind])];
    if (text && shape.height >= 11 && shape.width > 8 + 7 * text.length)
      children.push({
        type: 'text', silent: true,
        style: {
          text, x: shape.x + shape.width / 2, y: shape.y + half, align: 'center', verticalAlign: 'middle',
          fill: inkOn(look.colour[looks[kind][0]]), fontSize: 11,
        },
      });
    return { type: 'group', children };
  };
}

function words(data, level, bar) {
  const [row, start, length, kind, micro, chunk, forward] = bar;
  const lines = [`stage ${data.rows[row]}: ${data.kinds[kind]}`];
  if (level + 1 < data.levels.length) return [...lines, 'zoom in for single passes'].join('\n');
  if (kind === fused) lines.push(`forward of micro-batch ${forward}, backward of ${micro}`);
  else if (micro >= 0) lines.push(`micro-batch ${micro}`);
  if (data.chunks && micro >= 0) lines[lines.length - 1] += `, chunk ${chunk}`;
  const digits = 4;
  lines.push(`${start.toFixed(digits)} – ${(start + length).toFixed(digits)} ${data.unit}`);
  lines.push(`takes ${length.toFixed(digits)} ${data.unit}`);
  return lines.join('\n');
}

export function timeline(data, { look, narrow }) {
  const rowHeight = data.rows.length <= 8 ? 38 : data.rows.length <= 16 ? 26 : data.rows.length <= 32 ? 18 : 11;
  const used = data.kinds.map((_, kind) => kind).filter(kind => data.levels.at(-1).some(bar => bar[3] === kind));
  const top = narrow ? 64 : 40;
  const halves = [[0, 0], [0.5, 0], [0.5, 1], [1, 1]].map(([offset, kind]) =>
    ({ offset, color: look.colour[looks[kind][0]] }));
  const swatch = kind => kind === fused ? { type: 'linear', x: 0, y: 0, x2: 0, y2: 1, colorStops: halves } : textured(looks[kind][1], look.colour[looks[kind][0]],
    looks[kind][0] === 'c-idle' ? look.colour.grid : look.colour.bg);
  const series = used.map(kind => ({
    type: 'custom', name: data.kinds[kind], renderItem: drawn(look, data), progressive: 4000,
    itemStyle: { color: swatch(kind) }, encode: { x: [0, 1], y: 2 },
    data: data.levels.flatMap((bars, level) =>
      bars.flatMap((bar, i) => bar[3] === kind ? [[bar[1], bar[1] + bar[2], bar[0], i, level]] : [])),
  }));
  return {
    height: top + data.rows.length * rowHeight + 84,
    label: `Pipeline timeline of ${data.rows.length} stages over ${data.end.toPrecision(4)} ${data.unit}. ` +
      'Plus and minus zoom, the arrows move, Home shows all. The table below has the numbers.',
    zoom: (from, to) => stretch(from * data.end, to * data.end, data.unit),
    option: {
      textStyle: look.text,
      legend: { top: 6, left: 8, right: 8, textStyle: { color: look.colour.fg }, itemWidth: 18, itemHeight: 12, icon: 'rect' },
      grid: { left: narrow ? 34 : 62, right: 18, top, bottom: 76 },
      tooltip: { ...look.tooltip, formatter: item => words(data, item.value[4], data.levels[item.value[4]][item.value[3]]) },
      dataZoom: zoomable(look, narrow),
      xAxis: {
        ...look.axis, type: 'value', min: 0, max: data.end, name: data.unit, nameLocation: 'middle', nameGap: 26,
        axisLabel: { ...look.axis.axisLabel, showMaxLabel: false, formatter: value => String(+value.toPrecision(6)) },
      },
      yAxis: {
        ...look.axis, type: 'category', inverse: true, data: data.rows.map(row => narrow ? `${row}` : `stage ${row}`),
        splitLine: { show: false }, axisTick: { show: false },
      },
      series,
    },
  };
}
