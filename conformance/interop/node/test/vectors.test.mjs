// The golden vectors of vectors/, each given to the code that has to judge it: the
// stages of a connection over a socket that is none.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ERROR, HEADER, NO_SEQ, TYPE } from '../codes.mjs';
import { SessionClock } from '../clock.mjs';
import { ClientSession } from '../client-session.mjs';
import { Hello } from '../client.mjs';
import { compose } from '../compose.mjs';
import { Connection } from '../connection.mjs';
import { OpenSlot, SealSlot, parseHeader, readPrologue } from '../frame.mjs';
import { ClientHandshake, clientFinishVerifies } from '../handshake.mjs';
import { fingerprintOf, identityFrom } from '../identity.mjs';
import * as keys from '../keys.mjs';
import { decodeError, encodeAck, encodeHandshakeDone, withEnvelope } from '../messages.mjs';
import { ed25519KeyAcceptable, ed25519Verify, hmac384, sha384 } from '../primitives.mjs';
import { DEFAULTS, Half, Server, ServerConnection } from '../server.mjs';
import { ServerSession } from '../server-session.mjs';
import { Mids } from '../session.mjs';

const ROOT = new URL('../../../../vectors/', import.meta.url);
const u64 = (b) => b.readBigUInt64BE();
const hex = (b) => b.toString('hex');
const OUR_TS = Buffer.alloc(48, 0x77); // of the slot that the receiver under test seals with

// parse reads a vector: header, given, results, frames and streams of bytes.
function parse(text) {
  const v = { given: {}, result: {}, frames: [] };
  let put = (name, value) => (v[name] = value);
  let last = null;
  let head = true;
  for (const line of text.split('\n')) {
    if (line.startsWith('---') || line.startsWith('>>>')) {
      head = false;
      const frame = { from: line.includes('client →') ? 'client' : 'server', bytes: Buffer.alloc(0) };
      if (line.startsWith('>>>')) v.frames.push(frame);
      const section = v[line.slice(4)];
      put = (name, value) => {
        if (line.startsWith('>>>')) frame.bytes = Buffer.concat([frame.bytes, value]);
        else if (section) section[name] = Buffer.concat([section[name] ?? Buffer.alloc(0), value]);
      };
      continue;
    }
    const m = head ? /^(\w+): (.*)$/.exec(line) : /^(\S*)(?:\s+([0-9a-f]+))?\s*(?:#.*)?$/.exec(line);
    if (!m) continue;
    last = m[1] || last;
    put(last, head ? m[2] : Buffer.from(m[2] ?? '', 'hex'));
  }
  return v;
}

const vectors = readdirSync(ROOT, { withFileTypes: true }).filter((d) => d.isDirectory()).flatMap((area) =>
  readdirSync(new URL(`${area.name}/`, ROOT)).filter((name) => name.endsWith('.txt'))
    .map((name) => parse(readFileSync(new URL(`${area.name}/${name}`, ROOT), 'utf8'))));
const ofKind = (...kinds) => vectors.filter(({ kind }) => kinds.includes(kind));

class NoSocket extends EventEmitter {
  sent = [];
  closed = false;
  writableLength = 0;
  remoteAddress = '192.0.2.1';

  setNoDelay() {}

  write(bytes) {
    this.sent.push(bytes);
  }

  end(bytes) {
    this.sent.push(bytes);
  }

  destroy() {
    this.closed = true;
  }
}

// atClock runs with the wall clock standing at a time in microseconds.
function atClock(micros, act) {
  const now = Date.now;
  Date.now = () => Number(micros / 1000n);
  try {
    return act();
  } finally {
    Date.now = now;
  }
}

const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };
const server = new Server({ identities: [identityFrom(Buffer.alloc(32, 5))], limits: unlimited });

