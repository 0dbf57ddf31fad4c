// node bundle.mjs OUTPUT: the charts with what they use of ECharts, minified, with the licences of what is inside.
import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const licences = ['echarts/LICENSE', 'echarts/NOTICE', 'echarts/licenses/LICENSE-d3', 'zrender/LICENSE',
  'tslib/LICENSE.txt'].map(file => `${file}\n\n${readFileSync(`node_modules/${file}`, 'utf8')}`).join('\n\n');

const { outputFiles } = await build({
  entryPoints: ['charts/main.js'], bundle: true, minify: true, format: 'iife', target: 'es2020', charset: 'utf8',
  legalComments: 'none', write: false, define: { 'process.env.NODE_ENV': '"production"' },
});

// In a page that is XML, too, a script is one CDATA section, and no script may end its element. Both are comparisons if
// they are anything in minified code.
const code = outputFiles[0].text.replaceAll(']]>', ']] >').replaceAll('</script', '<\\/script');
const banner = `/*\n${licences.replaceAll('*/', '* /').replaceAll(']]>', ']] >').replaceAll('\r', '')}\n*/\n`;
writeFileSync(process.argv[2], `//<![CDATA[\n${banner}${code}\n//]]>\n`);
