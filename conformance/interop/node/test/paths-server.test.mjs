// Attach, several paths and parking at the server, led by puppets, on virtual time.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AttachPuppet } from '../attach-puppet.mjs';
import { ERROR, FLAG, HEADER, NO_SEQ } from '../codes.mjs';
import { wallMicros } from '../clock.mjs';
import { identityFrom } from '../identity.mjs';
import { nextRoot, pathSecrets, transcriptMessage } from '../keys.mjs';
import {
  decodeError, decodeProbe, decodeRekeyResp, encodeAck, encodeDisconnect, encodeError, encodeProbe, encodeRanges, encodeRekeyInit, splitEnvelope,
  withEnvelope,
} from '../messages.mjs';
import * as p from '../primitives.mjs';
import { OP } from '../probe.mjs';
import { Puppet, alter, flip, mid } from '../puppet.mjs';
import { Server } from '../server.mjs';
import { DatagramPuppet } from '../udp-puppet.mjs';
import { inWorld } from '../virtual.mjs';

const { REQUIRES_ACK: R, PRIORITY } = FLAG;
const identity = identityFrom(Buffer.alloc(32, 5));
const AT = { address: '198.51.100.1', port: 8090 };
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };

function serve(net, settings = {}, limits = unlimited) {
  const server = new Server({ identities: [identity], settings: { udp: true, attach: true, probe: true, ...settings }, limits });
  server.serveDatagrams(net.socket(AT.address, AT.port));
  net.listen(AT.address, AT.port, (socket) => server.accept(socket));
  return server;
}

const stream = (net, from = '192.0.2.1') => Puppet.over(net.connect({ host: AT.address, port: AT.port }, from));
const datagrams = (net, from) => new DatagramPuppet(net.socket(from), AT);

// on runs a case with a session whose p0 is on TCP, or on UDP; HandshakeDone is acknowledged.
const on = (act, { first = 'tcp', settings, limits } = {}) => inWorld(async (net, world) => {
  const server = serve(net, settings, limits);
  const p0 = first === 'tcp' ? await stream(net) : datagrams(net);
  assert.ok(await p0.establish(identity));
  const done = p0.done ?? (await p0.message());
  p0.send(5, 0, first === 'tcp' ? encodeAck(0n) : encodeRanges([{ low: 0n, high: done.seq }], 0));
  return act({ net, world, server, p0, attach: new AttachPuppet(p0), session: server.sessions.get(p0.id) });
});

const ask = (puppet, n, op, arg = 0, data = Buffer.from('x')) => puppet.send(0x70, R, mid(n, encodeProbe(op, arg, data)));
const ping = (puppet) => puppet.send(3, 0, Buffer.alloc(64));
async function of(puppet, type) {
  for (let m; (m = await puppet.message()) !== null;) if (m.type === type) return m;
  return null;
}
const echoes = async (puppet, n) => {
  ask(puppet, n, OP.ECHO);
  for (let m; (m = await of(puppet, 0x70)) !== null;) if (m.replyTo === BigInt(n)) return true;
  return false;
};

