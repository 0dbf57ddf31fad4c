// Memory against step time. data: {unit, limit, plans: [[GiB, time, name]], front: [[GiB, time, name]], best: [GiB, time,
// name]}; what is outside the front was simulated and is neither.
import { stretch, zoomable } from './zoom.js';

export function pareto(data, { look, narrow }) {
  const point = ([memory, time, name]) => ({ value: [memory, time], name });
  const colour = look.colour;
  const largest = Math.max(data.limit, ...data.front.map(p => p[0]), ...data.plans.map(p => p[0]));
  const smallest = Math.min(data.limit, ...data.front.map(p => p[0]), ...data.plans.map(p => p[0]));
  const room = Math.max(largest - smallest, 1) * 0.05;
  const [from, to] = [Math.max(0, Math.floor(smallest - room)), Math.ceil(largest + room)];
  const shown = { min: from, max: to };
  return {
    height: narrow ? 400 : 460,
    label: `Memory against step time of ${data.plans.length + data.front.length} plans; ${data.front.length} on the ` +
      'Pareto front. Plus and minus zoom, the arrows move, Home shows all. The tables have the numbers.',
    zoom: (a, b) => stretch(from + a * (to - from), from + b * (to - from), 'GiB'),
    option: {
      textStyle: look.text,
      legend: { top: 6, left: 8, right: 8, textStyle: { color: colour.fg } },
      grid: { left: narrow ? 54 : 64, right: 24, top: narrow ? 64 : 44, bottom: 84 },
      tooltip: {
        ...look.tooltip, trigger: 'item',
        textStyle: { ...look.tooltip.textStyle, width: narrow ? 240 : 480, overflow: 'break' },
        formatter: item => `${item.name}\n${item.value[1].toPrecision(5)} ${data.unit} · ${item.value[0].toFixed(1)} GiB`,
      },
      dataZoom: zoomable(look, narrow),
      xAxis: { ...look.axis, type: 'value', ...shown, name: 'peak memory per GPU, GiB', nameLocation: 'middle', nameGap: 28,
        axisLabel: { ...look.axis.axisLabel, formatter: value => String(+value.toPrecision(4)) } },
      yAxis: { ...look.axis, type: 'log', logBase: 2, name: `step time, ${data.unit}`, nameLocation: 'middle', nameGap: 38,
        min: value => value.min * 0.96, max: value => value.max * 1.02,
        axisLabel: { ...look.axis.axisLabel, showMinLabel: false, showMaxLabel: false, formatter: value => String(+value.toPrecision(3)) } },
      series: [
        { type: 'scatter', name: 'simulated', symbol: 'circle', symbolSize: 6, z: 2,
          itemStyle: { color: 'transparent', borderColor: colour['c-other'], borderWidth: 1.2 }, data: data.plans.map(point) },
        { type: 'line', name: 'Pareto front', step: 'end', symbol: 'circle', symbolSize: 9, z: 3,
          lineStyle: { color: colour['c-forward'], width: 2 }, itemStyle: { color: colour['c-forward'] },
          data: [...data.front].sort((a, b) => a[0] - b[0]).map(point),
          markLine: { silent: true, symbol: 'none', lineStyle: { color: colour['c-limit'], type: 'dashed', width: 2 },
            label: { formatter: `limit ${data.limit.toFixed(1)} GiB`, position: 'insideEndTop', color: colour.fg },
            data: [{ xAxis: data.limit }] } },
        ...(data.best ? [{ type: 'scatter', name: 'best', symbol: 'diamond', symbolSize: 18, z: 4,
          itemStyle: { color: colour['c-backward'], borderColor: colour.fg, borderWidth: 1 }, data: [point(data.best)] }] : []),
      ],
    },
  };
}
