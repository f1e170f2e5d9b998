// Rekey and the suites, over loopback: the server led by a puppet, the client
// against a puppet server, and both against each other.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ERROR, FLAG, HS, NO_SEQ, SUITE } from '../codes.mjs';
import { connect } from '../client.mjs';
import { hybridFrom, identityFrom, parseEndpoint } from '../identity.mjs';
import { nextRoot, pathSecrets, transcriptMessage } from '../keys.mjs';
import {
  decodeRekeyInit, decodeRekeyResp, encodeError, encodeProbe, encodeRekeyInit, encodeRekeyResp, splitEnvelope, u64, withEnvelope,
} from '../messages.mjs';
import * as p from '../primitives.mjs';
import { OP, Probe, ProbeError, sourceData } from '../probe.mjs';
import { Puppet } from '../puppet.mjs';
import { PuppetServer } from '../puppet-server.mjs';
import { Server } from '../server.mjs';

const { REQUIRES_ACK: R, REPLY: Y, FRAGMENT: F, PRIORITY: P } = FLAG;
const [identity, hybrid] = [identityFrom(Buffer.alloc(32, 5)), hybridFrom(Buffer.alloc(32, 6), Buffer.alloc(32, 7))];
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };
const pinOf = ({ kind, fingerprint }, key = null) => ({ kind, fingerprint, key });
let server;
let port;

before(async () => {
  const settings = { probe: true, compression: true, suites: [1, 2, 3, 0] };
  server = new Server({ identities: [identity, hybrid], settings, limits: unlimited });
  ({ port } = await server.listen(0));
});
after(() => server.shutdown());

const init = (epoch, [x25519, mlkem] = [p.random(32), p.random(64)]) => {
  const { ek, dk } = p.mlkemKeys(mlkem);
  return { x25519, dk, body: encodeRekeyInit(epoch, p.x25519Public(x25519), ek), id: p.random(8) };
};
const message = (mid, body) => Buffer.concat([u64(BigInt(mid)), body]);
const whole = (mid, { id, body }, hsType = HS.REKEY_INIT) => message(mid, withEnvelope(hsType, id, body));

async function inSession(act, offer = {}, to = identity) {
  const puppet = await Puppet.open(port);
  try {
    assert.ok(await puppet.establish(to, offer));
    await puppet.message();
    return await act(puppet);
  } finally {
    puppet.destroy();
  }
}

// next is the next frame that is no Ack.
async function next(puppet) {
  for (;;) {
    const m = await puppet.message();
    if (m?.type !== 5) return m;
  }
}

// answered reads RekeyResp and makes the puppet ready for the next epoch.
async function answered(puppet, mid, sent) {
  const m = await next(puppet);
  assert.deepEqual([m.type, m.h.flags & ~P, m.replyTo], [2, 1 | R | Y, BigInt(mid)]);
  const { hsType, handshakeId, body } = splitEnvelope(m.body);
  assert.deepEqual([hsType, handshakeId], [HS.REKEY_RESP, sent.id]);
  const resp = decodeRekeyResp(body);
  const shared = p.x25519Shared(sent.x25519, resp.x25519);
  const messages = [transcriptMessage(HS.REKEY_INIT, sent.body), transcriptMessage(HS.REKEY_RESP, body)];
  puppet.root = nextRoot(puppet.root, ...messages, p.mlkemDecapsulate(sent.dk, resp.kem), shared);
  puppet.fresh = pathSecrets(puppet.root, puppet.binder);
  puppet.open.prepare(puppet.fresh.ts_server);
  return resp.epoch;
}

const ping = (puppet) => puppet.send(3, 0, [0]);