describe('Attach', () => {
  test('over UDP and over TCP: 160 bytes each way, and a path', on(async ({ net, attach, session }) => {
    const udp = datagrams(net);
    const frame = attach.frame({ udp: true });
    udp.raw(frame);
    const got = await udp.next();
    assert.deepEqual([frame.length, got.frame.length, got.h.type, got.h.seq], [160, 160, 2, 0n]);
    const { status, ...slots } = attach.accept(frame, got);
    Object.assign(udp, slots, { id: attach.id });
    assert.equal(status, 0);
    assert.equal(await udp.next(), null); // nothing before the first path frame
    assert.ok(await echoes(udp, 1));
    const tcp = await stream(net);
    assert.equal(await attach.over(tcp), 0);
    assert.ok(await echoes(tcp, 2));
    assert.deepEqual(session.paths.map(({ datagram, live }) => [datagram, live]), [[false, true], [true, true], [false, true]]);
    assert.equal(session.current, session.paths[2]);
  }));

  test('the same Attach again: the same AttachAck, in the same place, until a path frame', on(async ({ net, attach }) => {
    const udp = datagrams(net);
    const frame = attach.frame({ udp: true });
    udp.raw(frame, frame);
    const [a, b] = [await udp.next(), await udp.next()];
    assert.deepEqual(a.frame, b.frame);
    const other = datagrams(net);
    other.raw(frame);
    assert.equal(await other.next(), null);
    Object.assign(udp, attach.accept(frame, a), { id: attach.id });
    ping(udp);
    assert.ok(await udp.message());
    udp.raw(frame);
    assert.equal(await udp.next(), null);
    const tcp = await stream(net);
    const second = attach.frame();
    tcp.raw(second);
    tcp.raw(second);
    assert.deepEqual((await tcp.next()).frame, (await tcp.next()).frame);
    const elsewhere = await stream(net);
    elsewhere.raw(second);
    assert.equal(await elsewhere.next(), null);
    tcp.raw(attach.frame());
    assert.equal(await tcp.next(), null); // another counter on the same connection
  }));

  test('a lower counter is refused, a higher one may leave some out', on(async ({ net, attach }) => {
    const late = attach.frame({ udp: true, counter: 1 });
    const udp = datagrams(net);
    assert.equal(await attach.over(udp, { udp: true, counter: 7 }), 0);
    udp.raw(late);
    assert.equal(await udp.next(), null);
    const tcp = await stream(net);
    tcp.raw(attach.frame({ counter: 6 }));
    assert.equal(await tcp.next(), null);
  }));

  const wrong = {
    'a flag bit': [3, { change: (f) => ({ ...f, flags: 2 }) }], 'kind': [3, { change: (f) => ({ ...f, kind: 3 - f.kind }) }], 'counter': [3, { change: (f) => ({ ...f, counter: 9 }) }],
    '47 bytes': [3, { body: Buffer.alloc(47) }], 'zero field': [3, { body: Buffer.alloc(48).fill(1, 0, 4) }],
  };
  for (const [name, [status, options]] of Object.entries(wrong)) {
    test(`status ${status}: ${name}`, on(async ({ net, attach, session }) => {
      assert.equal(await attach.over(datagrams(net), { udp: true, ...options }), status);
      const tcp = await stream(net);
      assert.equal(await attach.over(tcp, options), status);
      assert.equal(await tcp.next(), null);
      assert.equal(session.paths.length, 1);
    }));
  }

  test('status 67 where the policy bit is clear', on(async ({ net, attach, server, session }) => {
    assert.equal(server.params.policy, 4);
    assert.equal(await attach.over(await stream(net)), 0);
    session.params.policy = 2;
    assert.equal(await attach.over(await stream(net)), 67);
  }, { settings: { udp: false } }));

  test('status 7 while draining', on(async ({ net, attach, session, p0 }) => {
    ask(p0, 1, OP.DELAY, 3000);
    p0.send(3, 0, [0]);
    await of(p0, 3);
    session.drain();
    assert.equal(await attach.over(await stream(net)), 7);
  }));

  test('silence for flags, hs_type, and spoilt frames', on(async ({ net, attach, session }) => {
    const udp = datagrams(net);
    udp.raw(attach.frame({ udp: true, flags: FLAG.REQUIRES_ACK }), attach.frame({ udp: true, hsType: 1 }));
    udp.raw(alter(attach.frame({ udp: true }), flip(80)), alter(attach.frame({ udp: true }), flip(60)));
    assert.equal(await udp.next(), null);
    for (const make of [() => attach.frame({ flags: FLAG.REQUIRES_ACK }), () => attach.frame({ hsType: 5 }), () => alter(attach.frame(), flip(80)), () => alter(attach.frame(), flip(40)), () => alter(attach.frame(), flip(5, 3))]) {
      const tcp = await stream(net);
      tcp.raw(make());
      assert.equal(await tcp.next(), null);
    }
    assert.equal(await attach.over(udp, { udp: true, flags: PRIORITY }), 0);
    assert.equal(session.paths.length, 2);
  }));

  test('an unknown session: SESSION_UNKNOWN with its token, on TCP', on(async ({ net, attach, server, p0 }) => {
    const frame = attach.frame();
    p0.send(4, 0, encodeDisconnect(0, 0n, 0n));
    const tcp = await stream(net);
    tcp.raw(frame);
    const { h, frame: answer } = await tcp.next();
    const error = decodeError(answer.subarray(HEADER), false);
    assert.deepEqual([h.flags, h.sessionId, error.name, error.scope, error.refSeq], [0, p0.id, 'SESSION_UNKNOWN', 2, NO_SEQ]);
    assert.deepEqual(error.token, server.unknown(p0.id).subarray(HEADER + 16));
    assert.equal(await tcp.next(), null);
  }));

  test('a server without Attach is silent', on(async ({ net, attach, server }) => {
    assert.equal(server.params.policy, 0);
    for (const puppet of [await stream(net), datagrams(net)]) {
      puppet.raw(attach.frame({ udp: !(puppet instanceof Puppet) }));
      assert.equal(await puppet.next(), null);
    }
  }, { settings: { attach: false } }));

  test('without a path frame a path is closed: on TCP after 5 s, on UDP after 10', on(async ({ net, attach, session, world }) => {
    const tcp = await stream(net);
    assert.equal(await attach.over(tcp), 0);
    const udp = datagrams(net);
    assert.equal(await attach.over(udp, { udp: true }), 0);
    assert.equal(session.paths.length, 3);
    const before = world.now;
    assert.equal(await tcp.next(), null);
    assert.ok(Math.abs(world.now - before - 5000) < 100);
    await world.sleep(5100);
    assert.equal(session.paths.length, 1);
    ping(udp);
    assert.equal(await udp.next(), null);
  }));

  test('a fifth path takes the place of the one that was silent longest', on(async ({ net, attach, session, p0, world }) => {
    const others = [];
    for (let i = 0; i < 3; i++) {
      const tcp = await stream(net);
      await attach.over(tcp, { standby: true });
      ping(tcp);
      await of(tcp, 3);
      others.push(tcp);
      await world.sleep(100);
    }
    ping(others[0]);
    await of(others[0], 3);
    assert.equal(await attach.over(await stream(net), { standby: true }), 0);
    assert.equal(await others[1].next(), null);
    assert.equal(session.paths.length, 4);
    assert.ok(await echoes(p0, 1));
  }));

  test('the first path frame on UDP says where the path is', on(async ({ net, attach }) => {
    const udp = datagrams(net);
    assert.equal(await attach.over(udp, { udp: true }), 0);
    udp.use(net.socket('203.0.113.5'));
    ping(udp);
    const pong = await of(udp, 3);
    assert.deepEqual([pong.body[0], pong.socket.address().address], [1, '203.0.113.5']);
  }));
});

