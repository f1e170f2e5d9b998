// Appendix B of the specification.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { ERROR, SCOPE, TYPE } from '../codes.mjs';
import { OpenSlot, SealSlot, clearFrame, parseHeader } from '../frame.mjs';
import { fingerprintOf, parseEndpoint, parsePins, pinsFor } from '../identity.mjs';
import * as keys from '../keys.mjs';
import { encodeError, u64 } from '../messages.mjs';
import { hmac256, hmac384, sha384 } from '../primitives.mjs';

const hex = (b) => b.toString('hex');
const EMPTY = Buffer.alloc(0);
const ss = Buffer.concat([Buffer.alloc(32, 1), Buffer.alloc(32, 2)]);
const th1 = sha384('th1');
const th3 = sha384('th3');
const hello = keys.helloSecrets(ss, th1);
const session = keys.sessionSecrets(hello.MS, th3);
const path = keys.pathSecrets(session.root_0, th3);

test('CRC-32', () => assert.equal(crc32('123456789').toString(16), 'cbf43926'));

test('B.1 key schedule', () => {
  const want = {
    HS: '8bb4f0e056c90da725edda9c73d49f011139c43e6f0be13e55cc88ba1c8b0ba0d52657d99f57ba51bca77c1532303d87',
    c_hs: 'e152e8608de9b4ead3a51f24045b0689c21b8187f0d744b4333b7c21248197b3ae531d373b13f35ccf38002183a177ad',
    s_hs: 'eabc3654461e28a458b96b0932d62747acfcfcada71b3aef9e10b097a5131572c24e0c6d3b112c3c1ac53734b887ef77',
    MS_salt: 'b914c1dc588c79895b1d122b8e274cdf82c468b3f62148d015073e1f6c9110be52d767c10cf473faa1b92ea7ba6db476',
    MS: 'bea5502421d8a0f8449b0156e31583bfc8853f12a5566c4073fcb61541d1a353dbb5f700f2a276005e1c00fca6d7db4c',
    root_0: 'ee3efe4fd6415800038fd96ab04b09932fc8ef8b2cc79568055ac5d33bc1dbcda0eba946dd5a618bfcbcc4c75b121418',
    exporter: '5c7c276d5700569962d32e2af342df642e913bcfa2f1521de45f7236ed88c06ea3ad5f669443d85cb39e9522e65ac0c9',
  };
  const got = { ...hello, ...session };
  for (const [name, value] of Object.entries(want)) assert.equal(hex(got[name]), value, name);
  assert.equal(hex(keys.finishedKey(hello.s_hs)), '18cda8203b67b4de6ad829846b827e50e129b3a827c0cc8a76c085def1e1e4fd857f82218cb468eabbd2f1a39335d6ca');
  const cfKey = keys.finishedKey(hello.c_hs);
  assert.equal(hex(cfKey), '482c2c41a7679aa18126fed50bd681374e4f534210255bcb87e545990baadf86007c1b5fc90f4d755b0fe6411e88caba');
  assert.equal(hex(hmac384(cfKey, th3)), 'd62995afd54832dce45aa38daf84ad396631b815b4ebaa6485fed59acca0a2b71ee5101f5bb5b91756efedbfaf4d331a');
  assert.equal(
    hex(keys.exportSecret(session.exporter, 'test', Buffer.from('ctx'), 48)),
    'f6caa12ab409790f98188e96ffae5c14a036a2344211e4eca1962aa120edcb963a81f939fb0eb5c62e980e95f4b448ff',
  );
});

