// The golden vectors of datagrams, each given to a server or a client in the state that
// it names. The clock stands still.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ClientSession } from '../client-session.mjs';
import { SessionClock } from '../clock.mjs';
import { ERROR, HEADER, TYPE } from '../codes.mjs';
import { compose } from '../compose.mjs';
import { DatagramOpenSlot, DatagramSealSlot } from '../datagram.mjs';
import { OpenSlot, parseHeader, readPrologue } from '../frame.mjs';
import { identityFrom } from '../identity.mjs';
import { attachSecrets } from '../keys.mjs';
import { decodeAttachAck, decodeError, decodeRanges, encodeHandshakeDone, splitEnvelope, splitFragment, withEnvelope } from '../messages.mjs';
import { DEFAULTS, Server } from '../server.mjs';
import { ServerSession } from '../server-session.mjs';
import { Mids } from '../session.mjs';
import { Tokens } from '../tokens.mjs';
import { Link, pathOver } from '../udp-client.mjs';
import { ROOT, vectors } from '../vectors.mjs';
import { Net, World } from '../virtual.mjs';

const u64 = (b) => b.readBigUInt64BE();
const list = (b = Buffer.alloc(0)) => [...Array(b.length / 8).keys()].map((i) => b.readBigUInt64BE(8 * i));
const OUR_TS = Buffer.alloc(48, 0x77); // of the slot that the receiver under test seals with
const AT = { address: '198.51.100.1', port: 8090 };
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };

// addressOf reads client_address.
const addressOf = (b) => (b ? { address: [...b.subarray(12, 16)].join('.'), port: b.readUInt16BE(16) } : { address: '192.0.2.1', port: 4711 });

function slotsOf(given) {
  const open = new DatagramOpenSlot(given.root ? Buffer.alloc(48, 1) : given.ts, given.suite?.[0]);
  open.resume(given.highest ? u64(given.highest) : u64(given.sequence) - 1n, list(given.seen));
  const seal = new DatagramSealSlot(OUR_TS, given.suite?.[0]);
  seal.next = u64(given.last_sent) + 1n;
  for (const seq of list(given.left_out)) seal.leftOut.add(seq);
  return { seal, open, binder: Buffer.alloc(48) };
}

const optionsOf = (given, params = {}) => ({
  id: u64(given.session_id), suite: given.suite?.[0], root: Buffer.from(given.root ?? Buffer.alloc(48)), clock: new SessionClock(u64(given.clock)),
  params: { ...DEFAULTS.params, ...params }, mids: new Mids(given.base ? u64(given.base) : 1n),
});

// receivers make what a vector speaks to: { take(bytes, from), session }.
const receivers = {
  'server first': ({ given }, net) => {
    const server = new Server({ identities: [identityFrom(Buffer.alloc(32, 5))], settings: { udp: true }, limits: unlimited });
    const gen = given.token_gen[0];
    server.tokens = new Tokens(undefined, { 1: { key: given.cookie_key, gen }, 2: { key: given.address_token_key, gen } });
    const socket = net.socket(AT.address, AT.port);
    server.serveDatagrams(socket);
    return { take: (bytes, from) => socket.emit('message', bytes, from), server };
  },

  'server established': ({ given, needs }, net) => {
    const attach = needs === 'failover';
    const server = new Server({ identities: [identityFrom(Buffer.alloc(32, 5))], settings: { udp: true, attach }, limits: unlimited });
    const socket = net.socket(AT.address, AT.port);
    server.serveDatagrams(socket);
    const session = new ServerSession({ ...optionsOf(given, { policy: attach ? 6 : 0 }), owner: server });
    Object.assign(session, { source: '192.0.2.1', counted: {} });
    server.sessions.set(session.id, session);
    const link = { send: (bytes, { address, port }) => socket.send(bytes, port, address) };
    const slots = slotsOf(given);
    server.pathFor(session, { slots, anchor: new SessionClock(u64(given.clock)), route: { link, ...addressOf() }, rtt: 20 });
    session.start();
    if (attach) {
      const { open } = session.attachSlots.find(new OpenSlot(attachSecrets(given.root).ts_client).keyId);
      open.highest = u64(given.attach_counter) - 1n;
    }
    return { take: (bytes, from) => socket.emit('message', bytes, from), server, session };
  },

  'client established': ({ given }, net) => {
    const socket = net.socket();
    const link = new Link(socket, AT, () => {});
    const session = new ClientSession({ ...optionsOf(given, { resetToken: given.reset_token }), handshakeId: Buffer.alloc(8) });
    const path = pathOver(link, session, { slots: slotsOf(given), anchor: new SessionClock(u64(given.clock)), rtt: 20 });
    session.dispatch({ type: TYPE.HANDSHAKE_ACK, mid: 1n, path, body: withEnvelope(6, Buffer.alloc(8), encodeHandshakeDone(0n)) });
    session.start();
    return { take: (bytes) => socket.emit('message', bytes, AT), session };
  },
};