describe('which path', () => {
  const both = (act, options) => on(async (all) => {
    const second = options?.second === 'udp' ? datagrams(all.net) : await stream(all.net);
    assert.equal(await all.attach.over(second, { udp: options?.second === 'udp', standby: options?.standby }), 0);
    ping(second);
    await of(second, 3);
    return act({ ...all, second });
  }, options);

  test('a reply goes where its request came from', both(async ({ p0, second }) => {
    assert.ok(await echoes(p0, 1));
    assert.ok(await echoes(second, 2));
    assert.ok(await echoes(p0, 3));
  }));

  test('a standby path takes over with its first reliable frame, once', both(async ({ p0, second, session }) => {
    const [first, standby] = session.paths;
    assert.equal(session.current, first);
    ask(p0, 1, OP.DELAY, 200);
    ask(second, 2, OP.ECHO);
    await of(second, 0x70);
    assert.equal(session.current, standby);
    const moved = await of(p0, 0x70); // where its request came from
    assert.equal(moved.replyTo, 1n);
    ask(p0, 3, OP.ECHO);
    await of(p0, 0x70);
    assert.equal(session.current, standby); // nothing moves it back
  }, { standby: true }));

  test('what is unacknowledged is sent again on the path to which the session moves', both(async ({ p0, second, net, attach }) => {
    ask(p0, 1, OP.ECHO);
    const first = await of(p0, 0x70);
    const third = await stream(net);
    assert.equal(await attach.over(third), 0);
    ping(third);
    const again = await of(third, 0x70);
    assert.deepEqual([again.mid, again.replyTo, again.seq], [first.mid, 1n, 0n]);
    assert.ok(second);
  }));

  test('a known mid on another path gets its reply there, and is not executed twice', both(async ({ p0, second }) => {
    ask(p0, 1, OP.ECHO, 0, Buffer.from('once'));
    const first = await of(p0, 0x70);
    ask(second, 1, OP.ECHO, 0, Buffer.from('twice'));
    const again = await of(second, 0x70);
    assert.deepEqual([again.mid, decodeProbe(again.body).data.toString()], [first.mid, 'once']);
  }));

  for (const second of ['tcp', 'udp']) {
    test(`a request that comes again before it is answered: the reply goes there, over ${second}`, both(async ({ p0, second: newer, world }) => {
      for (const path of [p0, newer]) {
        ask(path, 1, OP.DELAY, 500);
        ping(path);
        await of(path, 3);
      }
      await world.sleep(1000);
      assert.equal((await of(newer, 0x70)).replyTo, 1n);
      assert.ok(p0.drain().every(({ h }) => h.type !== 0x70));
    }, { second }));
  }

  test('a stream that is asked for on two paths is one stream', both(async ({ p0, second, world }) => {
    for (const path of [p0, second]) ask(path, 1, OP.STREAM, 5);
    const replies = [await of(p0, 0x70), await of(second, 0x70)];
    assert.equal(replies[0].mid, replies[1].mid);
    const pushes = [];
    while (pushes.length < 5) pushes.push(await of(second, 0x70));
    assert.deepEqual(pushes.map(({ n }) => n), [1n, 2n, 3n, 4n, 5n]);
    await world.sleep(1000);
    assert.ok([...p0.drain(), ...second.drain()].every(({ h }) => h.type !== 0x70));
  }));

  test('a message that is too large for the client is not sent again', both(async ({ net, attach, p0, second, session }) => {
    const third = await stream(net);
    assert.equal(await attach.over(third, { standby: true }), 0);
    ping(third);
    await of(third, 3);
    ask(p0, 1, OP.ECHO);
    await of(p0, 0x70);
    p0.send(0xfe, 0, encodeError({ code: ERROR.PAYLOAD_TOO_LARGE, scope: 1 }));
    for (const path of [second, third]) {
      const { type, body } = await path.message();
      assert.deepEqual([type, body.readUInt16BE(0)], [4, ERROR.PAYLOAD_TOO_LARGE]);
      assert.equal(await path.next(), null);
    }
    assert.equal(await p0.next(), null);
    assert.ok(session.over);
  }));

  test('an Error PAYLOAD_TOO_LARGE of scope 1 for nothing that would be sent again ends its path', both(async ({ p0, second, session }) => {
    second.send(0xfe, 0, encodeError({ code: ERROR.PAYLOAD_TOO_LARGE, scope: 1 }));
    assert.equal(await second.next(), null);
    assert.ok(await echoes(p0, 1));
    assert.ok(!session.over);
  }));

  test('a path ends, and the other goes on', both(async ({ p0, second, session }) => {
    ask(p0, 1, OP.DELAY, 500);
    ping(p0);
    await of(p0, 3);
    p0.destroy();
    const reply = await of(second, 0x70);
    assert.equal(reply.replyTo, 1n);
    assert.deepEqual([session.over, session.paths.length], [false, 1]);
  }));

  test('an Error of scope 1 ends one path, one of scope 2 all', both(async ({ p0, second, session }) => {
    second.send(0xfe, 0, encodeError({ code: 0xff, scope: 1 }));
    assert.equal(await second.next(), null);
    assert.ok(await echoes(p0, 1));
    p0.send(0xfe, 0, encodeError({ code: 0xff, scope: 2 }));
    assert.equal(await p0.next(), null);
    assert.ok(session.over);
  }));

  test('a violation on one path closes the others silently', both(async ({ p0, second }) => {
    second.send(0x90, R, mid(0));
    const error = decodeError((await of(second, 0xfe)).body);
    assert.deepEqual([error.name, error.scope], ['PROTOCOL_VIOLATION', 2]);
    assert.equal(await p0.next(), null);
  }));

  test('Disconnect goes out on every path', both(async ({ p0, second, session }) => {
    session.drain();
    assert.ok(await of(p0, 4));
    for (let i = 0; i < 3; i++) assert.ok(await of(second, 4));
  }, { second: 'udp' }));

  test('a large reply goes by TCP, though its request came by UDP', both(async ({ p0, second }) => {
    ask(second, 1, OP.SOURCE, 100_000);
    assert.equal((await of(p0, 0x70)).replyTo, 1n);
  }, { second: 'udp' }));

  test('a suspect path: what was sent there goes by the other', both(async ({ p0, second, session, world }) => {
    ask(second, 1, OP.ECHO);
    const first = await of(second, 0x70);
    await world.sleep(3000); // T_SUSPECT, or PTO
    assert.ok(session.paths[1].suspect);
    const again = await of(p0, 0x70);
    assert.equal(again.mid, first.mid);
  }, { second: 'udp' }));
});

