// The key schedule of chapter 4.

import { hkdfExpand, hmac384, sha384 } from './primitives.mjs';

const EMPTY = Buffer.alloc(0);
const text = (s) => Buffer.from(s, 'ascii');

// expandLabel is ExpandLabel of 4.1.
export function expandLabel(secret, label, context, n) {
  const l = text(`xtmp1 ${label}`);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(n);
  return hkdfExpand(secret, Buffer.concat([length, Buffer.from([l.length]), l, Buffer.from([context.length]), context]), n);
}

export const hkdfExtract = (salt, ikm) => hmac384(salt, ikm);

// transcriptMessage puts type and 24-bit length before a body, whose bytes are
// those that were on the wire. [XTMP-KEY-002]
export function transcriptMessage(type, body) {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  head[0] = type;
  return Buffer.concat([head, body]);
}

export function helloSecrets(ss, th1) {
  const scheduleSalt = sha384(text('XTMP/1 key schedule'));
  const hs = hkdfExtract(scheduleSalt, ss);
  const msSalt = expandLabel(hs, 'derived', EMPTY, 48);
  return {
    schedule_salt: scheduleSalt,
    HS: hs,
    c_hs: expandLabel(hs, 'c hs', th1, 48),
    s_hs: expandLabel(hs, 's hs', th1, 48),
    MS_salt: msSalt,
    MS: hkdfExtract(msSalt, Buffer.alloc(48)),
  };
}

export const signatureInput = (th2) =>
  Buffer.concat([Buffer.alloc(64, 0x20), text('XTMP/1 server auth'), Buffer.alloc(1), th2]);

export const finishedKey = (trafficSecret) => expandLabel(trafficSecret, 'finished', EMPTY, 48);

export const sessionSecrets = (ms, th3) => ({
  root_0: expandLabel(ms, 'root', th3, 48),
  exporter: expandLabel(ms, 'exporter', th3, 48),
});

export const pathSecrets = (root, binder) => ({
  ts_client: expandLabel(root, 'c path', binder, 48),
  ts_server: expandLabel(root, 's path', binder, 48),
});

// attachSecrets are those of the attach slots of an epoch.
export const attachSecrets = (root) => ({
  ts_client: expandLabel(root, 'c attach', EMPTY, 48),
  ts_server: expandLabel(root, 's attach', EMPTY, 48),
});

// nextRoot is root_{e+1} of a rekey, from root_e, the two transcript messages and
// the two shared secrets.
export function nextRoot(root, init, resp, mlkemShared, x25519Shared) {
  const ss = Buffer.concat([mlkemShared, x25519Shared]);
  const next = hkdfExtract(expandLabel(root, 'rekey', sha384(init, resp), 48), ss);
  ss.fill(0);
  return next;
}

export const slotKeys = (ts) => ({
  key: expandLabel(ts, 'key', EMPTY, 32),
  iv: expandLabel(ts, 'iv', EMPTY, 12),
  keyId: expandLabel(ts, 'key id', EMPTY, 16),
});

// exportSecret is Export(label, context, n).
export const exportSecret = (exporter, label, context, n) =>
  expandLabel(expandLabel(exporter, label, EMPTY, 48), 'exporter', sha384(context), n);

// A Schedule runs through a handshake. Each step takes the next transcript
// messages and leaves its results in `values`, under the names of
// spec/registry/schedule.json. [XTMP-KEY-001]
export class Schedule {
  values = {};
  #transcript = EMPTY;

  constructor(mlkemShared, x25519Shared) {
    this.values.ss = Buffer.concat([mlkemShared, x25519Shared]);
  }

  hellos(ch, sh) {
    const th1 = this.#add(ch, sh);
    return Object.assign(this.values, { th1 }, helloSecrets(this.values.ss, th1));
  }

  identity(si) {
    const th2 = this.#add(si);
    return Object.assign(this.values, { th2, server_signature_input: signatureInput(th2) });
  }

  signature(ss) {
    const key = finishedKey(this.values.s_hs);
    const hash = this.#add(ss);
    return Object.assign(this.values, { sf_key: key, sf_hash: hash, sf_mac: hmac384(key, hash) });
  }

  finished(sf) {
    const th3 = this.#add(sf);
    const key = finishedKey(this.values.c_hs);
    const session = sessionSecrets(this.values.MS, th3);
    return Object.assign(this.values, { th3, cf_key: key, cf_mac: hmac384(key, th3) }, session, pathSecrets(session.root_0, th3));
  }

  // erase overwrites every value. Copies inside node:crypto are beyond reach.
  // [XTMP-KEY-003] [XTMP-KEY-004]
  erase() {
    for (const value of Object.values(this.values)) value.fill(0);
    this.values = {};
  }

  #add(...messages) {
    this.#transcript = Buffer.concat([this.#transcript, ...messages]);
    return sha384(this.#transcript);
  }
}