// opened is a frame under the path key of the receiver under test.
function opened(bytes) {
  const h = parseHeader(bytes);
  const slot = Object.assign(new OpenSlot(OUR_TS, h.suite), { next: h.seq });
  return { h, type: h.type, ...readPrologue(h.flags, slot.open(h, bytes, h.sessionId, null)) };
}

const heartbeat = (kind) => ({ sent }) => assert.deepEqual(sent.map(opened).map(({ type, body }) => [type, body[0]]), [[TYPE.HEARTBEAT, kind]]);
const attachAck = (status) => ({ sent, given, session, before }) => {
  assert.equal(sent.length, 1);
  const h = parseHeader(sent[0]);
  const slot = Object.assign(new OpenSlot(attachSecrets(given.root).ts_server), { next: h.seq });
  const { hsType, body } = splitEnvelope(slot.open(h, sent[0], h.sessionId, null));
  assert.deepEqual([hsType, decodeAttachAck(body).status], [17, status]);
  assert.equal(session.paths.length - before, status === 0 ? 1 : 0);
};

const effects = {
  Retry: ({ sent }) => assert.deepEqual(sent.map((bytes) => [bytes.length, splitFragment(bytes.subarray(HEADER)).hsType]), [[160, 2]]),
  ServerHello: ({ sent }) => assert.deepEqual(sent.slice(0, 2).map((bytes) => splitFragment(bytes.subarray(HEADER)).hsType), [3, 3]),
  nothing: ({ sent, session }) => assert.deepEqual([sent.length, session?.over ?? false], [0, false], session?.why),
  PONG: heartbeat(1),
  PATH_RESPONSE: heartbeat(3),
  'reply UNSUPPORTED_TYPE': ({ sent }) => assert.ok(sent.map(opened).some(({ replyTo, body }) => replyTo !== undefined && decodeError(body).code === ERROR.UNSUPPORTED_TYPE)),
  Ack: async ({ sent, world, frames }) => {
    await world.run(world.sleep(25));
    const [ack] = sent.map(opened).filter(({ type }) => type === TYPE.ACK);
    assert.equal(decodeRanges(ack.body).largest, parseHeader(frames.at(-1).bytes).seq);
  },
  AttachAck: attachAck(0),
  'AttachAck MALFORMED': attachAck(ERROR.MALFORMED),
  end: ({ sent, session }) => assert.deepEqual([sent.length, session.over], [0, true]),
};

async function judge(vector) {
  const { given, frames, expect, effect, receiver, state } = vector;
  const world = new World(u64(given.clock));
  const net = new Net(world);
  const all = receivers[`${receiver} ${state}`](vector, net);
  const sent = [];
  net.drops = ({ bytes }) => sent.push(bytes);
  const before = all.session?.paths.length;
  for (const { bytes } of frames) {
    sent.length = 0;
    all.take(bytes, addressOf(given.client_address));
  }
  const context = { ...all, ...vector, sent, world, before };
  const [, code] = /^invalid:(\w+)/.exec(expect) ?? [];
  if (code === undefined) return effects[effect](context);
  if (code === 'drop') {
    const ack = sent.map((bytes) => parseHeader(bytes)).filter(({ type }) => type !== TYPE.ERROR); // a reset may come [12.14]
    return assert.deepEqual([ack.length, all.session?.over ?? false], [0, false], all.session?.why);
  }
  assert.equal(sent.length, 1, all.session?.why);
  const error = decodeError(opened(sent[0]).body);
  return assert.deepEqual([error.name, error.scope, error.refSeq, all.session.over], [code, 2, parseHeader(frames.at(-1).bytes).seq, true]);
}

describe('sessions on UDP and over several paths', () => {
  for (const { id, result, frames } of vectors.filter(({ kind }) => kind === 'paths')) {
    test(id, () => {
      const composed = compose(JSON.parse(readFileSync(new URL(`${id}.json`, ROOT), 'utf8')));
      assert.deepEqual(composed.frames.map(({ frame }) => frame), frames.map(({ bytes }) => bytes.toString('hex')));
      assert.deepEqual(composed.result, Object.fromEntries(Object.entries(result).map(([name, value]) => [name, value.toString('hex')])));
    });
  }
});

describe('datagrams', () => {
  for (const vector of vectors.filter(({ kind }) => kind === 'datagram')) test(vector.id, () => judge(vector));
});