// receivers make a connection in the state of a vector, and say which of its
// frames are history: those that bring it there.
const receivers = {
  'server first': (socket) => new ServerConnection(server, socket),

  'server half-open': (socket, { given }) => {
    const connection = new ServerConnection(server, socket);
    const handshake = {
      slot: new OpenSlot(given.ts), sessionId: u64(given.session_id), erase() {},
      clientFinish: (h, plaintext) => clientFinishVerifies(h, plaintext, given.handshake_id, given.cf_mac),
    };
    connection.stage = new Half(connection, handshake, () => (connection.established = true));
    return connection;
  },

  'server established': (socket, { given }) => {
    const connection = new ServerConnection(server, socket);
    connection.stage = new ServerSession({ ...sessionOptions(connection, given), heartbeatMs: 30_000 });
    connection.stage.start();
    return connection;
  },

  'client finished': (socket, { given }) => clientSession(socket, given),

  'client established': (socket, { given }) => {
    const connection = clientSession(socket, given);
    const session = connection.stage;
    session.dispatch({ type: TYPE.HANDSHAKE_ACK, mid: 1n, body: withEnvelope(6, Buffer.alloc(8), encodeHandshakeDone(0n)) });
    for (let mid = 1n; given.sent_mid && mid <= u64(given.sent_mid); mid += 1n) {
      session.call(given.sent_type[0], Buffer.alloc(0)).then((reply) => (connection.reply = reply), (error) => (connection.unknown = error));
    }
    socket.sent.length = 0;
    connection.sealSlot.next = u64(given.last_sent) + 1n;
    return connection;
  },

  'client hello': (socket, vector) => clientHello(socket, vector),
  'client flight': (socket, vector) => clientHello(socket, vector),
};

function sessionOptions(connection, given) {
  const open = new OpenSlot(given.ts);
  open.next = u64(given.sequence);
  const seal = new SealSlot(OUR_TS);
  seal.next = u64(given.last_sent) + 1n;
  connection.sealSlot = seal;
  const clock = u64(given.clock);
  const anchor = Object.assign(new SessionClock(clock), { now: () => clock });
  const mids = new Mids(given.base ? u64(given.base) : 1n);
  return { connection, id: u64(given.session_id), slots: { seal, open }, clock: new SessionClock(clock), anchor, params: DEFAULTS.params, mids };
}

function clientSession(socket, given) {
  const connection = new Connection(socket);
  connection.stage = new ClientSession({ ...sessionOptions(connection, given), handshakeId: given.handshake_id ?? Buffer.alloc(8) });
  connection.stage.start();
  return connection;
}

// clientHello is a client whose ClientHello is that of the vector, byte for byte.
function clientHello(socket, { given, frames }) {
  const connection = new Connection(socket);
  const pins = [{ kind: 1, fingerprint: given.pin ?? Buffer.alloc(32), key: given.pinned_key ?? null }];
  const own = frames[0].from === 'client' ? frames.shift().bytes : null;
  const body = own?.subarray(112);
  const entropy = own && {
    handshakeId: own.subarray(104, 112), random: body.subarray(16, 48), x25519: given.client_x25519, mlkemSeed: given.client_mlkem_seed,
    extension: body.readUInt16BE(1298), extensionValue: body.subarray(1302),
  };
  const hint = own !== null && body[1264] !== 0;
  const handshake = new ClientHandshake(pins, own ? body.readBigUInt64BE(8) : 0n, { entropy: entropy ?? undefined, hint });
  if (own) assert.ok(handshake.hello().equals(own), 'ClientHello');
  connection.stage = new Hello(connection, handshake, { clock: new SessionClock(0n), wall: { step: 1n, now: () => u64(given.clock) }, done: () => (connection.established = true) });
  return connection;
}

// judge gives the frames of a vector to its receiver and compares what follows.
async function judge(vector) {
  const socket = new NoSocket();
  const clock = u64(vector.given.clock);
  const connection = atClock(clock, () => {
    const made = receivers[`${vector.receiver} ${vector.state}`](socket, vector);
    for (const { bytes } of vector.frames) made.received(bytes);
    return made;
  });
  try {
    const [expected, stage] = vector.expect.split(/[@]/)[0].split(':');
    if (vector.kind === 'stream') {
      assert.ok(!connection.over && connection.deadlines.has('frame'), 'T_FRAME runs');
      return;
    }
    if (expected === 'invalid') invalid(stage, vector, connection, socket);
    else await effects[vector.effect ?? 'none'](connection, socket, vector);
  } finally {
    connection.wire.close();
    connection.fail('done');
    connection.closed?.();
  }
}