describe('parking', () => {
  test('the session waits, keeps the reply, and goes on where the client comes back', on(async ({ net, p0, attach, session, server, world }) => {
    ask(p0, 1, OP.DELAY, 1000, Buffer.from('kept'));
    ping(p0);
    await of(p0, 3);
    p0.destroy();
    await world.sleep(5000);
    assert.ok(session.parked && !session.over);
    assert.equal(server.counts.busy('192.0.2.1'), false);
    const back = await stream(net, '203.0.113.5');
    assert.equal(await attach.over(back), 0);
    assert.ok(session.parked);
    ping(back);
    const reply = await of(back, 0x70);
    assert.deepEqual([reply.replyTo, decodeProbe(reply.body).data.toString(), session.parked], [1n, 'kept', false]);
    assert.ok(await echoes(back, 2));
  }));

  test('over UDP too; a datagram of the old path gets nothing', on(async ({ net, p0, attach, session, world }) => {
    await world.sleep(301_000);
    assert.ok(session.parked);
    ping(p0);
    assert.ok(!p0.drain().some(({ h }) => h.type === 4));
    assert.equal(await p0.next(), null);
    const back = datagrams(net);
    assert.equal(await attach.over(back, { udp: true }), 0);
    assert.ok(await echoes(back, 1));
  }, { first: 'udp' }));

  test('T_PARK_ANON, and not earlier; an Attach without a frame does not help', on(async ({ net, p0, attach, session, server, world }) => {
    p0.destroy();
    await world.sleep(55_000);
    assert.equal(await attach.over(await stream(net)), 0);
    await world.sleep(4000);
    assert.ok(!session.over);
    await world.sleep(1500);
    assert.ok(session.over);
    assert.equal(server.sessions.size, 0);
  }));

  test('more than 256 messages are not kept', on(async ({ p0, session, world }) => {
    for (let i = 1; i <= 257; i++) ask(p0, i, OP.DELAY, 1000);
    ping(p0);
    await of(p0, 3);
    p0.destroy();
    await world.sleep(500);
    assert.ok(session.parked && !session.over);
    await world.sleep(1000);
    assert.ok(session.over);
  }));

  test('subscriptions and incomplete messages are dropped, mids are kept', on(async ({ net, p0, attach, world, session }) => {
    ask(p0, 1, OP.STREAM, 5);
    const pushes = [];
    for (let m; pushes.length < 5;) if ((m = await p0.message()).type === 0x70 && m.subId) pushes.push(m);
    p0.send(0x70, R | FLAG.FRAGMENT, Buffer.concat([mid(2), Buffer.from([0, 0, 0, 0, 0, 0, 0, 2]), Buffer.alloc(600)]));
    await of(p0, 5);
    p0.destroy();
    await world.sleep(100);
    assert.equal(session.assembly.size, 0);
    const back = await stream(net);
    assert.equal(await attach.over(back), 0);
    ask(back, 1, OP.ECHO); // known
    ask(back, 2, OP.ECHO);
    const answers = [await of(back, 0x70), await of(back, 0x70)];
    assert.deepEqual(answers.map(({ replyTo }) => replyTo).sort(), [1n, 2n]);
  }));

  test('a shutdown erases what is parked', on(async ({ p0, session, server, world }) => {
    p0.destroy();
    await world.sleep(100);
    assert.ok(session.parked);
    await server.shutdown();
    assert.ok(session.over);
  }));
});