test('B.2 key slots', () => {
  const want = [
    [hello.c_hs, 'e152e8608de9b4ead3a51f24045b0689c21b8187f0d744b4333b7c21248197b3ae531d373b13f35ccf38002183a177ad',
      '5b9bbdc8c453dfcfffdf56cf8dead26351a0d0a513bd2a0a3e45bf07222e259b', 'c4b8ab3b14bc7ca4ab215484', '1c548404ec7162a238d74183f0d171a7'],
    [hello.s_hs, 'eabc3654461e28a458b96b0932d62747acfcfcada71b3aef9e10b097a5131572c24e0c6d3b112c3c1ac53734b887ef77',
      'd3a3eee0b52f4da83895886eff8767cd15107c2b47c21e857002a1d8ac957ea2', '2b275ab30267cd9ea16949b7', '94968a385e578c9c9c2c3bb9e3dc5a5d'],
    [path.ts_client, '17f5149c6a997b17cc5f1e779090f36031afacb7b58b4a3972cb02919d77d5867240c207f1577d33eb50e40546118f7a',
      '449dcbc0a7a8d029c8bf8b0401c3c3f2a56224bcec6d636fe3ea2f4888a24eae', 'e19b0bad18969cd2a184f157', '0c1c2e60dd9030ca2321f6b051e5b28a'],
    [path.ts_server, '2c22f9e6c390bf674e5400f7433e8108543b680f460bc562c1009837f07f1204c7f1026ab9007a46843afb4ad23dc17e',
      'ec41199f3b3d67e50f36b937c0193168692d8f17d8df49620aac62b855e103cd', '56a03bf8ed64f78cc9a3c9f5', 'd589b4b0b0fb16b401fb03e83a211ac2'],
  ];
  for (const [ts, wantTs, key, iv, keyId] of want) {
    const slot = keys.slotKeys(ts);
    assert.deepEqual([hex(ts), hex(slot.key), hex(slot.iv), hex(slot.keyId)], [wantTs, key, iv, keyId]);
  }
  const attach = (label) => hex(keys.slotKeys(keys.expandLabel(session.root_0, label, EMPTY, 48)).keyId);
  assert.equal(attach('c attach'), 'e3b354eb8ae9f92bad2c45b387b99088');
  assert.equal(attach('s attach'), '9815c5b0dd3855755d2c0f25a7b08fe6');
  const salt = keys.expandLabel(session.root_0, 'rekey', sha384('rekey'), 48);
  assert.equal(
    hex(keys.hkdfExtract(salt, Buffer.concat([Buffer.alloc(32, 3), Buffer.alloc(32, 4)]))),
    '151044d7c144414e9fbd3fac7520573fddaba462455847a089f26e9a40ed3c31ee36a4d04a511792f7d7509931089a89',
  );
});

test('B.3 frames', () => {
  const sessionId = 0x1122334455667788n;
  const stamp = 1790000000000000n;
  const slot = new SealSlot(path.ts_client);
  slot.next = 7n;
  const plaintext = Buffer.from('000102030405060708', 'hex');
  const frame = slot.seal({ type: TYPE.HEARTBEAT, sessionId, stamp }, plaintext);
  assert.equal(hex(frame), [
    '58544d50010300011122334455667788000000000000000700000009143a3e46',
    '01065bfeda25e0000c1c2e60dd9030ca2321f6b051e5b28a',
    'e19b0bad18969cd2a184f150000000000000000000000000',
    'bba2f78efbddf7d33241b98f99f8f757', 'c7bc718d8da49e4b6d',
  ].join(''));
  const open = new OpenSlot(path.ts_client);
  open.next = 7n;
  assert.deepEqual(open.open(parseHeader(frame), frame, sessionId, null), plaintext);
  assert.equal(hex(clearFrame(TYPE.ERROR, 0n, stamp, encodeError({ code: ERROR.VERSION_UNSUPPORTED, scope: SCOPE.PATH }))), [
    '58544d5001fe00000000000000000000000000000000000000000010c52b7eb0',
    '00065bfeda25e00000000000000000000000000000000000', '00'.repeat(24), '00'.repeat(16), '0001010000000000ffffffffffffffff',
  ].join(''));
});

test('B.4 identity', () => {
  const key = Buffer.from('01d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex');
  const fingerprint = 'bb9fd7fd40843d47d2654f04be3e29592ecfaed74eb9f47fd490998d54176b35';
  assert.equal(hex(fingerprintOf(key)), fingerprint);
  const base64 = 'AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea';
  const pins = parsePins(Buffer.from(`bpci.example.com:8090  1  ${fingerprint}  ${base64}  # main\n`));
  assert.deepEqual(pinsFor(pins, parseEndpoint('BPCI.example.com')), [
    { endpoint: 'bpci.example.com:8090', kind: 1, fingerprint: Buffer.from(fingerprint, 'hex'), key },
  ]);
  assert.equal(hex(hmac256(Buffer.alloc(32, 5), 'XTMP/1 reset', u64(0x1122334455667788n)).subarray(0, 16)), '67a81070525cd93bdd71e3e65113bbdc');
});