// opened is a frame that the receiver under test has sealed.
function opened(frame) {
  const h = parseHeader(frame);
  const slot = new OpenSlot(OUR_TS);
  slot.next = h.seq;
  return { h, ...readPrologue(h.flags, slot.open(h, frame, h.sessionId, null)) };
}

function invalid(outcome, { kind, state, frames, expect }, connection, socket) {
  if (outcome === 'discard') return void assert.deepEqual([connection.over, socket.sent.length], [false, 0]);
  assert.equal(connection.over, true, 'it goes on');
  if (outcome === 'silent') return void assert.deepEqual([socket.sent.length, socket.closed], [0, true], connection.why);
  assert.equal(socket.sent.length, 1, connection.why);
  const clear = state === 'first';
  const { h, body } = clear ? { h: parseHeader(socket.sent[0]), body: socket.sent[0].subarray(HEADER) } : opened(socket.sent[0]);
  const error = decodeError(body);
  assert.deepEqual([h.type, error.name], [TYPE.ERROR, outcome], connection.why);
  const path = clear || expect.endsWith('@check4');
  assert.deepEqual([error.scope, error.refSeq], [path ? 1 : 2, path ? NO_SEQ : parseHeader(frames.at(-1).bytes).seq], kind);
  if (clear) assert.deepEqual([h.sessionId, h.flags, h.seq], [0n, 0, 0n]);
}

function one(socket, type, check) {
  assert.equal(socket.sent.length, 1);
  const m = opened(socket.sent[0]);
  assert.equal(m.h.type, type);
  check(m);
}

const quiet = (connection, socket) => assert.deepEqual([connection.over, socket.sent.length], [false, 0], connection.why);
const answered = (kind) => (connection, socket, { frames, given }) => {
  const asked = frames.at(-1).bytes;
  const slot = new OpenSlot(given.ts);
  slot.next = u64(given.sequence);
  const data = slot.open(parseHeader(asked), asked, u64(given.session_id), null).subarray(1);
  one(socket, TYPE.HEARTBEAT, ({ body }) => assert.equal(hex(body), hex(Buffer.concat([Buffer.from([kind]), data]))));
};
const unsupported = (reply) => (connection, socket, { frames }) => one(socket, TYPE.ERROR, ({ mid, replyTo, body }) => {
  const error = decodeError(body);
  assert.deepEqual([error.code, error.scope], [ERROR.UNSUPPORTED_TYPE, 0]);
  assert.equal(error.refSeq, reply ? NO_SEQ : parseHeader(frames.at(-1).bytes).seq);
  assert.deepEqual([mid !== undefined, replyTo !== undefined], [reply, reply]);
});

const effects = {
  none: quiet,
  nothing: (connection, socket) => {
    quiet(connection, socket);
    assert.ok(!connection.deadlines.has('ack'), 'no Ack is due');
  },
  PONG: answered(1),
  PATH_RESPONSE: answered(3),
  Ack: async (connection, socket, { frames }) => {
    quiet(connection, socket);
    assert.ok(connection.deadlines.has('ack'), 'an Ack is due');
    await new Promise((resolve) => setTimeout(resolve, 25));
    one(socket, TYPE.ACK, ({ body }) => assert.equal(hex(body), hex(encodeAck(parseHeader(frames.at(-1).bytes).seq))));
  },
  'reply UNSUPPORTED_TYPE': unsupported(true),
  'Error UNSUPPORTED_TYPE': unsupported(false),
  end: (connection, socket) => assert.deepEqual([connection.over, socket.sent.length, socket.closed], [true, 0, true]),
  ServerHello: (connection, socket) => {
    assert.ok(!connection.over, connection.why);
    assert.deepEqual([socket.sent.length, socket.sent[0][5], socket.sent[0][HEADER]], [1, TYPE.HANDSHAKE_ACK, 3]);
  },
  HandshakeDone: (connection) => assert.ok(connection.established, connection.why),
  ClientFinish: (connection, socket) => {
    assert.ok(connection.established, connection.why);
    assert.deepEqual([socket.sent.length, socket.sent[0][5], socket.sent[0].length], [1, TYPE.HANDSHAKE, 160]);
  },
};

