import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseIdentity, fingerprintOf, hybridFrom, identityFrom, judgeIdentity, loadIdentity, parseEndpoint, parsePins, pinsFor } from '../identity.mjs';
import { Counts, sourceOf } from '../limits.mjs';

const [a, b] = [identityFrom(Buffer.alloc(32, 1)), identityFrom(Buffer.alloc(32, 2))];
const c = hybridFrom(Buffer.alloc(32, 3), Buffer.alloc(32, 4));
const hex = a.fingerprint.toString('hex');
const key = a.key.toString('base64');

test('pin files', () => {
  const good = parsePins(Buffer.from(`# all\r\n\r\n  \t# more\nHost:1 1 ${hex.toUpperCase()}\n\tHOST:1\t 2  ${hex} # note with words\n[::1]:9 1 ${hex} ${key} #x`));
  assert.deepEqual(good.map((pin) => [pin.endpoint, pin.kind, pin.key !== null]), [['host:1', 1, false], ['host:1', 2, false], ['[::1]:9', 1, true]]);
  assert.equal(pinsFor(good, parseEndpoint('hOst:1')).length, 2);
  assert.equal(pinsFor(good, parseEndpoint('127.0.0.1:1')).length, 0);
  const smallKey = Buffer.concat([Buffer.from([1]), Buffer.alloc(32)]);
  const bad = [
    'h:1 1', `h 1 ${hex}`, `h:1 3 ${hex}`, `h:1 1 ${hex.slice(1)}`, `h:1 1 ${hex}0`, `h:1 1 ${hex} ${key} more`, `h:1 1 ${hex} ${key.slice(0, -1)}`,
    `h:1 1 ${hex} ${b.key.toString('base64')}`, `h:1 2 ${hex} ${key}`, `h:70000 1 ${hex}`, `h:1 1 # ${hex}`, '\uFEFF# mark', `h:1\u00a01 ${hex}`,
    `h:1 1 ${fingerprintOf(smallKey).toString('hex')} ${smallKey.toString('base64')}`,
  ];
  for (const line of bad) assert.throws(() => parsePins(Buffer.from(`# one\n${line}\n`)), /line 2/, line);
  assert.throws(() => parsePins(Buffer.from([0x23, 0x0a, 0xff])), /line 2/);
});

test('endpoints', () => {
  assert.deepEqual(parseEndpoint('example.org'), { host: 'example.org', port: 8090, v6: false });
  assert.deepEqual(parseEndpoint('[2001:db8::1]:5'), { host: '2001:db8::1', port: 5, v6: true });
  for (const bad of ['', ':1', 'a:0', 'a:65536', 'a:b', '::1', 'a b:1', '[::1', 'a:1:2']) assert.throws(() => parseEndpoint(bad), Error, bad);
});

test('a client judges the identity', () => {
  const pin = { kind: 1, fingerprint: a.fingerprint, key: null };
  const keyed = { ...pin, key: a.key };
  const other = { kind: 1, fingerprint: b.fingerprint, key: b.key };
  const si = { kind: 1, fingerprint: a.fingerprint, key: a.key };
  assert.deepEqual(judgeIdentity(si, [other, pin], true), a.key);
  assert.deepEqual(judgeIdentity({ ...si, key: null }, [keyed, other], false), a.key);
  const wrong = [
    [si, [other], true], [si, [{ ...pin, kind: 2 }], true], [{ ...si, kind: 2 }, [pin], true], [{ ...si, key: null }, [pin], true], [si, [keyed], false],
    [{ ...si, key: b.key }, [pin], true], [{ ...si, key: a.key.subarray(0, 32) }, [pin], true],
    [{ ...si, key: Buffer.concat([Buffer.from([2]), a.key.subarray(1)]) }, [pin], true], [{ ...si, fingerprint: b.fingerprint }, [pin], true],
  ];
  const hybrid = { kind: 2, fingerprint: c.fingerprint, key: c.key };
  assert.deepEqual(judgeIdentity(hybrid, [pin, { ...hybrid, key: null }], true, 3), c.key);
  wrong.push([si, [pin], true, 3], [hybrid, [{ ...hybrid, kind: 1 }], true], [{ ...hybrid, key: c.key.subarray(0, 33) }, [hybrid], true]);
  wrong.forEach((args, i) => assert.throws(() => judgeIdentity(...args), /./, `case ${i}`));
});

test('a server chooses its identity by hint', () => {
  const hint = (identity) => identity.fingerprint.subarray(0, 8);
  const all = [0, 1, 2, 3];
  const chosen = (identities, hints, offered = [1], enabled = all) => chooseIdentity(identities, hints, offered, enabled);
  assert.deepEqual(chosen([a, b], []), { identity: a, suite: 1 });
  assert.equal(chosen([a, b], [hint(b)]).identity, b);
  assert.equal(chosen([a, b], [hint(b), hint(a)]).identity, a);
  assert.equal(chosen([a, b], [Buffer.alloc(8, 9)]).identity, a);
  assert.deepEqual(chosen([a, c], [], [3, 2, 1]), { identity: a, suite: 2 }); // the order of the identities comes first
  assert.deepEqual(chosen([a, c], [], [3]), { identity: c, suite: 3 });
  assert.deepEqual(chosen([a, c], [hint(c)], [9, 1, 3]), { identity: c, suite: 1 });
  assert.equal(chosen([a, c], [hint(a)], [3]), null);
  assert.equal(chosen([a], [], [0, 2], [1]), null);
  assert.deepEqual(chosen([c], [], [0, 2]), { identity: c, suite: 0 });
});

test('a key file is made once and read again', () => {
  const dir = mkdtempSync(join(tmpdir(), 'xtmp-'));
  try {
    const file = join(dir, 'key');
    assert.deepEqual(loadIdentity(file), loadIdentity(file));
    assert.equal(statSync(file).mode & 0o077, 0);
    const hybrid = join(dir, 'hybrid');
    assert.deepEqual(loadIdentity(hybrid, 2).key.length, 1985);
    assert.deepEqual(loadIdentity(hybrid), loadIdentity(hybrid, 2));
    writeFileSync(file, 'short');
    assert.throws(() => loadIdentity(file), /64 hexadecimal digits/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('sources and counts', () => {
  assert.equal(sourceOf('::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(sourceOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(sourceOf('2001:db8::6'), '2001:db8:0:0::/64');
  assert.equal(sourceOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(sourceOf('::1'), '0:0:0:0::/64');
  const counts = new Counts({ half_open_per_source: 2, connections_per_client: 1, receive_memory_per_source: 10 });
  const busyAfter = (name, n) => {
    counts.add('s', name, n);
    const busy = counts.busy('s');
    counts.add('s', name, -n);
    return busy;
  };
  counts.add('s', 'halfOpen', 1);
  assert.deepEqual([busyAfter('halfOpen', 1), busyAfter('halfOpen', 2), busyAfter('connections', 1), busyAfter('memory', 9), busyAfter('memory', 10)],
    [false, true, true, false, true]);
  assert.equal(counts.busy('another'), false);
  const off = new Counts({ half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0 });
  off.add('s', 'halfOpen', 1000);
  off.add('s', 'sessions', 1000);
  assert.equal(off.busy('s'), false);
  const bucket = new Counts({ pre_session_rate: 10, pre_session_burst: 2 });
  assert.deepEqual([1, 2].map(() => bucket.delayOfFirstFrame('s')), [0, 0]);
  assert.ok(bucket.delayOfFirstFrame('s') > 50);
});
