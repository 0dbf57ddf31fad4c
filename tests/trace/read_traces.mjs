// Writes timelines in every format, loads them into Perfetto's trace processor and checks that nothing is lost.
//   TRACE_PROCESSOR=folder node read_traces.mjs TRAINYARD_BINARY WORK_FOLDER
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const [, , trainyard, work] = process.argv;
const driver = path.join(path.dirname(fileURLToPath(import.meta.url)), 'trace_processor.mjs');
let problems = 0;
const check = (holds, what) => {
  if (holds) return;
  ++problems;
  console.log(`FAILED: ${what}`);
};

const simulate = (args) => execFileSync(trainyard, ['simulate', ...args], { maxBuffer: 1 << 28 }).toString();
const query = (trace, ...sql) =>
  execFileSync(process.execPath, [driver, trace, ...sql], { maxBuffer: 1 << 28 }).toString().trim().split('\n')
    .map((line) => JSON.parse(line));

const losses = "select name, value from stats where severity in ('error', 'data_loss') and value > 0";
const counts = 'select (select count(*) from slice) slices, (select count(*) from flow) flows, ' +
  '(select count(*) from counter) counters';

// What was written, counted without Perfetto. It makes slices of instants, too.
const written = (trace) => {
  const text = (trace.endsWith('.gz') ? gunzipSync(readFileSync(trace)) : readFileSync(trace)).toString();
  const events = JSON.parse(text).traceEvents;
  const of = (phase) => events.filter((event) => event.ph === phase);
  const starts = new Set(of('s').map((event) => event.id));
  for (const end of of('f')) check(starts.has(end.id), `${trace}: flow ${end.id} has no beginning`);
  return { slices: of('X').length + of('i').length, flows: of('f').length, counters: of('C').length };
};

const expectLossless = (trace, expected) => {
  const [lost, [read]] = query(trace, losses, counts);
  check(lost.length === 0, `${trace}: ${JSON.stringify(lost)}`);
  for (const what of Object.keys(expected))
    check(read[what] === expected[what], `${trace}: ${read[what]} ${what} read, ${expected[what]} written`);
  console.log(`${path.basename(trace)}: ${read.slices} slices, ${read.flows} flows, ${read.counters} counter values`);
};

// Sums of slices on the compute tracks of one rank per stage, all stages having as many ranks, against the breakdown.
const expectBreakdown = (trace, report) => {
  const [rows, [{ processes }]] = query(trace,
    'select s.category, sum(s.dur) / 1e9 as s from slice s join process_track t on s.track_id = t.id ' +
    "where t.name = 'compute' group by 1",
    "select count(*) processes from process where name like 'stage%'");
  const sum = (...categories) =>
    rows.filter((row) => categories.includes(row.category)).reduce((all, row) => all + row.s, 0) / processes;
  const b = report.breakdown_s;
  const near = (read, said, what) =>
    check(Math.abs(read - said) < 1e-6 * report.step_time_s, `${trace}: ${what}: ${read} s read, ${said} s reported`);
  near(sum('forward', 'backward', 'weight gradient'), b.compute + b.exposed_tp + b.exposed_cp + b.exposed_ep, 'passes');
  near(sum('optimizer'), b.optimizer, 'optimizer');
  near(sum('idle'), b.exposed_pp + b.exposed_dp + b.bubble + b.other, 'idle');
};

// Without sequence parallelism no tensor-parallel collective runs outside the passes.
const scenarios = [
  { name: 'block', args: ['llama3-70b-64xh100', '--set', 'plan.sequence_parallel=false', '--set', 'plan.recompute_granularity=full'], breakdown: true },
  { name: 'layer', args: ['llama3-70b-64xh100', '--granularity', 'layer'] },
  { name: 'ranks', args: ['llama3-70b-64xh100', '--all-ranks', '--trace-ranks', '0-1'], traced: true },
  { name: 'fluid', args: ['llama3-70b-64xh100', '--engine', 'fluid', '--granularity', 'layer', '--trace-ranks', '0,8,63'],
    traced: true },
  { name: 'moe', args: ['mixtral-8x7b-64xh100'] },
];
mkdirSync(work, { recursive: true });
for (const scenario of scenarios) {
  const base = path.join(work, scenario.name);
  const formats = scenario.name === 'ranks' ? ['json.gz', 'pftrace'] : ['json', 'json.gz', 'pftrace', 'pftrace.gz'];
  const write = (file) => simulate([...scenario.args, '--no-experiments', '--json', '--trace', file]);
  const report = JSON.parse(write(`${base}.${formats[0]}`));
  const expected = written(`${base}.${formats[0]}`);
  for (const format of formats) {
    write(`${base}.${format}`);
    expectLossless(`${base}.${format}`, expected);
  }
  if (scenario.breakdown) expectBreakdown(`${base}.pftrace`, report);
}

if (simulateHelp().includes('--trace-kineto')) {
  const folder = path.join(work, 'kineto');
  simulate(['llama3-70b-64xh100', '--no-experiments', '--json', '--trace-kineto', folder]);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json.gz')).slice(0, 2)) {
    const trace = path.join(folder, file);
    const { slices, flows } = written(trace);
    expectLossless(trace, { slices, flows });
  }
}
function simulateHelp() { return simulate(['--help']); }

process.exit(problems === 0 ? 0 : 1);
