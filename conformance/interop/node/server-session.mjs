// What a server adds to a session: requests of types that it does not implement,
// wrong roles, the PING after silence.

import { ERROR, FLAG, HEARTBEAT, HS, LIMIT, SCOPE, TIMER, TYPE, isRequestType } from './codes.mjs';
import { CheckFailed } from './frame.mjs';
import { encodeError, encodeHandshakeDone, splitEnvelope, withEnvelope } from './messages.mjs';
import { Queue, Session, protocolViolation, unexpectedMessage } from './session.mjs';

const REPLY_BYTES = 8 + 8 + 16; // plaintext of an Error that is a reply

export class ServerSession extends Session {
  payloadLimit = LIMIT.frame_payload_before_wallet; // [XTMP-LIM-002]
  #keptBytes = 0; // replies that are not handed to the transport
  #delayed = new Queue(); // requests that wait until fewer replies are kept
  #delayedBytes = 0;
  #notice = null; // sequence number of a frame that is owed an unsolicited UNSUPPORTED_TYPE
  #noticed = -Infinity;
  #heartbeatMs;

  constructor(options) {
    super(options);
    this.#heartbeatMs = options.heartbeatMs;
  }

  // begin sends HandshakeDone, or refuses the client's clock. [XTMP-HSK-053] [XTMP-HSK-054] [XTMP-HSK-057]
  begin(handshakeId, skewed) {
    if (skewed) return this.endByError(ERROR.CLOCK_SKEW, SCOPE.SESSION);
    this.start();
    const body = withEnvelope(HS.HANDSHAKE_DONE, handshakeId, encodeHandshakeDone(this.now)); // [XTMP-HSK-056]
    this.sendReliable({ type: TYPE.HANDSHAKE_ACK, body });
  }

  // heard restarts the wait for the PING of a silent path. [XTMP-HBT-022] [XTMP-HBT-023]
  heard() {
    this.deadlines.set('silent', 3 * this.#heartbeatMs, () => this.sendHeartbeat(HEARTBEAT.PING, Buffer.alloc(0)));
  }

  judgeRole({ type, flags }) {
    const reply = (flags & FLAG.REPLY) !== 0;
    if (type === TYPE.HANDSHAKE_ACK) throw protocolViolation('type 0x02 from a client'); // [XTMP-MSG-037]
    if (isRequestType(type) && reply) throw protocolViolation('a reply from a client'); // [XTMP-MSG-038]
    if (type === TYPE.ERROR && reply) throw new CheckFailed('an Error as reply from a client'); // [XTMP-MSG-041]
  }

  dispatch(m) {
    if (m.type === TYPE.HANDSHAKE) {
      if ((m.flags & FLAG.FRAGMENT) === 0) splitEnvelope(m.body); // [XTMP-MSG-039]
      throw unexpectedMessage('type 0x01 in a session'); // [XTMP-MSG-040]
    }
    if (isRequestType(m.type)) this.#unknown(m);
    else super.dispatch(m);
  }

  rekeyRequest() {
    throw protocolViolation('REKEY_REQUEST from a client'); // [XTMP-HBT-010]
  }

  // #unknown is 8.7: every request type is unknown to this server. Its fragment
  // fields, compression and size are not looked at. [XTMP-MSG-033] [XTMP-MSG-034]
  #unknown(m) {
    if ((m.flags & FLAG.STREAMING) !== 0) return; // [XTMP-MSG-031]
    if (m.mid !== undefined) return this.#request(m);
    if (this.#notice !== null || performance.now() - this.#noticed < 1000) return; // [XTMP-MSG-030]
    this.#notice = m.seq;
    this.flush();
  }

  // #request answers, or delays the answer while too many replies are kept. A
  // request that waits is unanswered, and the limits of 8.6 are judged on those.
  // [XTMP-MSG-024] [XTMP-MSG-025] [XTMP-MSG-027] [XTMP-MSG-029] [XTMP-DSC-015]
  #request({ mid, seq, body }) {
    const code = this.draining ? ERROR.SERVER_BUSY : ERROR.UNSUPPORTED_TYPE;
    if (this.#delayed.length === 0 && this.#keptBytes < LIMIT.unacked_reply_bytes) {
      this.#reply({ mid, seq, code });
      return this.flush();
    }
    const count = this.#delayed.length + 1;
    this.#delayedBytes += body.length;
    const beyond = (factor) => count > factor * this.params.maxInflight || this.#delayedBytes > factor * LIMIT.inflight_bytes;
    if (beyond(2)) throw protocolViolation('requests beyond twice the limit');
    this.#delayed.push({ mid, seq, code: beyond(1) ? ERROR.RATE_LIMITED : code, size: body.length });
  }

  #reply({ mid, seq, code }) {
    this.#keptBytes += REPLY_BYTES;
    const body = encodeError({ code, scope: SCOPE.MESSAGE }); // [XTMP-ERR-004] [XTMP-ERR-006]
    this.outbox.push({ type: TYPE.ERROR, body, replyTo: mid, answers: seq });
  }

  handed({ replyTo }) {
    if (replyTo === undefined) return;
    this.#keptBytes -= REPLY_BYTES;
    if (this.#delayed.length === 0 || this.#keptBytes >= LIMIT.unacked_reply_bytes) return;
    const request = this.#delayed.shift();
    this.#delayedBytes -= request.size;
    this.#reply(request);
  }

  sendOther() {
    if (this.#notice === null) return false;
    const refSeq = this.#notice;
    this.#notice = null;
    this.#noticed = performance.now();
    this.send(TYPE.ERROR, 0, encodeError({ code: ERROR.UNSUPPORTED_TYPE, scope: SCOPE.MESSAGE, refSeq })); // [XTMP-ERR-008]
    return true;
  }

  // quiet says that nothing of its own keeps the session from being drained.
  get quiet() {
    return this.#delayed.length === 0;
  }
}