describe('rekey, server', { concurrency: true }, () => {
  test('two rekeys; the old keys work until the switch, numbers go on', () => inSession(async (puppet) => {
    for (const epoch of [1, 2]) {
      const sent = init(epoch);
      puppet.send(1, R, whole(2 * epoch - 1, sent));
      ping(puppet);
      assert.equal(await answered(puppet, 2 * epoch - 1, sent), epoch);
      const pong = await next(puppet);
      assert.deepEqual([pong.type, pong.h.keyId.equals(puppet.open.keyId)], [3, true]); // still under the old keys
      ping(puppet);
      await next(puppet);
      const old = puppet.open.keyId;
      puppet.seal.rekey(puppet.fresh.ts_client);
      puppet.send(0x70, R, message(2 * epoch, encodeProbe(OP.ECHO, 0, Buffer.from('new'))));
      const echo = await next(puppet);
      assert.deepEqual([echo.replyTo, echo.h.keyId.equals(old)], [BigInt(2 * epoch), false]);
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
  }));

  test('a request is executed while a rekey is in flight', () => inSession(async (puppet) => {
    const sent = init(1);
    puppet.send(0x70, R, message(1, encodeProbe(OP.DELAY, 50)));
    puppet.send(1, R | P, whole(2, sent));
    await answered(puppet, 2, sent);
    assert.equal((await next(puppet)).replyTo, 1n);
  }));

  test('RekeyInit in fragments', () => inSession(async (puppet) => {
    const sent = init(1);
    const bytes = withEnvelope(HS.REKEY_INIT, sent.id, sent.body);
    for (const index of [1, 0]) {
      const head = Buffer.from([...u64(1n), 0, 0, 0, 0, 0, index, 0, 2]);
      puppet.send(1, R | F, Buffer.concat([head, bytes.subarray(index * 1000, (index + 1) * 1000)]));
    }
    assert.equal(await answered(puppet, 1, sent), 1);
  }));

  const ends = (name, code, act) => test(`${name}: ${code ?? 'silence'}`, () => inSession(async (puppet) => {
    const refSeq = await act(puppet);
    const m = await next(puppet);
    if (code === null) return void assert.equal(m, null);
    assert.deepEqual([m.type, m.body.readUInt16BE(0), m.body[2], m.body.readBigUInt64BE(8)], [0xfe, ERROR[code], 2, refSeq]);
    assert.equal(await puppet.next(), null);
  }));
  const V = 'PROTOCOL_VIOLATION';
  const one = (plaintext, flags = R) => (puppet) => { puppet.send(1, flags, plaintext); return 0n; };
  ends('epoch 2', V, one(whole(1, init(2))));
  ends('epoch 0', V, one(whole(1, init(0))));
  ends('hs_type 33', 'UNEXPECTED_MESSAGE', one(whole(1, init(1), 33)));
  ends('without mid', V, one(whole(1, init(1)).subarray(8), 0));
  ends('one byte less', V, one(whole(1, { id: Buffer.alloc(8), body: init(1).body.subarray(1) })));
  ends('X25519 key zero', 'REKEY_FAILED', one(whole(1, { id: Buffer.alloc(8), body: init(1).body.fill(0, 4, 36) })));
  ends('ML-KEM key ff', 'REKEY_FAILED', one(whole(1, { id: Buffer.alloc(8), body: init(1).body.fill(0xff, 36) })));
  ends('least total above 8208', V, one(Buffer.concat([Buffer.from([...u64(1n), 0, 0, 0, 0, 0, 0, 0, 18]), Buffer.alloc(512)]), R | F));
  ends('a second one in flight', V, async (puppet) => {
    const sent = init(1);
    puppet.send(1, R, whole(1, sent));
    await answered(puppet, 1, sent);
    puppet.send(1, R, whole(2, init(1)));
    return 1n;
  });
  ends('too soon', V, async (puppet) => {
    const sent = init(1);
    puppet.send(1, R, whole(1, sent));
    await answered(puppet, 1, sent);
    puppet.seal.rekey(puppet.fresh.ts_client);
    puppet.send(1, R, whole(2, init(2)));
    return 1n;
  });
  ends('an old key after the switch', null, async (puppet) => {
    const sent = init(1);
    const late = Object.assign(Object.create(Object.getPrototypeOf(puppet.seal)), puppet.seal);
    puppet.send(1, R, whole(1, sent));
    await answered(puppet, 1, sent);
    const { key, iv, keyId } = puppet.seal;
    const kept = [key, iv, keyId].map((b) => Buffer.from(b));
    puppet.seal.rekey(puppet.fresh.ts_client);
    ping(puppet);
    await next(puppet);
    Object.assign(puppet.seal, { key: kept[0], iv: kept[1], keyId: kept[2] });
    ping(puppet);
    return late;
  });

  test('T_REKEY', { timeout: 40_000 }, () => inSession(async (puppet) => {
    const sent = init(1);
    puppet.send(1, R, whole(1, sent));
    const started = performance.now();
    await answered(puppet, 1, sent);
    const m = await next(puppet);
    assert.deepEqual([m.body.readUInt16BE(0), m.body.readBigUInt64BE(8)], [ERROR.REKEY_FAILED, NO_SEQ]);
    const ms = performance.now() - started;
    assert.ok(ms > 29_900 && ms < 33_500, `${ms}`);
  }));

  test('REKEY_REQUEST is not sent twice within T_REKEY_ASK, a rekey between or not', async () => {
    const asking = new Server({ identities: [identity], limits: unlimited });
    const { port: at } = await asking.listen(0);
    const puppet = await Puppet.open(at);
    await puppet.establish(identity);
    await puppet.message();
    asking.askForRekey();
    const started = performance.now();
    assert.deepEqual([...(await next(puppet)).body], [4]);
    const sent = init(1);
    puppet.send(1, R, whole(1, sent));
    await answered(puppet, 1, sent);
    asking.askForRekey(); // served by the one in flight
    puppet.seal.rekey(puppet.fresh.ts_client);
    ping(puppet);
    assert.deepEqual([...(await next(puppet)).body], [1]);
    asking.askForRekey();
    assert.deepEqual([...(await next(puppet)).body], [4]);
    const ms = performance.now() - started;
    assert.ok(ms > 4990 && ms < 6500, `${ms}`);
    puppet.destroy();
    await asking.shutdown();
  });

  test('REKEY_REQUEST, again, and KEY_LIMIT', { timeout: 40_000 }, async () => {
    const lonely = new Server({ identities: [identity], limits: unlimited });
    const { port: at } = await lonely.listen(0);
    const puppet = await Puppet.open(at);
    await puppet.establish(identity);
    await puppet.message();
    lonely.askForRekey();
    const started = performance.now();
    for (let i = 0; i < 6; i++) {
      const m = await next(puppet);
      assert.deepEqual([m.type, [...m.body]], [3, [4]]);
    }
    assert.equal((await next(puppet)).body.readUInt16BE(0), ERROR.KEY_LIMIT);
    const ms = performance.now() - started;
    assert.ok(ms > 29_900 && ms < 33_500, `${ms}`);
    puppet.destroy();
    await lonely.shutdown();
  });
});

describe('rekey, client', { concurrency: true }, () => {
  async function on(act) {
    const puppet = await PuppetServer.listen(identity);
    const pending = connect(parseEndpoint(`localhost:${puppet.port}`), [pinOf(identity)]);
    assert.ok(await puppet.establish());
    const session = await pending;
    try {
      puppet.send(2, R, puppet.done());
      return await act(puppet, session);
    } finally {
      puppet.close();
      await session.closed;
    }
  }
  const nextOf = async (puppet) => {
    for (;;) {
      const m = await puppet.message();
      if (m?.type !== 5) return m;
    }
  };

  // respond answers RekeyInit; change(fields) may spoil what is sent.
  function respond(puppet, m, change = (fields) => fields) {
    const { hsType, handshakeId, body } = splitEnvelope(m.body);
    assert.deepEqual([m.type, m.h.flags, hsType], [1, 1 | R, HS.REKEY_INIT]);
    const { epoch, x25519, kem: ek } = decodeRekeyInit(body);
    const secret = p.random(32);
    const { ct, shared } = p.mlkemEncapsulate(ek, p.random(32));
    const fields = change({ epoch, x25519: p.x25519Public(secret), ct, id: handshakeId, hsType: HS.REKEY_RESP, type: 2, replyTo: m.mid, mid: 2n });
    const resp = fields.body ?? encodeRekeyResp(fields.epoch, fields.x25519, fields.ct);
    puppet.send(fields.type, R | Y, Buffer.concat([u64(fields.mid), u64(fields.replyTo), withEnvelope(fields.hsType, fields.id, resp)]));
    const messages = [transcriptMessage(HS.REKEY_INIT, body), transcriptMessage(HS.REKEY_RESP, resp)];
    return pathSecrets(nextRoot(puppet.v.root_0, ...messages, shared, p.x25519Shared(secret, x25519)), puppet.v.th3);
  }

  test('asked by the server; PING under the new keys; the next after T_REKEY_GAP', () => on(async (puppet, session) => {
    const started = performance.now();
    puppet.send(3, 0, [4]);
    const first = await nextOf(puppet);
    const fresh = respond(puppet, first);
    puppet.open.prepare(fresh.ts_client);
    const m = await nextOf(puppet);
    assert.deepEqual([m.type, m.body[0], session.rekey.epoch], [3, 0, 0]);
    session.rekey.request(); // served by the one in flight
    puppet.seal.rekey(fresh.ts_server);
    puppet.send(3, 0, [1]);
    puppet.send(3, 0, [4]);
    const again = await nextOf(puppet);
    assert.deepEqual([again.type, session.rekey.epoch, decodeRekeyInit(splitEnvelope(again.body).body).epoch], [1, 1, 2]);
    assert.ok(performance.now() - started > 990);
  }));

  const ends = (name, code, change) => test(`${name}: ${code ?? 'silence'}`, () => on(async (puppet, session) => {
    session.rekey.request();
    respond(puppet, await nextOf(puppet), change);
    const m = await nextOf(puppet);
    if (code === null) return void assert.equal(m, null);
    assert.deepEqual([m.type, m.body.readUInt16BE(0), m.body[2], m.body.readBigUInt64BE(8)], [0xfe, ERROR[code], 2, 1n]);
  }));
  ends('another handshake_id', 'UNEXPECTED_MESSAGE', (f) => ({ ...f, id: Buffer.alloc(8) }));
  ends('hs_type 6', 'UNEXPECTED_MESSAGE', (f) => ({ ...f, hsType: 6 }));
  ends('another epoch', 'PROTOCOL_VIOLATION', (f) => ({ ...f, epoch: 2 }));
  ends('one byte more', 'PROTOCOL_VIOLATION', (f) => ({ ...f, body: Buffer.alloc(1125) }));
  ends('reply_to nothing', 'PROTOCOL_VIOLATION', (f) => ({ ...f, replyTo: 9n }));
  ends('a reply of another type', 'PROTOCOL_VIOLATION', (f) => ({ ...f, type: 0x70 }));
  ends('X25519 key zero', 'REKEY_FAILED', (f) => ({ ...f, x25519: Buffer.alloc(32) }));

  test('an Error in reply to RekeyInit: silence', () => on(async (puppet, session) => {
    session.rekey.request();
    const { mid } = await nextOf(puppet);
    puppet.send(0xfe, R | Y, Buffer.concat([u64(2n), u64(mid), encodeError({ code: ERROR.INTERNAL, scope: 0 })]));
    assert.equal(await nextOf(puppet), null);
  }));

  test('a second RekeyResp is acknowledged and discarded', () => on(async (puppet, session) => {
    session.rekey.request();
    const m = await nextOf(puppet);
    const fresh = respond(puppet, m);
    puppet.send(2, R | Y, Buffer.concat([u64(3n), u64(m.mid), withEnvelope(33, Buffer.alloc(8), Buffer.alloc(1))]));
    puppet.open.prepare(fresh.ts_client);
    assert.equal((await nextOf(puppet)).type, 3);
    session.drain();
    assert.equal((await nextOf(puppet)).type, 4);
  }));
});

describe('both ends', { concurrency: true }, () => {
  const pairs = [[identity, [1]], [identity, [2]], [identity, [0]], [identity, [1, 0]], [hybrid, [3]], [hybrid, [1]], [hybrid, [2, 3]], [hybrid, [0]]];
  for (const [to, suites] of pairs) {
    for (const inflates of [false, true]) {
      test(`kind ${to.kind}, suites ${suites}, ${inflates ? '' : 'not '}compressed`, async () => {
        const session = await connect(parseEndpoint(`localhost:${port}`), [pinOf(to)], { suites, inflates });
        assert.equal(session.suite, suites[0]);
        const probe = new Probe(session);
        const data = sourceData(60_000);
        assert.deepEqual(await probe.echo(data, { compress: inflates, fragment: 5000, priority: true }), data);
        assert.equal(await probe.sink(data), data.length);
        probe.swallow(data, { fragment: 512 });
        assert.deepEqual(await probe.source(700_000), sourceData(700_000));
        await assert.rejects(probe.fail(ERROR.CONFLICT), (error) => error instanceof ProbeError && error.name === 'CONFLICT');
        session.rekey.request();
        const [pushes, source, ...echoes] = await Promise.all([
          probe.stream(300, data.subarray(0, 900), { compress: inflates }), probe.source(3_000_000), ...[...Array(50).keys()].map((i) => probe.echo(Buffer.alloc(i, i))),
        ]);
        assert.deepEqual([pushes.length, pushes.at(-1).n, pushes.at(-1).data, source.length], [300, 300n, data.subarray(0, 900), 3_000_000]);
        echoes.forEach((echo, i) => assert.deepEqual(echo, Buffer.alloc(i, i)));
        while (session.rekey.epoch === 0 && !session.over) await new Promise((resolve) => setTimeout(resolve, 5));
        session.drain();
        assert.equal(await session.closed, 'an ordinary end');
      });
    }
  }

  const refuses = (name, pins, suites, why) => test(name, () => assert.rejects(connect(parseEndpoint(`localhost:${port}`), pins, { suites }), why));
  refuses('suite 3 with an identity of kind 1', [pinOf(identity)], [SUITE.POSTQUANTUM], /NO_COMMON_SUITE/);
  refuses('kind 2 under a pin of kind 1', [{ ...pinOf(hybrid), kind: 1 }], [1], /no pin/);
  refuses('kind 1 under a pin of kind 2', [{ ...pinOf(identity), kind: 2 }], [1], /no pin/);

  test('one of two pins, of both kinds', async () => {
    const session = await connect(parseEndpoint(`localhost:${port}`), [pinOf(hybrid), pinOf(identity)]);
    assert.equal(session.suite, 1); // the order of the server's identities
    session.drain();
    await session.closed;
  });

  test('a pinned key of kind 2 is not asked for', async () => {
    const session = await connect(parseEndpoint(`localhost:${port}`), [pinOf(hybrid, hybrid.key)]);
    assert.equal(session.suite, SUITE.POSTQUANTUM);
    session.drain();
    await session.closed;
  });

  test('a server without suite 0 refuses it', async () => {
    const strict = new Server({ identities: [identity], limits: unlimited });
    const { port: at } = await strict.listen(0);
    await assert.rejects(connect(parseEndpoint(`localhost:${at}`), [pinOf(identity)], { suites: [0] }), /NO_COMMON_SUITE/);
    const probe = await connect(parseEndpoint(`localhost:${at}`), [pinOf(identity)]);
    await assert.rejects(new Probe(probe).echo(Buffer.alloc(1)), (error) => error.code === ERROR.UNSUPPORTED_TYPE);
    await strict.shutdown();
  });
});
