// Probe, type 0x70: what a server answers, and the calls of a client. Chapter 18.

import { ERROR, LIMIT, TYPE } from './codes.mjs';
import { Malformed } from './frame.mjs';
import { decodeProbe, encodeProbe } from './messages.mjs';

export const OP = Object.freeze({ ECHO: 0, SINK: 1, SOURCE: 2, FAIL: 3, DELAY: 4, STREAM: 5 });

const EMPTY = Buffer.alloc(0);
let pattern = EMPTY; // i mod 251, as long as it was ever needed

// sourceData is n bytes, byte i of which is i mod 251. It is shared: nobody writes
// into it. [XTMP-PRB-014]
export function sourceData(n) {
  if (pattern.length < n) pattern = Buffer.alloc(n, Buffer.from([...Array(251).keys()]));
  return pattern.subarray(0, n);
}

// answer says what a server does with the body of a request: { error }, a code, or
// { op, arg, data }, the reply, and with it afterMs, to be waited for, or pushes, to
// be sent after it. [XTMP-PRB-004] … [XTMP-PRB-022]
export function answer(body) {
  let request;
  try {
    request = decodeProbe(body);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { error: ERROR.INVALID_PAYLOAD };
  }
  const { op, arg, data } = request;
  switch (op) {
    case OP.ECHO: return { op, arg: 0, data };
    case OP.SINK: return { op, arg: data.length, data: EMPTY };
    case OP.SOURCE: return arg > LIMIT.probe_data_to_client ? { error: ERROR.PAYLOAD_TOO_LARGE } : { op, arg: 0, data: sourceData(arg) };
    case OP.FAIL: return { error: arg > LIMIT.probe_code_max ? ERROR.INVALID_PAYLOAD : arg };
    case OP.DELAY: return arg > LIMIT.probe_delay_ms ? { error: ERROR.INVALID_PAYLOAD } : { op, arg: 0, data, afterMs: arg };
    case OP.STREAM: return arg > LIMIT.probe_pushes ? { error: ERROR.INVALID_PAYLOAD } : { op, arg, data: EMPTY, pushes: { left: arg, data } };
    default: return { error: ERROR.INVALID_PAYLOAD };
  }
}

// isSink says whether a message without REQUIRES_ACK is a well-formed sink.
export function isSink(body) {
  try {
    return decodeProbe(body).op === OP.SINK;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return false;
  }
}

// A ProbeError is an Error in reply to a Probe request.
export class ProbeError extends Error {
  constructor(error) {
    super(`the server answered ${error.name}`);
    Object.assign(this, error);
  }
}

// A Probe makes the calls of 18.1 on the session of a client. A result is unknown
// when the reply is malformed. [XTMP-PRB-009]
export class Probe {
  #session;

  constructor(session) {
    this.#session = session;
  }

  echo(data, options) {
    return this.#call(OP.ECHO, 0, data, options).then((reply) => reply.data);
  }

  sink(data, options) {
    return this.#call(OP.SINK, 0, data, options).then((reply) => reply.arg);
  }

  // swallow is a sink that nobody answers. [XTMP-PRB-003]
  swallow(data, options) {
    this.#session.tell(TYPE.PROBE, encodeProbe(OP.SINK, 0, data), options);
  }

  source(n, options) {
    return this.#call(OP.SOURCE, n, EMPTY, options).then((reply) => reply.data);
  }

  fail(code, options) {
    return this.#call(OP.FAIL, code, EMPTY, options);
  }

  delay(ms, data = EMPTY, options = {}) {
    return this.#call(OP.DELAY, ms, data, options).then((reply) => reply.data);
  }

  // stream resolves to the data of n pushes, and to the numbers that they had.
  stream(n, data = EMPTY, options = {}) {
    const pushes = [];
    return new Promise((resolve, reject) => {
      const arrived = (push) => {
        const { op, data: got } = push;
        if (op === OP.STREAM) pushes.push({ n: push.n, data: got });
        if (pushes.length === n) resolve(pushes);
      };
      const replied = (body) => {
        const { op, arg, data: subId } = decodeProbe(body);
        if (op !== OP.STREAM || arg !== n || subId.length !== 4) throw new Malformed('reply to stream');
        this.#session.subscribe(subId.readUInt32BE(0), (push) => {
          try {
            arrived({ n: push.n, ...decodeProbe(push.body) });
          } catch (error) {
            if (!(error instanceof Malformed)) throw error; // ignored [XTMP-PRB-010]
          }
        });
        if (n === 0) resolve(pushes);
      };
      this.#session.closed?.then((why) => reject(new Error(`unknown: the session ended: ${why}`)));
      this.#call(OP.STREAM, n, data, { ...options, replied }).catch(reject);
    });
  }

  async #call(op, arg, data, options) {
    const reply = await this.#session.call(TYPE.PROBE, encodeProbe(op, arg, data), options);
    if (reply.error) throw new ProbeError(reply.error);
    try {
      const decoded = decodeProbe(reply.body);
      if (decoded.op !== op) throw new Malformed('another op');
      return decoded;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      throw new Error(`unknown: ${error.message}`);
    }
  }
}