describe('frames', { concurrency: true }, () => {
  for (const vector of ofKind('frame', 'header', 'stream')) test(vector.id, () => judge(vector));
});

describe('Ed25519 keys and signatures', () => {
  for (const { id, expect, given } of ofKind('key')) {
    test(id, () => {
      const ok = given.signature ? ed25519Verify(given.key, given.message, given.signature) : ed25519KeyAcceptable(given.key);
      assert.equal(ok, expect === 'valid');
    });
  }
});

// formulas compute the functions of the key schedule from what a vector gives.
const formulas = {
  handshake: (g) => {
    const ss = Buffer.concat([g.mlkem_ss, g.x25519_ss]);
    if (g.CH) {
      const schedule = new keys.Schedule(g.mlkem_ss, g.x25519_ss);
      schedule.hellos(g.CH, g.SH);
      schedule.identity(g.SI);
      const SF = keys.transcriptMessage(0x43, schedule.signature(g.SS).sf_mac);
      return { ...schedule.finished(SF), SF, binder_0: schedule.values.th3 };
    }
    const hello = keys.helloSecrets(ss, g.th1);
    const [sfKey, cfKey] = [keys.finishedKey(hello.s_hs), keys.finishedKey(hello.c_hs)];
    return { ss, ...hello, sf_key: sfKey, cf_key: cfKey, cf_mac: hmac384(cfKey, g.th3), ...keys.sessionSecrets(hello.MS, g.th3), binder_0: g.th3 };
  },
  path: (g) => keys.pathSecrets(g.root, g.binder),
  attach: (g) => ({ ts_client: keys.expandLabel(g.root, 'c attach', Buffer.alloc(0), 48), ts_server: keys.expandLabel(g.root, 's attach', Buffer.alloc(0), 48) }),
  path_binder: (g) => ({ binder: sha384('XTMP/1 path', g.attach, g.attach_ack) }),
  slot: (g) => {
    const { key, iv, keyId } = keys.slotKeys(g.ts);
    return { key, iv, key_id: keyId };
  },
  nonce: (g) => {
    const field = Object.assign(new OpenSlot(Buffer.alloc(48)), { iv: g.iv }).nonceField(u64(g.seq));
    return { nonce: field.subarray(0, 12), nonce_field: field, nonce_mask: Buffer.concat([Buffer.alloc(4), g.seq]) };
  },
  export: (g, r) => {
    const exported = keys.exportSecret(g.exporter, g.label.toString(), g.context ?? Buffer.alloc(0), r.exported.length);
    return { exported, export_secret: keys.expandLabel(g.exporter, g.label.toString(), Buffer.alloc(0), 48), export_hash: sha384(g.context ?? '') };
  },
  rekey: (g) => {
    const salt = keys.expandLabel(g.root, 'rekey', g.rekey_hash, 48);
    const ss = Buffer.concat([g.mlkem_ss, g.x25519_ss]);
    return { ss, rekey_salt: salt, root_next: keys.hkdfExtract(salt, ss) };
  },
  identity: (g) => ({ fingerprint: fingerprintOf(g.identity_key) }),
};

describe('values', () => {
  for (const { id, function: name, given, result } of ofKind('values')) {
    test(id, () => {
      const got = formulas[name](given, result);
      for (const [field, value] of Object.entries(result)) assert.equal(hex(got[field]), hex(value), field);
    });
  }
});

describe('flows', () => {
  for (const { id, result, frames } of ofKind('flow')) {
    test(id, () => {
      const composed = compose(JSON.parse(readFileSync(new URL(`${id}.json`, ROOT), 'utf8')));
      assert.deepEqual(composed.frames.map(({ frame }) => frame), frames.map(({ bytes }) => hex(bytes)));
      assert.deepEqual(composed.result, Object.fromEntries(Object.entries(result).map(([name, value]) => [name, hex(value)])));
    });
  }
});

test('there are vectors of every kind', () => {
  assert.deepEqual([...new Set(vectors.map(({ kind }) => kind))].sort(), ['flow', 'frame', 'header', 'key', 'stream', 'values']);
});
