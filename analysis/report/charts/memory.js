// Memory of one stage over the step, stacked by owner. data: {unit, end, limit, owners: [name], stages: [{stage, times,
// held: [[per owner]]}]}; memory in GiB.
import { textured } from './look.js';
import { stretch, zoomable } from './zoom.js';

// As picture_memory.cpp, by the owner's place.
const looks = [['c-forward', 'solid'], ['c-backward', 'diagonal'], ['c-optimizer', 'solid'], ['c-weight', 'vertical'],
  ['c-sky', 'dots'], ['c-communication', 'horizontal']];

function chooser(data, state, tools, redraw) {
  if (data.stages.length < 2) return;
  const label = document.createElement('label');
  const select = document.createElement('select');
  data.stages.forEach((stage, i) => select.add(new Option(`stage ${stage.stage}`, String(i))));
  select.value = String(state.stage);
  select.addEventListener('change', () => { state.stage = Number(select.value); redraw(); });
  label.append('Shown: ', select);
  tools.prepend(label);
}

const total = held => held.reduce((sum, one) => sum + one, 0);

function fullest(data) {
  const peaks = data.stages.map(stage => Math.max(...stage.held.map(total)));
  return peaks.indexOf(Math.max(...peaks));
}

export function memory(data, { look, narrow, state }) {
  state.stage ??= fullest(data);
  const stage = data.stages[state.stage];
  const series = data.owners.map((name, owner) => {
    const [property, texture] = looks[owner % looks.length];
    const fill = textured(texture, look.colour[property], look.colour.bg);
    return {
      type: 'line', name, stack: 'memory', step: 'end', symbol: 'none', lineStyle: { width: 0 },
      itemStyle: { color: fill },
      areaStyle: { opacity: 1, color: fill },
      data: stage.times.map((time, i) => [time, stage.held[i][owner]]),
    };
  }).filter(one => one.data.some(point => point[1] > 0));
  if (series.length)
    series[0].markLine = {
      silent: true, symbol: 'none', lineStyle: { color: look.colour['c-limit'], type: 'dashed', width: 2 },
      label: { formatter: `limit ${data.limit.toFixed(1)} GiB`, position: 'insideEndTop', color: look.colour.fg },
      data: [{ yAxis: data.limit }],
    };
  const top = narrow ? 84 : 40;
  return {
    height: narrow ? 380 : 360,
    label: `Memory of stage ${stage.stage} over the step, stacked by owner; at most ` +
      `${Math.max(...stage.held.map(total)).toFixed(1)} of ${data.limit.toFixed(1)} GiB. ` +
      'Plus and minus zoom, the arrows move, Home shows all.',
    zoom: (from, to) => stretch(from * data.end, to * data.end, data.unit),
    controls: (tools, redraw) => chooser(data, state, tools, redraw),
    option: {
      textStyle: look.text,
      legend: { top: 6, left: 8, right: 8, textStyle: { color: look.colour.fg }, itemWidth: 18, itemHeight: 12, icon: 'rect' },
      grid: { left: 58, right: 18, top, bottom: 76 },
      tooltip: {
        ...look.tooltip, trigger: 'axis',
        formatter: items => [`${items[0].value[0].toPrecision(5)} ${data.unit}`,
          ...items.slice().reverse().map(item => `${item.seriesName}: ${item.value[1].toFixed(2)} GiB`),
          `together: ${total(items.map(item => item.value[1])).toFixed(2)} GiB`].join('\n'),
      },
      dataZoom: zoomable(look, narrow),
      xAxis: { ...look.axis, type: 'value', min: 0, max: data.end, name: data.unit, nameLocation: 'middle', nameGap: 26,
        axisLabel: { ...look.axis.axisLabel, showMaxLabel: false, formatter: value => String(+value.toPrecision(6)) } },
      yAxis: { ...look.axis, type: 'value', min: 0, name: 'GiB', nameLocation: 'middle', nameGap: 34, max: value => Math.max(value.max, data.limit) * 1.05,
        axisLabel: { ...look.axis.axisLabel, formatter: value => value.toFixed(0), showMaxLabel: false } },
      series,
    },
  };
}
