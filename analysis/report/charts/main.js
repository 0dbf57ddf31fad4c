// The interactive pictures of a report. Each takes the place of the static one in its figure.
import { CustomChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  AriaComponent, DataZoomInsideComponent, DataZoomSliderComponent, GridComponent, LegendComponent, MarkLineComponent,
  TooltipComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

import { axes } from './axes.js';
import { look } from './look.js';
import { memory } from './memory.js';
import { pareto } from './pareto.js';
import { timeline } from './timeline.js';
import { addZoom } from './zoom.js';

echarts.use([CustomChart, HeatmapChart, LineChart, ScatterChart, AriaComponent, DataZoomInsideComponent,
  DataZoomSliderComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

const kinds = { timeline, memory, pareto, axes };
const narrow = () => window.matchMedia('(max-width: 700px)').matches;

// `kind` makes {option, label, zoom, controls} of the data: what ECharts draws, what a reader who does not see it is
// told, how a range of the zoomed axis is written, and elements that choose what is shown.
function show(figure, make, data) {
  const holder = figure.querySelector('.chart');
  figure.classList.add('live');
  const state = {};
  const current = () => make(data, { look: look(), narrow: narrow(), state });
  let picture = current();
  holder.style.height = `${picture.height ?? 380}px`;
  const chart = echarts.init(holder, null, { renderer: 'canvas' });
  const tools = figure.querySelector('.tools');
  const redraw = () => {
    picture = current();
    holder.style.height = `${picture.height ?? 380}px`;
    chart.resize();
    chart.setOption({ animation: false, ...picture.option }, { notMerge: true });
    describe(holder, picture);
  };
  picture.controls?.(tools, redraw);
  redraw();
  addZoom({ chart, holder, tools, write: (from, to) => picture.zoom(from, to) });

  let width = holder.clientWidth;
  new ResizeObserver(() => {
    if (holder.clientWidth === 0 || holder.clientWidth === width) return;
    width = holder.clientWidth;
    redraw();
  }).observe(holder);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}

function describe(holder, picture) {
  holder.tabIndex = 0;
  holder.setAttribute('role', 'application');
  holder.setAttribute('aria-roledescription', 'chart');
  holder.setAttribute('aria-label', picture.label);
}

const data = JSON.parse(document.getElementById('chart-data').textContent);
for (const figure of document.querySelectorAll('figure[data-chart]')) {
  const name = figure.dataset.chart;
  if (kinds[name] && data[name]) show(figure, kinds[name], data[name]);
}
