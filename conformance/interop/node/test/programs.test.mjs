// The two programs as they are run, over loopback.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'xtmp-'));
const seedFile = join(dir, 'seed');
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const FINGERPRINT = 'bb9fd7fd40843d47d2654f04be3e29592ecfaed74eb9f47fd490998d54176b35';
let server;
let ready = '';
let address;

before(async () => {
  writeFileSync(seedFile, SEED);
  server = spawn(process.execPath, [program('server.mjs'), '--port', '0', '--key', seedFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  server.stdout.on('data', (chunk) => (ready += chunk));
  while (!ready.endsWith('\n')) await once(server.stdout, 'data');
  [, address] = /^READY tcp=(127\.0\.0\.1:[0-9]+) udp=- fingerprint=[0-9a-f]{64} pins=\S+\n$/.exec(ready);
});
after(() => {
  server.kill('SIGKILL');
  rmSync(dir, { recursive: true });
});

async function run(...args) {
  const child = spawn(process.execPath, [program('client.mjs'), ...args]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code] = await once(child, 'close');
  return { code, out, err };
}

test('READY', () => assert.equal(ready, `READY tcp=${address} udp=- fingerprint=${FINGERPRINT} pins=1:${FINGERPRINT}\n`));

test('ping', async () => {
  const { code, out, err } = await run('ping', address, '--pin', FINGERPRINT, '--count', '3', '--kind', '1');
  assert.deepEqual([code, err, out.match(/^pong [123] of 3: [0-9.]+ ms$/gm)?.length], [0, '', 3]);
});

test('ping under a pin file, by name', async () => {
  const pins = join(dir, 'pins');
  const name = address.replace('127.0.0.1', 'localhost');
  writeFileSync(pins, `${name} 1 ${'00'.repeat(32)}\n${name} 1 ${FINGERPRINT} AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea # main\n`);
  assert.equal((await run('ping', name, '--pins', pins)).code, 0);
  const { code, err } = await run('ping', address, '--pins', pins); // not the name in the file
  assert.deepEqual([code, /no pin/.test(err)], [1, true]);
  writeFileSync(pins, `${name} 1 ${FINGERPRINT}\n${name} one\n`);
  assert.match((await run('ping', name, '--pins', pins)).err, /line 2/);
});

test('a wrong pin: one sentence with both fingerprints, exit 1', async () => {
  const wrong = '11'.repeat(32);
  for (const args of [['--pin', wrong], ['--pin', FINGERPRINT, '--kind', '2']]) {
    const { code, out, err } = await run('ping', address, ...args);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, new RegExp(`^.*expected fingerprint ${args[1]}, met ${FINGERPRINT}\\.\n$`));
  }
});

test('bytes altered on the way: exit 1', async () => {
  const [, port] = address.split(':');
  for (const at of [40, 96 + 16 + 30, 1290 + 20, 1290 + 100]) {
    const proxy = createServer((inward) => {
      const outward = connect(Number(port), '127.0.0.1');
      inward.pipe(outward);
      let passed = 0;
      outward.on('data', (chunk) => {
        if (at >= passed && at < passed + chunk.length) chunk[at - passed] ^= 1;
        passed += chunk.length;
        inward.write(chunk);
      });
      for (const socket of [inward, outward]) socket.on('error', () => {}).on('close', () => [inward, outward].forEach((s) => s.destroy()));
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const { code, err } = await run('ping', `127.0.0.1:${proxy.address().port}`, '--pin', FINGERPRINT);
    proxy.close();
    assert.deepEqual([code, /expected fingerprint/.test(err)], [1, true], `byte ${at}`);
  }
});

test('nobody there: exit 1; wrong usage: exit 2', async () => {
  assert.equal((await run('ping', '127.0.0.1:1', '--pin', FINGERPRINT)).code, 1);
  for (const args of [[], ['ping'], ['ping', address], ['ping', address, '--pin', 'ab'], ['pong', address, '--pin', FINGERPRINT]]) assert.equal((await run(...args)).code, 2);
});

test('everything on: a pin for each identity, probe in every suite; 3 without Probe', async () => {
  const args = ['--port', '0', '--suites', '1,2,3,0', '--probe', '--compression'];
  const all = spawn(process.execPath, [program('server.mjs'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(all.stdout, 'data');
  const [, at, one, same, two] = /^READY tcp=(\S+) udp=- fingerprint=([0-9a-f]{64}) pins=1:([0-9a-f]{64}),2:([0-9a-f]{64})\n$/.exec(String(line));
  assert.equal(one, same);
  for (const options of [['--pin', one], ['--pin', one, '--suites', '0'], ['--pin', two, '--kind', '2', '--compression']]) {
    const { code, out, err } = await run('probe', at, '--bytes', '300000', ...options);
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /rekey during a source.*\necho after the rekey/);
    assert.equal(/NOT ENCRYPTED/.test(out), options[3] === '0');
  }
  all.kill('SIGKILL');
  const { code, out } = await run('probe', address, '--pin', FINGERPRINT);
  assert.deepEqual([code, /does not offer Probe/.test(out)], [3, true]);
});

test('a relay that drops datagrams after a while: what began on UDP ends on TCP', async () => {
  const serving = spawn(process.execPath, [program('server.mjs'), '--port', '0', '--key', seedFile, '--probe', '--udp', '--attach']);
  const [line] = await once(serving.stdout, 'data');
  const relay = spawn(process.execPath, [program('relay.mjs'), /tcp=(\S+)/.exec(String(line))[1], '--datagrams', '200']);
  let said = '';
  relay.stdout.on('data', (chunk) => (said += chunk));
  while (!said.includes('\n')) await once(relay.stdout, 'data');
  const [, at] = /^READY tcp=(\S+) udp=\1\n$/.exec(said);
  const { code, out, err } = await run('probe', at, '--pin', FINGERPRINT, '--transport', 'udp');
  for (const child of [serving, relay]) child.kill('SIGKILL');
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, / on UDP,/);
  assert.match(said, /\nCUT\n$/);
});

test('keys of both kinds, in the order named; wrong options', async () => {
  const files = ['--key2', join(dir, 'hybrid'), '--key', seedFile];
  const both = spawn(process.execPath, [program('server.mjs'), '--port', '0', ...files]);
  const [line] = await once(both.stdout, 'data');
  both.kill('SIGKILL');
  assert.match(String(line), new RegExp(`fingerprint=([0-9a-f]{64}) pins=2:\\1,1:${FINGERPRINT}\n$`));
  for (const suites of ['4', '1,1', '', '1;2']) {
    const child = spawn(process.execPath, [program('server.mjs'), '--port', '0', '--suites', suites]);
    assert.deepEqual(await once(child, 'exit'), [2, null], suites);
  }
});

test('SIGTERM: Disconnect to a session, exit 0', async () => {
  const down = spawn(process.execPath, [program('server.mjs'), '--port', '0', '--key', seedFile]);
  const [line] = await once(down.stdout, 'data');
  const [, at] = /tcp=(\S+)/.exec(String(line));
  const { connect: open } = await import('../client.mjs');
  const { parseEndpoint } = await import('../identity.mjs');
  const session = await open(parseEndpoint(at), [{ kind: 1, fingerprint: Buffer.from(FINGERPRINT, 'hex'), key: null }]);
  await session.ping();
  down.kill('SIGTERM');
  const [[code]] = await Promise.all([once(down, 'exit'), session.closed]);
  assert.equal(code, 0);
  assert.match(await session.closed, /Disconnect, reason 0/);
});