describe('rekey over several paths', () => {
  const init = (epoch) => {
    const [x25519, { ek, dk }] = [p.random(32), p.mlkemKeys(p.random(64))];
    return { x25519, dk, body: encodeRekeyInit(epoch, p.x25519Public(x25519), ek), id: p.random(8) };
  };

  // say sends RekeyInit, in two fragments, which fit both transports.
  const say = (puppet, n, { id, body }) => {
    const whole = withEnvelope(32, id, body);
    for (const i of [0, 1]) puppet.send(1, R | FLAG.FRAGMENT, Buffer.concat([mid(n), Buffer.from([0, 0, 0, n, 0, i, 0, 2]), whole.subarray(i * 700, (i + 1) * 700)]));
  };

  // rekeyed runs a RekeyInit and returns the root of the next epoch.
  async function rekeyed(puppet, n, sent, root) {
    say(puppet, n, sent);
    const parts = [];
    for (let m; m === undefined || parts.filter(Boolean).length < (m.count ?? 1);) {
      m = await of(puppet, 2);
      parts[m.index ?? 0] = m.body;
    }
    const { body } = splitEnvelope(Buffer.concat(parts));
    const { x25519, kem } = decodeRekeyResp(body);
    const messages = [transcriptMessage(32, sent.body), transcriptMessage(33, body)];
    return nextRoot(root, ...messages, p.mlkemDecapsulate(sent.dk, kem), p.x25519Shared(sent.x25519, x25519));
  }

  const switchTo = (puppet, root, epoch) => {
    const ts = pathSecrets(root, puppet.binder);
    puppet.open.prepare(ts.ts_server, epoch);
    puppet.seal.rekey(ts.ts_client, epoch);
  };

  test('each path switches by itself, and the old root goes when all have', on(async ({ net, p0, attach, session, world }) => {
    const udp = datagrams(net);
    await attach.over(udp, { udp: true, standby: true });
    ping(udp);
    await of(udp, 3);
    const next = await rekeyed(p0, 1, init(1), p0.root);
    switchTo(p0, next, 1);
    ping(p0);
    const pong = await of(p0, 3);
    assert.equal(pong.h.keyId.equals(p0.open.find(pong.h.keyId)?.keyId ?? Buffer.alloc(16)) && p0.open.epoch, 1);
    await world.sleep(1000);
    assert.deepEqual([session.rekey.epoch, session.rekey.holdsOld], [1, true]);
    ping(udp); // still under epoch 0
    assert.equal((await of(udp, 3)).body[0], 1);
    assert.equal(udp.open.epoch, 0);
    const old = udp.frame(3, 0, Buffer.alloc(64));
    switchTo(udp, next, 1);
    ping(udp);
    await of(udp, 3);
    assert.equal(udp.open.epoch, 1);
    udp.raw(old); // a lower number: taken, for the old keys stay a while
    assert.ok(await of(udp, 3));
    await world.sleep(1000);
    assert.equal(session.rekey.holdsOld, false);
  }));

  test('an old epoch after the new one on UDP is a violation', on(async ({ p0 }) => {
    const next = await rekeyed(p0, 1, init(1), p0.root);
    const later = p0.seal.next;
    p0.seal.next = later + 5n;
    const old = p0.frame(3, 0, Buffer.alloc(64));
    switchTo(p0, next, 1);
    p0.seal.next = later;
    ping(p0);
    await of(p0, 3);
    p0.raw(old);
    const error = decodeError((await of(p0, 0xfe)).body);
    assert.deepEqual([error.name, error.refSeq], ['PROTOCOL_VIOLATION', later + 5n]);
  }, { first: 'udp' }));

  test('RekeyResp is sent again for a RekeyInit that comes again', on(async ({ p0, world, net }) => {
    const sent = init(1);
    await rekeyed(p0, 1, sent, p0.root);
    await world.sleep(190); // a PTO after it was sent again by PTO
    p0.drain();
    const before = world.now;
    say(p0, 1, sent);
    assert.ok(await of(p0, 2));
    assert.equal(world.now - before, 2 * net.delay);
  }, { first: 'udp' }));

  test('Attach under the new root confirms; the path has the new keys alone', on(async ({ net, p0, session }) => {
    const next = await rekeyed(p0, 1, init(1), p0.root);
    assert.equal(session.rekey.epoch, 0);
    const udp = datagrams(net);
    const attach = new AttachPuppet({ ...p0, id: p0.id, seal: p0.seal }, { root: next, epoch: 1 });
    assert.equal(await attach.over(udp, { udp: true, standby: true }), 0);
    assert.equal(session.rekey.epoch, 1);
    ping(udp);
    assert.ok(await of(udp, 3));
    assert.equal(session.paths[1].open.keys.length, 1);
  }));

  test('a path attached under the old root has both keys while a rekey is in flight', on(async ({ net, p0, attach }) => {
    const next = await rekeyed(p0, 1, init(1), p0.root);
    const udp = datagrams(net);
    assert.equal(await attach.over(udp, { udp: true, standby: true }), 0);
    ping(udp);
    await of(udp, 3);
    assert.equal(udp.open.epoch, 0);
    switchTo(udp, next, 1);
    ping(udp);
    await of(udp, 3);
    assert.equal(udp.open.epoch, 1);
  }));

  test('an unswitched path is closed after 30 s, and the old root goes', on(async ({ net, p0, attach, session, world }) => {
    const tcp = await stream(net);
    await attach.over(tcp, { standby: true });
    ping(tcp);
    await of(tcp, 3);
    const next = await rekeyed(p0, 1, init(1), p0.root);
    switchTo(p0, next, 1);
    ping(p0);
    await of(p0, 3);
    for (let i = 0; i < 29; i++) {
      await world.sleep(1000);
      tcp.send(3, 0, [0], wallMicros()); // under the old keys
    }
    assert.equal(session.paths.length, 2);
    await world.sleep(1500);
    assert.deepEqual([session.paths.length, session.rekey.holdsOld], [1, false]);
  }));
});
